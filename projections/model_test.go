package projections

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// rows is what a read model shows in the end, in one order.
type rows map[string]any

// difference says how two values differ, "" if they do not. To find nothing takes cmp.Diff a hundred times as long.
func difference(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// model folds batches into a store of maps, and shows its rows.
type model interface {
	apply(t *testing.T, batch []events.Recorded)
	Store
	rows() rows
}

// fold gives a log to a model as the log's reader does: only what the projection
// handles, in batches that end where cut says so, and AccountErased by itself.
func fold(t *testing.T, m model, handles []events.Type, log []events.Recorded, cut func() bool) rows {
	t.Helper()
	var batch []events.Recorded
	flush := func() {
		if len(batch) > 0 {
			m.apply(t, batch)
		}
		batch = nil
	}
	for _, rec := range log {
		if e, ok := rec.Event.(events.AccountErased); ok {
			flush()
			if err := m.EraseAccount(t.Context(), e.Account); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if rec.Event == nil || !slices.Contains(handles, rec.Type) {
			continue
		}
		if batch = append(batch, rec); cut() {
			flush()
		}
	}
	flush()
	return m.rows()
}

// mailRows is a MailStore of maps.
type mailRows struct {
	messages map[domain.MessageID]Message
	aliases  map[domain.ThreadID]Merge
	threads  map[domain.ThreadID]threadRow
	tallies  map[TallyKey]Tally
	contents map[[32]byte]*domain.Content
	parser   int
}

type threadRow struct {
	ID               domain.ThreadID
	Account          domain.AccountID
	Messages, Unseen int
	Latest           domain.MessageID
}

func newMailRows() *mailRows {
	return &mailRows{
		messages: map[domain.MessageID]Message{}, aliases: map[domain.ThreadID]Merge{}, threads: map[domain.ThreadID]threadRow{},
		tallies: map[TallyKey]Tally{}, parser: 1,
	}
}

func (s *mailRows) apply(t *testing.T, batch []events.Recorded) {
	t.Helper()
	if err := Mail(s).Apply(t.Context(), s, batch); err != nil {
		t.Fatal(err)
	}
}

func (s *mailRows) EraseAccount(_ context.Context, acc domain.AccountID) error {
	maps.DeleteFunc(s.messages, func(_ domain.MessageID, m Message) bool { return m.Account == acc })
	maps.DeleteFunc(s.aliases, func(_ domain.ThreadID, m Merge) bool { return m.Account == acc })
	maps.DeleteFunc(s.threads, func(_ domain.ThreadID, r threadRow) bool { return r.Account == acc })
	maps.DeleteFunc(s.tallies, func(k TallyKey, _ Tally) bool { return k.Account == acc })
	return nil
}

func (s *mailRows) Contents(_ context.Context, _ events.JournalID, sums [][]byte) (map[[32]byte]*domain.Content, error) {
	out := map[[32]byte]*domain.Content{}
	for _, sum := range sums {
		if c := s.contents[[32]byte(sum)]; c != nil {
			out[[32]byte(sum)] = c
		}
	}
	return out, nil
}

func (s *mailRows) ParserVersion() int        { return s.parser }
func (s *mailRows) Journal() events.JournalID { return 1 }

func (s *mailRows) MergeThreads(_ context.Context, merges []Merge) error {
	for _, g := range merges {
		for id, m := range s.messages {
			if m.Thread == g.From {
				m.Thread = g.Into
				if g.Position > m.Position {
					m.Position, m.UpdatedAt = g.Position, g.At
				}
				s.messages[id] = m
			}
		}
		for id, a := range s.aliases {
			if a.Into == g.From {
				a.Into = g.Into
				s.aliases[id] = a
			}
		}
		s.aliases[g.From] = g
	}
	return nil
}

func (s *mailRows) Load(_ context.Context, ids []domain.MessageID) (map[domain.MessageID]*Message, error) {
	out := map[domain.MessageID]*Message{}
	for _, id := range ids {
		if m, ok := s.messages[id]; ok {
			out[id] = &m
		}
	}
	return out, nil
}

func (s *mailRows) Save(_ context.Context, c MailChanges) error {
	for _, id := range c.Delete {
		delete(s.messages, id)
	}
	for _, m := range c.Save {
		s.messages[m.ID] = *m
	}
	for key, gain := range c.Tallies {
		now := s.tallies[key]
		now.Messages, now.Unseen, now.Size = now.Messages+gain.Messages, now.Unseen+gain.Unseen, now.Size+gain.Size
		s.tallies[key] = now
		if now == (Tally{}) {
			delete(s.tallies, key)
		}
	}
	for _, id := range c.Threads {
		if row := s.thread(id); row.Messages > 0 {
			s.threads[id] = row
		} else {
			delete(s.threads, id)
		}
	}
	return nil
}

// thread makes the row of a thread from its messages.
func (s *mailRows) thread(id domain.ThreadID) threadRow {
	row := threadRow{ID: id}
	var latest time.Time
	for _, m := range s.messages {
		if m.Thread != id {
			continue
		}
		row.Messages++
		row.Account = m.Account
		if !domain.HasFlag(m.Flags, domain.FlagSeen) {
			row.Unseen++
		}
		if date := m.Summary.Date; date.After(latest) || date.Equal(latest) && m.ID > row.Latest {
			latest, row.Latest = date, m.ID
		}
	}
	return row
}

func (s *mailRows) rows() rows {
	aliases := map[domain.ThreadID]domain.ThreadID{}
	for from, a := range s.aliases {
		aliases[from] = a.Into
	}
	type tallyRow struct {
		Mailbox domain.MailboxID
		Folder  domain.MailboxName
		Tally
	}
	tallies := []tallyRow{}
	for key, t := range s.tallies {
		tallies = append(tallies, tallyRow{key.Mailbox, key.Folder, t})
	}
	slices.SortFunc(tallies, func(a, b tallyRow) int { return int(a.Mailbox - b.Mailbox) })
	return rows{"messages": sorted(s.messages), "threads": sorted(s.threads), "aliases": aliases, "tallies": tallies}
}

// sorted returns the values of a map by their keys.
func sorted[K ~int64, V any](m map[K]V) []V {
	out := []V{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// mailboxRows is a MailboxStore of a map.
type mailboxRows map[domain.MailboxKey]Mailbox

func (s mailboxRows) apply(t *testing.T, batch []events.Recorded) {
	t.Helper()
	if err := Mailboxes.Apply(t.Context(), s, batch); err != nil {
		t.Fatal(err)
	}
}

func (s mailboxRows) EraseAccount(_ context.Context, acc domain.AccountID) error {
	maps.DeleteFunc(s, func(k domain.MailboxKey, _ Mailbox) bool { return k.Account == acc })
	return nil
}

func (s mailboxRows) Load(_ context.Context, keys []domain.MailboxKey) (map[domain.MailboxKey]*Mailbox, error) {
	out := map[domain.MailboxKey]*Mailbox{}
	for _, k := range keys {
		if m, ok := s[k]; ok {
			out[k] = &m
		}
	}
	return out, nil
}

func (s mailboxRows) Save(_ context.Context, changed map[domain.MailboxKey]*Mailbox) error {
	for k, m := range changed {
		s[k] = *m
		if m.Removed && m.Messages == 0 {
			delete(s, k)
		}
	}
	return nil
}

func (s mailboxRows) rows() rows {
	byID := map[domain.MailboxID]Mailbox{}
	for k, m := range s {
		byID[k.Mailbox] = m
	}
	return rows{"mailboxes": sorted(byID)}
}

// accountRows is an AccountStore of maps.
type accountRows struct {
	accounts map[domain.AccountID]Account
	runs     map[domain.SyncID]SyncRun
	checks   map[domain.MailboxKey]MailboxCoverage
}

func (s *accountRows) apply(t *testing.T, batch []events.Recorded) {
	t.Helper()
	if err := Accounts.Apply(t.Context(), s, batch); err != nil {
		t.Fatal(err)
	}
}

func (s *accountRows) EraseAccount(_ context.Context, acc domain.AccountID) error {
	delete(s.accounts, acc)
	maps.DeleteFunc(s.runs, func(_ domain.SyncID, r SyncRun) bool { return r.End.Account == acc })
	maps.DeleteFunc(s.checks, func(k domain.MailboxKey, _ MailboxCoverage) bool { return k.Account == acc })
	return nil
}

func (s *accountRows) Load(_ context.Context, ids []domain.AccountID) (map[domain.AccountID]*Account, map[domain.SyncID]*SyncRun, error) {
	accounts, runs := map[domain.AccountID]*Account{}, map[domain.SyncID]*SyncRun{}
	for _, id := range ids {
		if a, ok := s.accounts[id]; ok {
			accounts[id] = &a
		}
		for sync, r := range s.runs {
			if r.End.Account == id && !r.Ended {
				runs[sync] = &r
			}
		}
	}
	return accounts, runs, nil
}

func (s *accountRows) DropRuns(_ context.Context, acc domain.AccountID, before time.Time) error {
	for id, r := range s.runs {
		if r.End.Account == acc && r.End.QueuedAt.Before(before) {
			delete(s.runs, id)
		}
	}
	return nil
}

func (s *accountRows) Save(_ context.Context, accounts map[domain.AccountID]*Account, runs map[domain.SyncID]*SyncRun, checks map[domain.MailboxKey]*MailboxCoverage) error {
	for key, c := range checks {
		delete(s.checks, key)
		if c != nil {
			s.checks[key] = *c
		}
	}
	for id, a := range accounts {
		s.accounts[id] = *a
	}
	for id, r := range runs {
		s.runs[id] = *r
	}
	return nil
}

func (s *accountRows) rows() rows {
	byID := map[domain.MailboxID]MailboxCoverage{}
	for k, c := range s.checks {
		byID[k.Mailbox] = c
	}
	return rows{"accounts": sorted(s.accounts), "runs": sorted(s.runs), "checks": sorted(byID)}
}

// models are the projections by their names.
var models = map[string]struct {
	handles []events.Type
	empty   func() model
}{
	"mail":      {Mail(nil).Handles, func() model { return newMailRows() }},
	"mailboxes": {Mailboxes.Handles, func() model { return mailboxRows{} }},
	"accounts": {Accounts.Handles, func() model {
		return &accountRows{map[domain.AccountID]Account{}, map[domain.SyncID]SyncRun{}, map[domain.MailboxKey]MailboxCoverage{}}
	}},
	"history": {History(nil).Handles, func() model { return &historyRows{} }},
}
