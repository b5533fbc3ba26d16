package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// mailboxRun is one mailbox in a run.
type mailboxRun struct {
	listed domain.Listed
	state  domain.Mailbox // as the log had it when the run began
	result events.MailboxResult
	bytes  int64
	skip   bool // nothing has moved since the checkpoint

	status   domain.MailboxStatus     // when it was examined
	server   domain.UIDSet            // all UIDs there
	known    domain.UIDSet            // stored
	told     map[domain.UID]FlagState // that have changed since the checkpoint; nil: not told
	vanished domain.UIDSet            // stored and no longer there
	come     domain.UIDSet            // not stored, in the window or newer than the checkpoint: perhaps moved here
	todo     domain.UIDSet            // of come: to be fetched
	retried  domain.UIDSet            // of todo: from the quarantine
	settled  domain.UIDSet            // in quarantine, and not to be had there or stored by now
	fresh    domain.UIDSet            // of vanished: since the look before
	arrived  domain.UIDSet            // of come: since the look before
	escaped  bool                     // something may have come and gone on since the look before
	reason   string                   // why messages vanished; "": nobody knows
	short    bool                     // something was left to the next run
	held     bool                     // what vanished was
	stale    bool                     // listed with other numbers than before the last look
	lookedAt int                      // the look that filled in the above; 0: none
	early    bool                     // its newest messages were fetched before the others

	limited   domain.UIDSet // beyond the sync limit, stored or not
	elsewhere domain.UIDSet // of the mailbox of all mail: stored in another
}

// unselectedMailbox is a mailbox of the server that is not synced.
type unselectedMailbox struct {
	state  domain.Mailbox
	status domain.MailboxStatus
}

// updateBatch is how many events a decision of a sync has at most.
const updateBatch = 500

// list lists the mailboxes of the server, records which came, notes which went, and
// orders those to be synced: INBOX, Sent, then by name. Listed again, those that have other messages are stale.
func (r *accountRun) list(ctx context.Context) error {
	listed, err := r.conn.List(ctx)
	if err != nil {
		return err
	}
	if len(listed) == 0 { // RFC 9051 section 5.1: there is always an INBOX
		return &SourceError{Code: CodeProtocolError, Message: "The mail server lists no folders."}
	}
	r.missing = nil
	listed = domain.WithRoles(r.fit(listed))
	selection := domain.Selection{Names: r.settings.Folders, NoTrash: r.settings.ExcludeTrash}
	selected, missing := selection.Select(listed)
	for _, name := range missing {
		r.missing = append(r.missing, fmt.Sprintf("There is no folder %q.", name))
	}
	stored, err := r.state.Mailboxes(ctx, r.Journal, r.Account)
	if err != nil {
		return fmt.Errorf("mailboxes of account %d: %w", r.Account, err)
	}
	byName := map[domain.MailboxName]domain.Mailbox{}
	for _, m := range stored {
		byName[m.Name] = m
	}
	if err := r.recordFound(ctx, listed, selected, byName); err != nil {
		return err
	}
	before := r.mailboxes
	r.mailboxes, r.unselected = nil, nil
	for _, l := range listed {
		if l.NoSelect {
			continue // RFC 9051 section 6.3.5: a name with others below it stays when its mail is deleted
		}
		if selected[l.Name] {
			r.mailboxes = append(r.mailboxes, runOf(before, byName[l.Name], l))
		} else if l.Status != nil {
			r.unselected = append(r.unselected, unselectedMailbox{byName[l.Name], *l.Status})
		}
		delete(byName, l.Name)
	}
	slices.SortStableFunc(r.mailboxes, func(a, b *mailboxRun) int {
		return cmp.Or(cmp.Compare(rank(a.listed), rank(b.listed)), cmp.Compare(a.listed.Name, b.listed.Name))
	})
	gone, err := r.confirmGone(ctx, slices.Collect(maps.Values(byName)))
	if err != nil {
		return err
	}
	r.noteGone(gone, before)
	return nil
}

