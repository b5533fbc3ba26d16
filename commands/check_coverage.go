package commands

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// CheckCoverage asks for every message of an account to be accounted for now (api.md 10.13).
type CheckCoverage struct {
	Journal events.JournalID
	Meta    events.Meta
	Account domain.AccountID
}

// CheckCoverageHandler carries out CheckCoverage.
type CheckCoverageHandler struct {
	journal Journal
	syncs   *RequestSyncHandler
}

// NewCheckCoverage returns the handler.
func NewCheckCoverage(journal Journal, syncs *RequestSyncHandler) *CheckCoverageHandler {
	return &CheckCoverageHandler{journal, syncs}
}

// Handle queues a run that lists all messages, or joins the one that is there. What that one has passed
// already is listed by the next. It returns domain.ErrNotFound.
func (h *CheckCoverageHandler) Handle(ctx context.Context, cmd CheckCoverage) (SyncOutcome, error) {
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Account: cmd.Account}
	_, err := h.journal.Update(ctx, scope, func(State) (Decision, error) {
		return Decision{Rows: []Row{CoverageDueRow{cmd.Account}}}, nil
	})
	if err != nil {
		return SyncOutcome{}, fmt.Errorf("have account %d checked: %w", cmd.Account, err)
	}
	return h.syncs.Handle(ctx, RequestSync{Journal: cmd.Journal, Meta: cmd.Meta, Account: cmd.Account, Cause: "request"})
}
