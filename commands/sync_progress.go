package commands

import (
	"context"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// touching is a connection whose answers count as progress of a run: one that reads a long list of flags
// does something, although no message is done.
type touching struct {
	MailConn
	progress *progress
}

func (t touching) touch() { t.progress.update(func(*SyncProgress) {}) }

// List is MailConn.List.
func (t touching) List(ctx context.Context) ([]domain.Listed, error) {
	defer t.touch()
	return t.MailConn.List(ctx)
}

// Examine is MailConn.Examine.
func (t touching) Examine(ctx context.Context, name domain.MailboxName) (domain.MailboxStatus, error) {
	defer t.touch()
	return t.MailConn.Examine(ctx, name)
}

// Change is MailConn.Change.
func (t touching) Change(ctx context.Context, of MailboxChange) (Changed, error) {
	defer t.touch()
	return t.MailConn.Change(ctx, of)
}

// UIDs is MailConn.UIDs.
func (t touching) UIDs(ctx context.Context, since time.Time) (domain.UIDSet, error) {
	defer t.touch()
	return t.MailConn.UIDs(ctx, since)
}

// Flags is MailConn.Flags.
func (t touching) Flags(ctx context.Context, uids domain.UIDSet, after domain.ModSeq, fn func(FlagState) error) error {
	return t.MailConn.Flags(ctx, uids, after, func(f FlagState) error { t.touch(); return fn(f) })
}

// Headers is MailConn.Headers.
func (t touching) Headers(ctx context.Context, uids domain.UIDSet, fn func(MessageHead) error) error {
	return t.MailConn.Headers(ctx, uids, func(h MessageHead) error { t.touch(); return fn(h) })
}

// Fetch is MailConn.Fetch.
func (t touching) Fetch(ctx context.Context, uids domain.UIDSet, maxSize int64, fn func(FetchedMessage) error) ([]Missing, error) {
	return t.MailConn.Fetch(ctx, uids, maxSize, func(m FetchedMessage) error { t.touch(); return fn(m) })
}
