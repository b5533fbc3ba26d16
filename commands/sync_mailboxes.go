package commands

import (
	"cmp"
	"context"
	"fmt"
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

	status   domain.MailboxStatus // when it was examined
	server   domain.UIDSet        // all UIDs there
	known    domain.UIDSet        // stored
	vanished domain.UIDSet        // stored and no longer there
	todo     domain.UIDSet        // to be fetched
	retried  domain.UIDSet        // of todo: from the quarantine
	settled  domain.UIDSet        // in quarantine, and not to be had there or stored by now
	reset    bool                 // UIDVALIDITY has changed
	short    bool                 // something of the window could not be had
	another  bool                 // the account is on another server, or another user's
	looked   bool                 // server, known, vanished and todo are filled in
}

// updateBatch is how many events a decision of a sync has at most.
const updateBatch = 500

// list lists the mailboxes of the server, records which came and went, and
// orders those to be synced: INBOX, Sent, then by name.
func (r *accountRun) list(ctx context.Context) error {
	listed, err := r.conn.List(ctx)
	if err != nil {
		return err
	}
	if len(listed) == 0 { // RFC 9051 section 5.1: there is always an INBOX
		return &SourceError{Code: CodeProtocolError, Message: "The mail server lists no folders."}
	}
	listed = domain.WithRoles(r.fit(listed))
	selection := domain.Selection{Names: r.settings.Folders, NoTrash: r.settings.ExcludeTrash}
	selected, missing := selection.Select(listed)
	for _, name := range missing {
		r.warnings = append(r.warnings, fmt.Sprintf("There is no folder %q.", name))
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
	for _, l := range listed {
		if l.NoSelect {
			continue // RFC 9051 section 6.3.5: a name with others below it stays when its mail is deleted
		}
		m := byName[l.Name]
		delete(byName, l.Name)
		if selected[l.Name] {
			r.mailboxes = append(r.mailboxes, &mailboxRun{
				listed: l, state: m, result: events.MailboxResult{Name: string(l.Name), Status: "pending"},
			})
		}
	}
	for _, m := range byName {
		r.gone = append(r.gone, m)
	}
	slices.SortFunc(r.gone, func(a, b domain.Mailbox) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(r.mailboxes, func(a, b *mailboxRun) int {
		return cmp.Or(cmp.Compare(rank(a.listed), rank(b.listed)), cmp.Compare(a.listed.Name, b.listed.Name))
	})
	r.progress.update(func(p *SyncProgress) { p.MailboxesTotal = len(r.mailboxes) })
	return nil
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
		found = append(found, foundNow(m))
	}
	return r.record(ctx, found, rows...)
}

func foundNow(m domain.Mailbox) events.MailboxFound {
	return events.MailboxFound{
		Account: m.Account, Mailbox: m.ID, Name: m.Name, Role: m.Role, Selected: m.Selected, UIDValidity: m.UIDValidity,
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
		r.warnings = append(r.warnings, fmt.Sprintf("A folder is left out, because its name is too long: %.100q.", string(l.Name)))
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
	status, err := r.conn.Examine(ctx, m.listed.Name)
	if err != nil {
		return err
	}
	if status.UIDValidity != m.status.UIDValidity {
		return &SourceError{Code: CodeProtocolError, Message: "The folder was replaced while it was read."}
	}
	if m.reset {
		if err := r.heal(ctx, m); err != nil {
			return err
		}
	}
	if r.archives(m) {
		if err := r.keepArchived(ctx, m); err != nil {
			return err
		}
	}
	if err := r.flags(ctx, m); err != nil {
		return err
	}
	if err := r.expunge(ctx, m.state, m.vanished, events.ReasonExpunged, &m.result); err != nil {
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

// checkpoint returns what the next run may rely on. HIGHESTMODSEQ and EXISTS are those of the time
// before anything was read: what changed since is seen again.
func (r *accountRun) checkpoint(m *mailboxRun) domain.Mailbox {
	c := m.state
	c.Selected, c.Role = true, m.listed.Role
	c.UIDValidity, c.ModSeq, c.Messages = m.status.UIDValidity, m.status.ModSeq, m.status.Messages
	c.UIDNext = max(m.status.UIDNext, m.server.Max()+1)
	c.WindowKey = r.windowKey() + r.loginKey()
	c.Level = !m.short && int(m.status.Messages) == m.server.Count()
	return c
}
