package eventlog

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

func newAppendID() (id commands.AppendID) {
	_, _ = rand.Read(id[:])
	return id
}

// addUser makes a user and so a journal.
func addUser(t testing.TB, j *Journal, id int64) events.JournalID {
	t.Helper()
	row := commands.UserRow{
		User: commands.User{
			ID: domain.UserID(id), Name: fmt.Sprintf("user%d", id), Email: fmt.Sprintf("user%d@example.org", id), Active: true, PasswordHash: "x", LoginGeneration: 1,
		},
		At: time.Date(2025, 3, 4, 9, 0, 0, 0, time.UTC),
	}
	scope := commands.Scope{Journal: events.System, Append: newAppendID()}
	must(t, j, scope, commands.Decision{
		Events: []events.Event{events.UserAdded{User: row.ID, Name: row.Name}},
		Rows:   []commands.Row{row},
	})
	return events.JournalID(id)
}

// addAccount adds an account to a journal.
func addAccount(t testing.TB, j *Journal, journal events.JournalID, acc domain.AccountID) {
	t.Helper()
	must(t, j, commands.Scope{Journal: journal, Append: newAppendID()}, commands.Decision{
		Events: []events.Event{events.AccountAdded{Account: acc, Settings: events.AccountSettings{Name: "mail\x00"}}},
	})
}

// must appends a decision.
func must(t testing.TB, j *Journal, scope commands.Scope, d commands.Decision) events.Position {
	t.Helper()
	pos, err := update(t, j, scope, d)
	if err != nil {
		t.Fatalf("update: %v", err)
	}
	return pos
}

// update appends a decision that depends on nothing.
func update(t testing.TB, j *Journal, scope commands.Scope, d commands.Decision) (events.Position, error) {
	t.Helper()
	if scope.Append == (commands.AppendID{}) {
		scope.Append = newAppendID()
	}
	return j.Update(t.Context(), scope, func(commands.State) (commands.Decision, error) { return d, nil })
}

// putRaw stores octets as the raw store does, and returns their hash.
func putRaw(t testing.TB, pool *pgxpool.Pool, journal events.JournalID, octets string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(octets))
	exec(t, pool, `INSERT INTO raw.messages (journal_id, sha256, size, stored_at, codec, data)
		VALUES ($1, $2, $3, now(), 0, $4) ON CONFLICT DO NOTHING`, int64(journal), sum[:], len(octets), []byte(octets))
	return sum[:]
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// scalar reads one value.
func scalar[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) (v T) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// fetched is a message of mailbox 1 of account 1.
func fetched(id domain.MessageID, uid domain.UID, sum []byte) events.MessageFetched {
	date := time.Date(2025, 3, 4, 9, 30, 0, 0, time.UTC).Add(time.Duration(id) * time.Second)
	return events.MessageFetched{
		Message: events.Message{
			ID: id, Account: 1, Place: events.Place{Mailbox: 1, Folder: "INBOX", UIDValidity: 1, UID: uid},
			Thread: domain.ThreadID(id), MsgID: fmt.Sprintf("m%d@example.org", id),
		},
		SHA256: sum, Size: 100, InternalDate: date, Flags: []domain.Flag{},
		Summary: events.Summary{Subject: fmt.Sprintf("subject %d", id), Sender: "ann@example.org", Date: date},
	}
}

func scopeOf(journal events.JournalID) commands.Scope {
	return commands.Scope{Journal: journal, Append: newAppendID()}
}

func decisionOf(list ...events.Event) commands.Decision { return commands.Decision{Events: list} }

// loggedIn is an event that changes no state.
func loggedIn(n int) events.LoggedIn {
	return events.LoggedIn{User: 1, Name: fmt.Sprint(n), Remote: "127.0.0.1"}
}
