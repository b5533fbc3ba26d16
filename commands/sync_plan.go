package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"
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

// unchanged reports whether STATUS shows the mailbox as it was at the checkpoint. Without
// HIGHESTMODSEQ flags may have changed all the same.
func (r *accountRun) unchanged(m *mailboxRun) bool {
	s, c := m.listed.Status, m.state
	return s != nil && c.Level && c.WindowKey == r.windowKey()+r.loginKey() && s.ModSeq != 0 && s.ModSeq == c.ModSeq &&
		s.UIDValidity == c.UIDValidity && s.UIDNext == c.UIDNext && s.Messages == c.Messages
}

// firstRound fetches the newest messages of each mailbox, so that there is something to read at once.
func (r *accountRun) firstRound(ctx context.Context) error {
	for _, m := range r.mailboxes {
		if r.archives(m) { // what of it counts is not known before all others are stored
			continue
		}
		err := r.each(ctx, m, func(ctx context.Context, m *mailboxRun) error {
			if err := r.look(ctx, m); err != nil {
				return err
			}
			return r.fetch(ctx, m, m.todo.Newest(firstRoundSize))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// firstRoundSize is how many messages of each mailbox come in the first round.
const firstRoundSize = 50

// observeAll finds out what has changed in each mailbox before anything is
// recorded, since a message that left one may be found in another.
func (r *accountRun) observeAll(ctx context.Context) error {
	for _, m := range r.mailboxes {
		if m.looked {
			continue
		}
		if r.unchanged(m) && !r.quarantineDue(ctx, m) {
			m.skip = true
			m.result.Status = "success"
			r.progress.update(func(p *SyncProgress) { p.MailboxesDone++ })
			continue
		}
		if err := r.each(ctx, m, r.look); err != nil {
			return err
		}
	}
	return nil
}

// quarantineDue reports whether messages that could not be had are to be tried again.
func (r *accountRun) quarantineDue(ctx context.Context, m *mailboxRun) bool {
	_, due, err := r.state.Quarantine(ctx, r.Journal, m.state.ID)
	return err == nil && len(due) > 0
}

// look examines a mailbox and compares the UIDs there with the stored ones.
// UIDs are sets, never watermarks: what is not stored is fetched, whatever happened before.
func (r *accountRun) look(ctx context.Context, m *mailboxRun) error {
	status, err := r.conn.Examine(ctx, m.listed.Name)
	if err != nil {
		return err
	}
	m.status = status
	if m.server, err = r.conn.UIDs(ctx, time.Time{}); err != nil {
		return err
	}
	if m.known, err = r.state.KnownUIDs(ctx, r.Journal, m.state.ID); err != nil {
		return fmt.Errorf("known uids of mailbox %d: %w", m.state.ID, err)
	}
	_, login, begun := strings.Cut(m.state.WindowKey, " ")
	m.another = begun && " "+login != r.loginKey()
	if m.another || m.state.UIDValidity != 0 && status.UIDValidity != m.state.UIDValidity {
		m.reset, m.looked = true, true
		return nil
	}
	if !begun {
		if err := r.begin(ctx, m); err != nil {
			return err
		}
	}
	m.vanished = m.known.Minus(m.server)
	if status.UIDNext > 0 { // a server may name others (iCloud did); what is newer comes in the next run
		m.server = m.server.Minus(domain.NewUIDSet(domain.UIDRange{Lo: status.UIDNext, Hi: maxUID}))
	}
	if err := r.confirmVanished(ctx, m); err != nil {
		return err
	}
	if err := r.plan(ctx, m); err != nil {
		return err
	}
	m.looked = true
	return nil
}

// begin notes whose mailbox it is, before anything of it is stored, and its UIDVALIDITY
// if that was not known when it was found.
func (r *accountRun) begin(ctx context.Context, m *mailboxRun) error {
	var found []events.Event
	if m.state.UIDValidity != m.status.UIDValidity {
		m.state.UIDValidity = m.status.UIDValidity
		found = append(found, foundNow(m.state))
	}
	m.state.WindowKey = r.loginKey()
	return r.record(ctx, found, CheckpointRow{m.state})
}

const maxUID = domain.UID(1<<32 - 1)

// confirmVanished asks again when a large part of a mailbox seems to be gone, or the
// list is not as long as EXISTS said: what a server does not list once is no proof of its deletion.
func (r *accountRun) confirmVanished(ctx context.Context, m *mailboxRun) error {
	n := m.vanished.Count()
	complete := int(m.status.Messages) == m.server.Count()
	if n == 0 || complete && (n <= 10 || n*5 < m.known.Count()) {
		return nil
	}
	if _, err := r.conn.Examine(ctx, m.listed.Name); err != nil {
		return err
	}
	again, err := r.conn.UIDs(ctx, time.Time{})
	if err != nil {
		return err
	}
	m.vanished = m.vanished.Minus(again)
	return nil
}

// plan sets what is to be fetched: what is there, in the window, and not stored.
func (r *accountRun) plan(ctx context.Context, m *mailboxRun) error {
	window := m.server
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
	m.todo = window.Minus(m.known).Minus(waiting)
	m.retried = due.Intersect(m.todo)
	m.settled = due.Union(waiting.Minus(m.server.Minus(m.known)))
	if !cutoff.IsZero() && len(m.todo) > 0 {
		if err := r.keepSince(ctx, m, cutoff); err != nil {
			return err
		}
	}
	r.progress.update(func(p *SyncProgress) { p.MessagesTotal += m.todo.Count() })
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
	m.todo = m.todo.Minus(domain.UIDs(older...))
	return err
}