// confirmGone returns those of the mailboxes that are not listed that cannot be opened, either: that one is missing
// from a list is no proof that it is gone. The others are left as they are.
func (r *accountRun) confirmGone(ctx context.Context, unlisted []domain.Mailbox) (gone []domain.Mailbox, err error) {
	for _, m := range unlisted {
		_, err := r.conn.Examine(ctx, m.Name)
		source, told := errors.AsType[*SourceError](err)
		switch {
		case told && source.Code == CodeFolderMissing:
			gone = append(gone, m)
		case err == nil, told && source.Code == CodeProtocolError:
			r.missing = append(r.missing, fmt.Sprintf("The mail server does not list the folder %q, which is still there.", m.Name))
		default:
			return nil, err
		}
	}
	return gone, nil
}

// runOf returns the run of a mailbox that was listed: that of the list before, if there is one.
func runOf(before []*mailboxRun, m domain.Mailbox, l domain.Listed) *mailboxRun {
	i := slices.IndexFunc(before, func(o *mailboxRun) bool { return o.state.ID == m.ID })
	if i < 0 {
		return &mailboxRun{listed: l, state: m, stale: true, result: events.MailboxResult{Name: string(l.Name), Status: "pending"}}
	}
	run := before[i]
	run.stale = run.stale || !sameMessages(run.listed.Status, l.Status)
	run.listed = l
	return run
}

// noteGone notes which mailboxes are stored and not listed, and drops the runs of those listed before.
func (r *accountRun) noteGone(gone []domain.Mailbox, before []*mailboxRun) {
	r.goneNow = nil
	for _, g := range gone {
		if !slices.ContainsFunc(r.gone, func(o domain.Mailbox) bool { return o.ID == g.ID }) {
			r.goneNow = append(r.goneNow, g.ID)
		}
	}
	r.gone = gone
	slices.SortFunc(r.gone, func(a, b domain.Mailbox) int { return cmp.Compare(a.Name, b.Name) })
	planned, done := 0, 0
	for _, m := range before {
		if slices.Contains(r.mailboxes, m) {
			continue
		}
		planned += m.todo.Count()
		if m.skip {
			done++
		}
		if m.result.Moved > 0 {
			r.removed = append(r.removed, m.result)
		}
	}
	r.progress.update(func(p *SyncProgress) {
		p.MailboxesTotal, p.MailboxesDone, p.MessagesTotal = len(r.mailboxes), p.MailboxesDone-done, p.MessagesTotal-planned
	})
}

// rank orders mailboxes: what people look at first, and the one that has all the others' mail last.
func rank(l domain.Listed) int {
	switch {
	case l.Name == "INBOX":
		return 0
	case l.Role == domain.RoleSent:
		return 1
	case l.Role == domain.RoleAll:
		return 3
	}
	return 2
}

// recordFound records mailboxes that are new, or whose role or selection is another, and
// enters the new ones into known.
func (r *accountRun) recordFound(ctx context.Context, listed []domain.Listed, selected map[domain.MailboxName]bool, known map[domain.MailboxName]domain.Mailbox) error {
	var found []events.Event
	var rows []Row
	for _, l := range listed {
		if l.NoSelect {
			continue
		}
		m, ok := known[l.Name]
		if ok && m.Role == l.Role && m.Selected == selected[l.Name] {
			continue
		}
		if !ok {
			ids, err := r.journal.NextIDs(ctx, domain.IDMailbox, 1)
			if err != nil {
				return fmt.Errorf("draw mailbox id: %w", err)
			}
			m = domain.Mailbox{ID: domain.MailboxID(ids[0]), Account: r.Account, Name: l.Name}
			if l.Status != nil {
				m.UIDValidity = l.Status.UIDValidity
			}
		}
		if ok && !m.Selected && selected[l.Name] && l.Status != nil {
			// What is in a mailbox that was not wanted before is no news.
			m.UIDNext, m.Level = max(m.UIDNext, l.Status.UIDNext), false
			rows = append(rows, CheckpointRow{m})
		}
		m.Role, m.Selected = l.Role, selected[l.Name]
		known[l.Name] = m
		found = append(found, foundNow(m, l.Delimiter))
	}
	return r.record(ctx, found, rows...)
}

