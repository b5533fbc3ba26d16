package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// firstRound fetches the newest messages of mailboxes, so that there is something to read at once.
func (r *accountRun) firstRound(ctx context.Context, mailboxes []*mailboxRun) error {
	for _, m := range mailboxes {
		if m.early || r.archives(m) { // what of all mail counts is not known before all others are stored
			continue
		}
		if m.lookedAt > 0 && len(m.todo) == 0 {
			continue
		}
		m.early = true
		err := r.each(ctx, m, func(ctx context.Context, m *mailboxRun) error {
			see := r.open
			if m.lookedAt == 0 {
				see, m.stale = r.look, false
			}
			if err := see(ctx, m); err != nil {
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

// observe finds out what has changed in all mailboxes, before anything is fetched or recorded as
// gone, and records what has moved. A message that moves between the looks at its two
// mailboxes seems to be in both or in neither; so the run looks again where the server lists other numbers
// than before the last look, until there are none: then all that was seen was so at one moment.
func (r *accountRun) observe(ctx context.Context) error {
	for r.looks = 1; ; r.looks++ {
		if err := r.lookAtAll(ctx); err != nil {
			return err
		}
		if err := r.moves(ctx); err != nil {
			return err
		}
		if !r.unsettled() {
			return nil
		}
		if r.looks == maxLooks {
			return r.hold(ctx, true)
		}
		if err := r.list(ctx); err != nil {
			return err
		}
		if len(r.goneNow) == 0 && !slices.ContainsFunc(r.mailboxes, func(m *mailboxRun) bool { return m.stale }) {
			return r.hold(ctx, false)
		}
	}
}

// maxLooks bounds how often a run looks, as mailboxes may never rest.
const maxLooks = 3

// unsettled reports whether anything seems to be gone or new that may be half of a move.
func (r *accountRun) unsettled() bool {
	return len(r.gone) > 0 || slices.ContainsFunc(r.mailboxes, func(m *mailboxRun) bool { return len(m.vanished)+len(m.come) > 0 })
}

// hold leaves to the next run what came and went in the last look at restless mailboxes, as if it had
// done so after this run. All else that seems to be gone waits once, too, if it may be where the run could not
// see it: a mailbox could not be read for the first time, or a message came and went on between two looks.
func (r *accountRun) hold(ctx context.Context, restless bool) error {
	var marks []Row
	doubt := false
	for _, m := range r.mailboxes {
		if m.result.Error != nil && !isHeld(m.state) {
			marks = append(marks, CheckpointRow{r.held(m.state)})
		}
		doubt = doubt || len(marks) > 0 || restless && m.escaped
	}
	for _, m := range r.mailboxes {
		var gone, come domain.UIDSet
		if restless {
			gone, come = m.vanished.Intersect(m.fresh), m.come.Intersect(m.arrived)
		}
		if doubt && !isHeld(m.state) {
			gone = m.vanished
			m.held = len(gone) > 0
		}
		planned := m.todo.Count()
		m.leave(gone, come)
		r.progress.update(func(p *SyncProgress) { p.MessagesTotal += m.todo.Count() - planned })
	}
	r.gone = slices.DeleteFunc(r.gone, func(g domain.Mailbox) bool {
		if doubt && !isHeld(g) {
			marks = append(marks, CheckpointRow{r.held(g)})
			return true
		}
		return restless && slices.Contains(r.goneNow, g.ID)
	})
	return r.record(ctx, nil, marks...)
}

// leave leaves messages that went and came to the next run.
func (m *mailboxRun) leave(gone, come domain.UIDSet) {
	m.short = m.short || len(gone)+len(come) > 0
	m.vanished, m.todo, m.server = m.vanished.Minus(gone), m.todo.Minus(come), m.server.Minus(come)
	if len(come) > 0 {
		m.status.UIDNext = min(m.status.UIDNext, come[0].Lo) // they are news then
	}
}

// heldKey stands in a checkpoint in place of the sync limit if what had vanished was left to the next run.
const heldKey = "held"

// held returns the checkpoint of a mailbox that is held.
func (r *accountRun) held(m domain.Mailbox) domain.Mailbox {
	m.Level, m.WindowKey = false, heldKey+r.loginKey()
	return m
}

func isHeld(m domain.Mailbox) bool { return strings.HasPrefix(m.WindowKey, heldKey+" ") }

// lookAtAll looks at each mailbox that may be other than at the checkpoint, or at the last look.
func (r *accountRun) lookAtAll(ctx context.Context) error {
	for _, m := range r.mailboxes {
		m.fresh, m.arrived, m.escaped = nil, nil, false
	}
	for _, m := range r.mailboxes {
		if !m.stale {
			continue
		}
		skipped := m.skip
		m.result.Error = nil // it is another one now
		m.stale, m.skip = false, m.lookedAt == 0 && r.unchanged(m) && !r.coverageDue(m) && !r.quarantineDue(ctx, m)
		if m.skip {
			m.result.Status = "success"
		}
		if m.skip != skipped {
			r.progress.update(func(p *SyncProgress) { p.MailboxesDone += map[bool]int{true: 1, false: -1}[m.skip] })
		}
		if err := r.each(ctx, m, r.look); err != nil {
			return err
		}
	}
	return nil
}

// unchanged reports whether STATUS shows the mailbox as it was at the checkpoint. Without
// HIGHESTMODSEQ flags may have changed all the same.
func (r *accountRun) unchanged(m *mailboxRun) bool {
	s, c := m.listed.Status, m.state
	return s != nil && c.Level && c.WindowKey == r.windowKey()+r.loginKey() && s.ModSeq != 0 && s.ModSeq == c.ModSeq &&
		s.UIDValidity == c.UIDValidity && s.UIDNext == c.UIDNext && s.Messages == c.Messages
}

// sameMessages reports whether two lists show the same messages in a mailbox.
func sameMessages(a, b *domain.MailboxStatus) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.UIDValidity == b.UIDValidity && a.UIDNext == b.UIDNext && a.Messages == b.Messages
}

// quarantineDue reports whether messages that could not be had are to be tried again.
func (r *accountRun) quarantineDue(ctx context.Context, m *mailboxRun) bool {
	_, due, err := r.state.Quarantine(ctx, r.Journal, m.state.ID)
	return err == nil && len(due) > 0
}

// look examines a mailbox and compares the UIDs there with the stored ones.
// UIDs are sets, never watermarks: what is not stored is fetched, whatever happened before.
func (r *accountRun) look(ctx context.Context, m *mailboxRun) error {
	known, err := r.state.KnownUIDs(ctx, r.Journal, m.state.ID)
	if err != nil {
		return fmt.Errorf("known uids of mailbox %d: %w", m.state.ID, err)
	}
	status, server, err := r.see(ctx, m, known)
	if err != nil {
		return err
	}
	if status.UIDValidity == 0 && m.state.UIDValidity != 0 {
		return &SourceError{Code: CodeProtocolError, Message: "The mail server does not tell the UIDVALIDITY of the folder."}
	}
	gone, come, was, from := m.vanished, m.come, m.status, m.state.UIDNext
	m.status, m.server, m.known, m.vanished = status, server, known, nil
	_, login, begun := strings.Cut(m.state.WindowKey, " ")
	another := begun && " "+login != r.loginKey()
	begun = begun && m.state.UIDValidity != 0
	if another || m.state.UIDValidity != 0 && status.UIDValidity != m.state.UIDValidity {
		gone, come, was, from = nil, nil, domain.MailboxStatus{}, 0 // other UIDs
		err = r.heal(ctx, m, another)
	} else {
		err = r.compare(ctx, m, begun)
	}
	if err != nil {
		return err
	}
	if err := r.plan(ctx, m, from); err != nil {
		return err
	}
	m.fresh, m.arrived, m.lookedAt = m.vanished.Minus(gone), m.come.Minus(come), r.looks
	m.escaped = was.UIDNext == 0 || len(come.Union(between(was, status)).Minus(server)) > 0
	return nil
}

// see opens a mailbox and returns all UIDs there. If at the checkpoint all were stored, the server may tell
// what has happened since.
func (r *accountRun) see(ctx context.Context, m *mailboxRun, known domain.UIDSet) (domain.MailboxStatus, domain.UIDSet, error) {
	var since domain.MailboxStatus
	if c := m.state; c.Level && m.lookedAt == 0 && c.WindowKey == r.windowKey()+r.loginKey() {
		since = domain.MailboxStatus{UIDValidity: c.UIDValidity, UIDNext: c.UIDNext, Messages: c.Messages, ModSeq: c.ModSeq}
	}
	m.told = nil
	resumed, err := r.conn.Resume(ctx, m.listed.Name, since, known)
	if err != nil {
		return domain.MailboxStatus{}, nil, err
	}
	if resumed.Sure {
		m.told = resumed.Flags
		return resumed.Status, resumed.UIDs, nil
	}
	server, err := r.conn.UIDs(ctx, time.Time{})
	return resumed.Status, server, err
}

// between returns the UIDs given to messages from one look to the next.
func between(was, is domain.MailboxStatus) domain.UIDSet {
	if is.UIDNext <= was.UIDNext {
		return nil
	}
	return domain.NewUIDSet(domain.UIDRange{Lo: was.UIDNext, Hi: is.UIDNext - 1})
}

// compare finds what has vanished from a mailbox that is still the same.
func (r *accountRun) compare(ctx context.Context, m *mailboxRun, begun bool) error {
	if !begun {
		if err := r.begin(ctx, m); err != nil {
			return err
		}
	}
	vanished, err := r.confirmVanished(ctx, m, m.known.Minus(m.server))
	if err != nil {
		return err
	}
	m.vanished = vanished
	if m.status.UIDNext > 0 { // a server may name others (iCloud did); what is newer comes in the next run
		newer := domain.NewUIDSet(domain.UIDRange{Lo: m.status.UIDNext, Hi: maxUID})
		m.server = m.server.Minus(newer.Minus(m.known))
	}
	return nil
}

// begin notes whose mailbox it is, before anything of it is stored, and its UIDVALIDITY
// if that was not known when it was found.
func (r *accountRun) begin(ctx context.Context, m *mailboxRun) error {
	var found []events.Event
	if m.state.UIDValidity != m.status.UIDValidity {
		m.state.UIDValidity = m.status.UIDValidity
		found = append(found, foundNow(m.state, m.listed.Delimiter))
	}
	m.state.WindowKey = r.loginKey()
	return r.record(ctx, found, CheckpointRow{m.state})
}

const maxUID = domain.UID(1<<32 - 1)

// confirmVanished asks again when a large part of a mailbox seems to be gone, or the
// list is not as long as EXISTS said: what a server does not list once is no proof of its deletion.
func (r *accountRun) confirmVanished(ctx context.Context, m *mailboxRun, vanished domain.UIDSet) (domain.UIDSet, error) {
	n := vanished.Count()
	complete := int(m.status.Messages) == m.server.Count()
	if n == 0 || complete && (n <= 10 || n*5 < m.known.Count()) {
		return vanished, nil
	}
	if _, err := r.conn.Examine(ctx, m.listed.Name); err != nil {
		return nil, err
	}
	again, err := r.conn.UIDs(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	return vanished.Minus(again), nil
}
