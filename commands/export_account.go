package commands

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ExportAccount says that the mail of an account is about to leave as files.
type ExportAccount struct {
	Journal events.JournalID
	Meta    events.Meta
	Account domain.AccountID
	Format  string // mbox, maildir, jsonl
}

// ExportAccountHandler carries out ExportAccount.
type ExportAccountHandler struct{ journal Journal }

// NewExportAccount returns the handler.
func NewExportAccount(journal Journal) *ExportAccountHandler { return &ExportAccountHandler{journal} }

// Handle records who takes the mail, before any leaves. It returns domain.ErrNotFound.
func (h *ExportAccountHandler) Handle(ctx context.Context, cmd ExportAccount) (events.Position, error) {
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Account: cmd.Account}
	pos, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if s.Account == nil {
			return Decision{}, domain.ErrNotFound
		}
		exported := events.AccountExported{Account: cmd.Account, Name: s.Account.Settings.Name, Format: cmd.Format}
		return Decision{Events: []events.Event{exported}}, nil
	})
	if err != nil {
		return 0, fmt.Errorf("record export of account %d: %w", cmd.Account, err)
	}
	return pos, nil
}
