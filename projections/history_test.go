package projections

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// historyRows is a HistoryStore of slices.
type historyRows struct {
	versions  []Version
	merges    []Merge
	mailboxes []MailboxVersion
	accounts  []AccountVersion
}

func (s *historyRows) apply(t *testing.T, batch []events.Recorded) {
	t.Helper()
	if err := History(newMailRows()).Apply(t.Context(), s, batch); err != nil {
		t.Fatal(err)
	}
}

func (s *historyRows) EraseAccount(_ context.Context, acc domain.AccountID) error {
	s.versions = slices.DeleteFunc(s.versions, func(v Version) bool { return v.Account == acc })
	s.merges = slices.DeleteFunc(s.merges, func(m Merge) bool { return m.Account == acc })
	s.mailboxes = slices.DeleteFunc(s.mailboxes, func(m MailboxVersion) bool { return m.Key.Account == acc })
	s.accounts = slices.DeleteFunc(s.accounts, func(a AccountVersion) bool { return a.ID == acc })
	return nil
}

func (s *historyRows) Journal() events.JournalID { return 1 }

func (s *historyRows) Load(_ context.Context, ids []domain.MessageID, threads []domain.ThreadID, accounts []domain.AccountID) (versions []*Version, last []AccountVersion, err error) {
	for _, v := range s.versions {
		if v.Until == Now && (slices.Contains(ids, v.ID) || slices.Contains(threads, v.Thread)) {
			versions = append(versions, &v)
		}
	}
	latest := map[domain.AccountID]AccountVersion{}
	for _, a := range s.accounts {
		if slices.Contains(accounts, a.ID) {
			latest[a.ID] = a
		}
	}
	return versions, sorted(latest), nil
}

func (s *historyRows) Save(_ context.Context, c HistoryChanges) error {
	s.versions = slices.DeleteFunc(s.versions, func(v Version) bool { return slices.Contains(c.Forget, v.ID) })
	for _, v := range c.Add {
		s.versions = append(s.versions, Version{v.Message, Now})
	}
	for _, end := range c.Close {
		for i := range s.versions {
			if v := &s.versions[i]; v.ID == end.ID && v.Position == end.Position {
				v.Until = end.Until
			}
		}
	}
	s.merges = append(s.merges, c.Merges...)
	s.mailboxes = append(s.mailboxes, c.Mailboxes...)
	s.accounts = append(s.accounts, c.Accounts...)
	return nil
}

func (s *historyRows) rows() rows {
	slices.SortFunc(s.versions, func(a, b Version) int { return int(a.Position - b.Position) })
	slices.SortStableFunc(s.versions, func(a, b Version) int { return int(a.ID - b.ID) })
	return rows{"versions": orNone(s.versions), "merges": orNone(s.merges), "mailboxes": orNone(s.mailboxes), "accounts": orNone(s.accounts)}
}

func orNone[T any](list []T) []T { return append([]T{}, list...) }

// messagesAsOf are the messages as of a position.
func (s *historyRows) messagesAsOf(pos events.Position) map[domain.MessageID]Message {
	out := map[domain.MessageID]Message{}
	for _, v := range s.versions {
		if v.Position <= pos && v.Until > pos {
			out[v.ID] = v.Message
		}
	}
	return out
}

// accountsAsOf are the accounts as of a position.
func (s *historyRows) accountsAsOf(pos events.Position) map[domain.AccountID]Account {
	out := map[domain.AccountID]Account{}
	for _, a := range s.accounts {
		if a.Position <= pos {
			out[a.ID] = a.Account
		}
	}
	return out
}

// TestHistoryLaw: as of any position the history has what a replay of the log up to that position
// makes, of all accounts that are not erased at the end.
func TestHistoryLaw(t *testing.T) {
	t.Parallel()
	for round := range 40 {
		seed := rand.Uint64()
		j := newJournal(seed)
		for range 10 + 6*round {
			j.step()
		}
		history := &historyRows{}
		fold(t, history, models["history"].handles, j.log, func() bool { return j.IntN(9) == 0 })
		erased := func(acc domain.AccountID) bool { return j.version[acc] == 0 }
		for range 12 {
			pos := j.IntN(len(j.log) + 1)
			mail, accounts := newMailRows(), models["accounts"].empty().(*accountRows)
			fold(t, mail, models["mail"].handles, j.log[:pos], func() bool { return false })
			fold(t, accounts, models["accounts"].handles, j.log[:pos], func() bool { return false })
			maps.DeleteFunc(mail.messages, func(_ domain.MessageID, m Message) bool { return erased(m.Account) })
			maps.DeleteFunc(accounts.accounts, func(acc domain.AccountID, _ Account) bool { return erased(acc) })
			if diff := difference(mail.messages, history.messagesAsOf(events.Position(pos))); diff != "" {
				t.Fatalf("seed %d, messages as of %d of %d (-replayed +kept):\n%s", seed, pos, len(j.log), diff)
			}
			if diff := difference(accounts.accounts, history.accountsAsOf(events.Position(pos))); diff != "" {
				t.Fatalf("seed %d, accounts as of %d of %d (-replayed +kept):\n%s", seed, pos, len(j.log), diff)
			}
		}
	}
}
