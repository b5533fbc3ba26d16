package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// RequestSync asks for an account to be synced now, or joins the run that waits
// or goes on (api.md D28).
type RequestSync struct {
	Journal events.JournalID
	Meta    events.Meta
	Account domain.AccountID
	Cause   string        // request, schedule, created
	Wait    time.Duration // for the end of the run; 0: not at all
}

// SyncOutcome is how a requested run stands.
type SyncOutcome struct {
	Sync   domain.SyncID
	Status string // running if it has not ended; else success, partial, error, cancelled, interrupted
	Error  *events.SyncError
}

// SyncQueue is where runs wait for a worker.
type SyncQueue interface {
	// Enqueue queues a run with the given id unless one waits or goes on, and returns the id of the one
	// that does. It returns domain.ErrNotFound if the account is erased or was never there.
	Enqueue(ctx context.Context, journal events.JournalID, acc domain.AccountID, id domain.SyncID, cause string) (domain.SyncID, error)
	// Outcome returns how a run stands. It returns domain.ErrNotFound for a run that
	// neither waits nor has ever begun.
	Outcome(ctx context.Context, journal events.JournalID, acc domain.AccountID, id domain.SyncID) (SyncOutcome, error)
	// Cancel asks for a run to be given up. It returns domain.ErrConflict if it has ended.
	Cancel(ctx context.Context, journal events.JournalID, acc domain.AccountID, id domain.SyncID) error
	// Changed returns a channel that is closed at the next change of any run here.
	Changed() <-chan struct{}
}

// RequestSyncHandler carries out RequestSync.
type RequestSyncHandler struct {
	journal Journal
	queue   SyncQueue
}

// NewRequestSync returns the handler.
func NewRequestSync(journal Journal, queue SyncQueue) *RequestSyncHandler {
	return &RequestSyncHandler{journal, queue}
}

// pollOutcome is how often a run of another process is looked at.
const pollOutcome = 250 * time.Millisecond

// Handle queues a run and waits for its end, at most cmd.Wait. It returns domain.ErrNotFound.
func (h *RequestSyncHandler) Handle(ctx context.Context, cmd RequestSync) (SyncOutcome, error) {
	id, err := h.enqueue(ctx, cmd)
	if err != nil {
		return SyncOutcome{}, err
	}
	deadline := time.NewTimer(cmd.Wait)
	defer deadline.Stop()
	poll := time.NewTicker(pollOutcome)
	defer poll.Stop()
	for {
		changed := h.queue.Changed()
		out, err := h.queue.Outcome(ctx, cmd.Journal, cmd.Account, id)
		if err != nil && !errors.Is(err, domain.ErrNotFound) {
			return out, fmt.Errorf("outcome of sync %d: %w", id, err)
		}
		if err != nil { // erased with its account
			return SyncOutcome{Sync: id, Status: "cancelled"}, nil
		}
		if out.Status == "interrupted" && cmd.Wait > 0 { // its worker is gone; another goes on with the work
			if id, err = h.enqueue(ctx, cmd); err != nil {
				return out, err
			}
			continue
		}
		if out.Status != "running" || cmd.Wait <= 0 {
			return out, nil
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-deadline.C:
			return out, nil
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
}

// enqueue queues a run, or joins the one that is there.
func (h *RequestSyncHandler) enqueue(ctx context.Context, cmd RequestSync) (domain.SyncID, error) {
	ids, err := h.journal.NextIDs(ctx, domain.IDSync, 1)
	if err != nil {
		return 0, fmt.Errorf("draw sync id: %w", err)
	}
	id, err := h.queue.Enqueue(ctx, cmd.Journal, cmd.Account, domain.SyncID(ids[0]), cmd.Cause)
	if err != nil {
		return 0, fmt.Errorf("queue sync of account %d: %w", cmd.Account, err)
	}
	return id, nil
}

// CancelSync asks for a run to be given up.
type CancelSync struct {
	Journal events.JournalID
	Account domain.AccountID
	Sync    domain.SyncID
}

// CancelSyncHandler carries out CancelSync.
type CancelSyncHandler struct{ queue SyncQueue }

// NewCancelSync returns the handler.
func NewCancelSync(queue SyncQueue) *CancelSyncHandler { return &CancelSyncHandler{queue} }

// Handle asks the worker to stop. It returns domain.ErrConflict if the run has ended, domain.ErrNotFound.
func (h *CancelSyncHandler) Handle(ctx context.Context, cmd CancelSync) (events.Position, error) {
	if err := h.queue.Cancel(ctx, cmd.Journal, cmd.Account, cmd.Sync); err != nil {
		return 0, fmt.Errorf("cancel sync %d: %w", cmd.Sync, err)
	}
	return 0, nil
}

// TestConnection asks whether a login works. Account set: what is left empty is taken from it.
type TestConnection struct {
	Journal events.JournalID
	Account domain.AccountID // 0: Login is complete
	Login   Login
	UseTLS  *bool // nil: that of the account
}

// Passwords opens sealed passwords.
type Passwords interface {
	// AccountLogin returns settings and password of an account. It returns domain.ErrNotFound.
	AccountLogin(ctx context.Context, journal events.JournalID, acc domain.AccountID) (events.AccountSettings, Login, error)
}

// TestConnectionHandler carries out TestConnection.
type TestConnectionHandler struct {
	source    MailSource
	passwords Passwords
}

// NewTestConnection returns the handler.
func NewTestConnection(source MailSource, passwords Passwords) *TestConnectionHandler {
	return &TestConnectionHandler{source, passwords}
}

// probeTimeout ends a connection test.
const probeTimeout = 30 * time.Second

// Handle tries the login; what fails is in the result. It returns domain.ErrNotFound if the account is not there.
func (h *TestConnectionHandler) Handle(ctx context.Context, cmd TestConnection) (Probe, error) {
	login := cmd.Login
	if cmd.Account != 0 {
		_, stored, err := h.passwords.AccountLogin(ctx, cmd.Journal, cmd.Account)
		if err != nil {
			return Probe{}, fmt.Errorf("login of account %d: %w", cmd.Account, err)
		}
		login = overlaid(stored, cmd)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return h.source.Probe(ctx, login), nil
}

func overlaid(stored Login, cmd TestConnection) Login {
	out := stored
	if cmd.Login.Host != "" {
		out.Host = cmd.Login.Host
	}
	if cmd.Login.Port != 0 {
		out.Port = cmd.Login.Port
	}
	if cmd.Login.Username != "" {
		out.Username = cmd.Login.Username
	}
	if cmd.Login.Password != "" {
		out.Password = cmd.Login.Password
	}
	if cmd.UseTLS != nil {
		out.UseTLS = *cmd.UseTLS
	}
	return out
}