func foundNow(m domain.Mailbox, delimiter string) events.MailboxFound {
	return events.MailboxFound{
		Account: m.Account, Mailbox: m.ID, Name: m.Name, Role: m.Role, Delimiter: delimiter, Selected: m.Selected, UIDValidity: m.UIDValidity,
	}
}

// maxName is how long the name of a mailbox may be, in octets, so that it fits into events.
const maxName = 4000

// fit leaves out mailboxes with names that do not fit.
func (r *accountRun) fit(listed []domain.Listed) []domain.Listed {
	return slices.DeleteFunc(listed, func(l domain.Listed) bool {
		if len(l.Name) <= maxName {
			return false
		}
		r.missing = append(r.missing, fmt.Sprintf("A folder is left out, because its name is too long: %.100q.", string(l.Name)))
		return true
	})
}

// record appends events that need no state, a batch at a time.
func (r *accountRun) record(ctx context.Context, all []events.Event, rows ...Row) error {
	for batch := range slices.Chunk(all, updateBatch) {
		d := Decision{Events: batch}
		if _, err := r.journal.Update(ctx, r.scope(), func(State) (Decision, error) { return d, nil }); err != nil {
			return fmt.Errorf("record %T of account %d: %w", batch[0], r.Account, err)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := r.journal.Update(ctx, r.scope(), func(State) (Decision, error) { return Decision{Rows: rows}, nil }); err != nil {
		return fmt.Errorf("set rows of account %d: %w", r.Account, err)
	}
	return nil
}

// level brings one mailbox level: flags, what is gone, what is new, then the checkpoint.
func (r *accountRun) level(ctx context.Context, m *mailboxRun) error {
	if err := r.open(ctx, m); err != nil {
		return err
	}
	if r.archives(m) {
		if err := r.keepArchived(ctx, m); err != nil {
			return err
		}
	}
	if err := r.flags(ctx, m); err != nil {
		return err
	}
	if err := r.expunge(ctx, m.state, m.vanished, cmp.Or(m.reason, events.ReasonExpunged), &m.result); err != nil {
		return err
	}
	if err := r.fetch(ctx, m, m.todo); err != nil {
		return err
	}
	m.result.Status = "success"
	r.progress.update(func(p *SyncProgress) { p.MailboxesDone++; p.Current = "" })
	rows := []Row{CheckpointRow{r.checkpoint(m)}}
	for uid := range m.settled.All {
		rows = append(rows, QuarantineRow{Mailbox: m.state.ID, UID: uid})
	}
	return r.record(ctx, nil, rows...)
}

// open examines a mailbox that was looked at.
func (r *accountRun) open(ctx context.Context, m *mailboxRun) error {
	status, err := r.conn.Examine(ctx, m.listed.Name)
	if err == nil && status.UIDValidity != m.status.UIDValidity {
		return &SourceError{Code: CodeProtocolError, Message: "The folder was replaced while it was read."}
	}
	return err
}

// checkpoint returns what the next run may rely on. HIGHESTMODSEQ and EXISTS are those of the time
// before anything was read: what changed since is seen again.
func (r *accountRun) checkpoint(m *mailboxRun) domain.Mailbox {
	c := m.state
	c.Selected, c.Role = true, m.listed.Role
	c.UIDValidity, c.ModSeq, c.Messages = m.status.UIDValidity, m.status.ModSeq, m.status.Messages
	c.UIDNext = max(m.status.UIDNext, m.server.Max()+1)
	c.WindowKey = r.windowKey() + r.loginKey()
	c.Level = !m.short && int(m.status.Messages) == m.server.Count()
	if m.held {
		return r.held(c)
	}
	return c
}
