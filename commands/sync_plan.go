package commands

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// windowKey names the sync limit, so that a checkpoint reached with another one is not trusted.
func (r *accountRun) windowKey() string {
	if r.settings.LimitType == events.LimitAll || r.settings.LimitValue == nil {
		return string(events.LimitAll)
	}
	return string(r.settings.LimitType) + ":" + strconv.Itoa(*r.settings.LimitValue)
}

// loginKey names whose mail a checkpoint is about. UIDs of another server or user mean
// other messages, even under an equal UIDVALIDITY.
func (r *accountRun) loginKey() string { return " " + r.settings.Username + " " + r.settings.Host }

// cutoff returns the moment since which mail is fetched, zero without such a limit.
func (r *accountRun) cutoff() time.Time {
	if r.settings.LimitValue == nil {
		return time.Time{}
	}
	n := *r.settings.LimitValue
	switch r.settings.LimitType {
	case events.LimitDays:
		return r.now.AddDate(0, 0, -n)
	case events.LimitWeeks:
		return r.now.AddDate(0, 0, -7*n)
	case events.LimitMonths:
		return r.now.AddDate(0, -n, 0)
	case events.LimitYears:
		return r.now.AddDate(-n, 0, 0)
	}
	return time.Time{}
}

// plan sets what is to be fetched: what is there, in the window, and not stored. What is newer
// than a UID may have moved there whether it is in the window or not.
func (r *accountRun) plan(ctx context.Context, m *mailboxRun, from domain.UID) error {
	window, before := m.server, m.todo.Count()
	cutoff := r.cutoff()
	switch {
	case r.settings.LimitType == events.LimitLastN && r.settings.LimitValue != nil:
		window = window.Newest(*r.settings.LimitValue)
	case !cutoff.IsZero():
		since, err := r.conn.UIDs(ctx, cutoff)
		if err != nil {
			return err
		}
		window = window.Intersect(since)
	}
	waiting, due, err := r.state.Quarantine(ctx, r.Journal, m.state.ID)
	if err != nil {
		return fmt.Errorf("quarantine of mailbox %d: %w", m.state.ID, err)
	}
	if r.checks[m.state.ID].Due { // somebody wants all of it now
		waiting, due = nil, due.Union(waiting)
	}
	m.limited = m.server.Minus(window)
	m.todo = window.Minus(m.known).Minus(waiting)
	m.retried = due.Intersect(m.todo)
	m.settled = due.Union(waiting.Minus(m.server.Minus(m.known)))
	if !cutoff.IsZero() && len(m.todo) > 0 {
		if err := r.keepSince(ctx, m, cutoff); err != nil {
			return err
		}
	}
	newer := m.server.Minus(m.known).Minus(waiting).Intersect(domain.NewUIDSet(domain.UIDRange{Lo: max(from, 1), Hi: maxUID}))
	m.come = m.todo.Union(newer)
	r.progress.update(func(p *SyncProgress) { p.MessagesTotal += m.todo.Count() - before })
	return nil
}

// keepSince leaves out what SEARCH gave too much: SINCE knows days of the server's zone only.
func (r *accountRun) keepSince(ctx context.Context, m *mailboxRun, cutoff time.Time) error {
	var older []domain.UID
	err := r.conn.Headers(ctx, m.todo, func(h MessageHead) error {
		if !h.InternalDate.IsZero() && h.InternalDate.Before(cutoff) {
			older = append(older, h.UID)
		}
		return nil
	})
	m.limited, m.todo = m.limited.Union(domain.UIDs(older...)), m.todo.Minus(domain.UIDs(older...))
	return err
}
