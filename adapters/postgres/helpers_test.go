package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/lexeme"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// open returns a pool, with the settings of the program, on a database of the test's own.
func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), pgtest.DSN(t), postgres.PoolOptions{MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// exec runs statements that must succeed.
func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// schemas has the tables of each read model.
var schemas = map[string][]string{
	"mail":      {postgres.MailTables, postgres.MailIndexes},
	"mailboxes": {postgres.MailboxesTables, postgres.MailboxesIndexes},
	"accounts":  {postgres.AccountsTables, postgres.AccountsIndexes},
	"search":    {postgres.SearchTables, postgres.SearchIndexes},
	"history":   {postgres.HistoryTables, postgres.HistoryIndexes},
}

// lexer is what the program hands over.
var lexer = postgres.Lexer{Words: lexeme.Words, Query: lexeme.Query, Trigrams: lexeme.Trigrams, Pieces: lexeme.Pieces}

// live makes the given generation of a read model the live one, with empty tables.
func live(t testing.TB, pool *pgxpool.Pool, model string, generation int) (schema string) {
	t.Helper()
	schema = fmt.Sprintf("%s_g%d", model, generation)
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "CREATE SCHEMA "+schema); err != nil {
			return err
		}
		for _, sql := range schemas[model] {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return err
			}
		}
		return nil
	})
	exec(t, pool, `UPDATE log.generations SET status = 'kept' WHERE projection = $1 AND status = 'live'`, model)
	exec(t, pool, `INSERT INTO log.generations (projection, generation, version, schema_name, status, started_at, activated_at)
		VALUES ($1, $2, 1, $3, 'live', now(), now())`, model, generation, schema)
	return schema
}

// inSchema runs fn in a transaction whose search path is schema.
func inSchema(t testing.TB, pool *pgxpool.Pool, schema string, fn func(tx pgx.Tx) error) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT set_config('search_path', $1, true)", schema); err != nil {
			return err
		}
		return fn(tx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// noContents is a parser whose version is that of all events.
type noContents struct{}

func (noContents) Contents(context.Context, events.JournalID, [][]byte) (map[[32]byte]*domain.Content, error) {
	return nil, nil
}
func (noContents) ParserVersion() int { return 1 }

// foldMail folds a batch into the tables of a schema.
func foldMail(t testing.TB, pool *pgxpool.Pool, schema string, journal events.JournalID, batch []events.Recorded) {
	t.Helper()
	mail := projections.Mail(noContents{})
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		return mail.Apply(t.Context(), postgres.NewMailStore(tx, journal), batch)
	})
}

var epoch = time.Date(2025, 3, 4, 9, 30, 0, 0, time.UTC)

// recorded numbers events of journal 1 from position first on.
func recorded(first events.Position, list ...events.Event) []events.Recorded {
	out := make([]events.Recorded, len(list))
	for i, e := range list {
		pos := first + events.Position(i)
		typ, _ := e.EventType()
		out[i] = events.Recorded{
			Journal: 1, Position: pos, Type: typ, Stream: e.EventStream(), Account: e.EventAccount(),
			RecordedAt: epoch.Add(time.Duration(pos) * time.Millisecond), Event: e,
		}
	}
	return out
}

// fetched is a plain message; edit changes it.
func fetched(id int64, edit ...func(*events.MessageFetched)) events.MessageFetched {
	sum := sha256.Sum256(fmt.Append(nil, "message ", id))
	e := events.MessageFetched{
		Message: events.Message{
			ID: domain.MessageID(id), Account: 1, Thread: domain.ThreadID(id), MsgID: fmt.Sprintf("m%d@example.org", id),
			Place: events.Place{Mailbox: 1, Folder: "INBOX", UIDValidity: 1, UID: domain.UID(id)},
		},
		SHA256: sum[:], Size: 1000 + id, InternalDate: epoch, Flags: []domain.Flag{},
		Summary: events.Summary{
			Subject: fmt.Sprintf("Subject %d", id), Sender: "ann@example.org", Recipient: "bob@example.org",
			Date: epoch.Add(time.Duration(id) * time.Minute), Snippet: "text",
		},
		Parser: 1,
	}
	for _, f := range edit {
		f(&e)
	}
	return e
}

// addAccount gives a journal, made if need be, an account.
func addAccount(t testing.TB, pool *pgxpool.Pool, journal events.JournalID, acc domain.AccountID) {
	t.Helper()
	exec(t, pool, `INSERT INTO log.journals (journal_id, link, recorded_at) VALUES ($1, '', now()) ON CONFLICT DO NOTHING`, journal)
	exec(t, pool, `INSERT INTO state.accounts (journal_id, account_id, version, settings, created_at, updated_at)
		VALUES ($1, $2, 1, '{"name": "work"}', $3, $3)`, journal, acc, epoch)
}
