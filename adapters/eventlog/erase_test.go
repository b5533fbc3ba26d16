package eventlog

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

const secretWord = "kumquat"

// erasableLog has two users with equal messages: accounts 1 and 2 of user 1, account
// 3 of user 2. What is of account 1 has the secret word in it.
func erasableLog(t testing.TB) (*Log, projections.Task) {
	t.Helper()
	l := newTestLog(t)
	_, _, task := newToy(l)
	for _, a := range []struct {
		j   events.JournalID
		acc domain.AccountID
	}{{1, 1}, {1, 2}, {2, 3}} {
		do(t, l, `INSERT INTO auth.users (user_id, name, email, is_admin, is_active, password_hash, created_at, updated_at)
			VALUES ($1, $2, $3, false, true, 'hash', now(), now()) ON CONFLICT DO NOTHING`, int64(a.j), fmt.Sprint("user", a.j), secretWord+"@example.org")
		settings := events.AccountSettings{Name: fmt.Sprint(secretWord, a.acc)}
		do(t, l, `INSERT INTO state.accounts (journal_id, account_id, version, settings, sealed, created_at, updated_at)
			VALUES ($1, $2, 1, jsonb_build_object('name', $3::text), $3::bytea, now(), now())`, int64(a.j), int64(a.acc), settings.Name)
		do(t, l, `INSERT INTO state.mailboxes (journal_id, mailbox_id, account_id, uid_validity, uid_next, name, mod_seq, role, selected, messages, level, window_key)
			VALUES ($1, $2, $2, 1, 1, $3, 0, '', true, 0, true, '')`, int64(a.j), int64(a.acc), secretWord)
		do(t, l, `INSERT INTO state.coverage (journal_id, mailbox_id, account_id, position, checked_at) VALUES ($1, $2, $2, 1, now())`, int64(a.j), int64(a.acc))
		write(t, l, a.j, events.AccountAdded{Account: a.acc, Settings: settings})
		for i := range 5 {
			m := toyMessage(a.acc, domain.MailboxID(a.acc), domain.MessageID(int(a.acc)*100+i), secretWord)
			m.SHA256 = toyMessage(1, 1, domain.MessageID(i), secretWord).SHA256 // equal octets in all accounts
			stored := m
			stored.ID = domain.MessageID(i)
			putToyRaw(t, l, a.j, stored)
			do(t, l, `INSERT INTO state.messages (journal_id, mailbox_id, uid, id, thread_id, mod_seq, flags, sha256, msg_id, msg_key, size, internal_date, date)
				VALUES ($1, $2, $3, $3, 1, 0, '{}', $4, $5, '', 1, now(), now())`, int64(a.j), int64(a.acc), int64(m.ID), m.SHA256, secretWord)
			write(t, l, a.j, m)
		}
	}
	do(t, l, `INSERT INTO raw.contents SELECT journal_id, sha256, 1, data FROM raw.messages`)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	return l, task
}

// eraseToy records an erasure in journal 1 as the write side does: of an account, or for 0 of the user.
func eraseToy(t testing.TB, l *Log, acc domain.AccountID) events.Position {
	t.Helper()
	const j events.JournalID = 1
	if acc != 0 {
		pos := write(t, l, j, events.AccountErased{Account: acc})
		do(t, l, `UPDATE state.accounts SET erased_by = $3 WHERE journal_id = $1 AND account_id = $2`, int64(j), int64(acc), int64(pos))
		return pos
	}
	pos := write(t, l, j, events.UserErased{User: domain.UserID(j)})
	do(t, l, `UPDATE state.accounts SET erased_by = $2 WHERE journal_id = $1 AND erased_by IS NULL`, int64(j), int64(pos))
	do(t, l, `UPDATE log.journals SET erased_by = $2 WHERE journal_id = $1`, int64(j), int64(pos))
	do(t, l, `UPDATE auth.users SET erased_by = $2 WHERE user_id = $1`, int64(j), int64(pos))
	return pos
}

// holders returns the tables in which a word is found, as text or as octets.
func holders(t testing.TB, l *Log, word, where string) []string {
	t.Helper()
	rows, err := l.pool.Query(t.Context(), `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables t
		WHERE schemaname IN ('log', 'state', 'raw', 'auth') OR schemaname LIKE 'toy%' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, table := range tables {
		if strings.Contains(table, ".") && strings.ContainsAny(table[len(table)-1:], "0123456789") && !strings.HasPrefix(table, "toy") {
			continue // a partition
		}
		column := "journal_id"
		switch table {
		case "auth.users":
			column = "user_id"
		case "log.generations", "auth.installation":
			continue
		}
		query := fmt.Sprintf(`SELECT count(*)::text FROM %s t WHERE %s AND (t::text ILIKE $1 OR t::text LIKE $2)`, table, strings.ReplaceAll(where, "journal_id", column))
		if scan(t, l, query, "%"+word+"%", "%"+hex.EncodeToString([]byte(word))+"%") != "0" {
			out = append(out, table)
		}
	}
	return out
}

func TestEraseAccountLeavesNothingOfIt(t *testing.T) {
	t.Parallel()
	l, task := erasableLog(t)
	by := eraseToy(t, l, 1)
	for range 2 { // it can be repeated
		if err := l.Erase(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	catchUpAll(t, task, live(t, task), 1)
	if got := holders(t, l, secretWord+"1", "true"); len(got) > 0 {
		t.Errorf("content of account 1 is left in %v", got)
	}
	if got := scan(t, l, `SELECT count(*)::text FROM toy_g1.mail WHERE account_id = 1`); got != "0" {
		t.Errorf("%s rows of account 1 are left in the read model", got)
	}
	// The other account of the user has the same octets, and keeps them.
	got := scan(t, l, `SELECT format('%s %s %s %s', (SELECT count(*) FROM raw.messages WHERE journal_id = 1), (SELECT count(*) FROM raw.uses WHERE journal_id = 1),
		(SELECT count(*) FROM raw.messages WHERE journal_id = 2), (SELECT count(*) FROM state.messages WHERE journal_id = 1))`)
	if want := "5 5 5 5"; got != want {
		t.Errorf("got raw messages, uses, those of the other user, known messages %q, want %q", got, want)
	}
	found, sum := verify(t, l, VerifyOptions{Tasks: []projections.Task{task}})
	want := []string{fmt.Sprintf("journal 1, positions 1-6: erased by event %d", by)}
	if diff := cmp.Diff(want, found); diff != "" || sum.Damages != 0 || sum.Erased != 6 {
		t.Errorf("%d damages, %d erased (-want +got):\n%s", sum.Damages, sum.Erased, diff)
	}
	page, err := l.Events(t.Context(), queries.ListEvents{Journal: 1, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range page.Items {
		erased := rec.Account == 1 && rec.Position < by
		if (rec.Event == nil) != erased || erased && rec.ErasedBy != by || !erased && rec.ErasedBy != 0 {
			t.Errorf("position %d: event %v, erased by %d", rec.Position, rec.Event, rec.ErasedBy)
		}
	}
}

func TestEraseUserLeavesNothingOfIt(t *testing.T) {
	t.Parallel()
	l, task := erasableLog(t)
	first := eraseToy(t, l, 2)
	by := eraseToy(t, l, 0)
	if err := l.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	catchUpAll(t, task, live(t, task), 1)
	if got := holders(t, l, secretWord, "journal_id = 1"); len(got) > 0 {
		t.Errorf("content of user 1 is left in %v", got)
	}
	if got := holders(t, l, "sync", "journal_id = 1"); !cmp.Equal(got, []string{"log.commits"}) {
		t.Errorf("got meta in %v, want that of the erasure", got)
	}
	if got := scan(t, l, `SELECT count(*)::text FROM log.commits WHERE journal_id = 1 AND meta IS NOT NULL`); got != "1" {
		t.Errorf("got meta of %s commits, want that of the erasure", got)
	}
	if got := holders(t, l, secretWord, "journal_id = 2"); len(got) < 5 {
		t.Errorf("content of user 2 is only in %v", got)
	}
	found, sum := verify(t, l, VerifyOptions{Tasks: []projections.Task{task}})
	want := []string{
		fmt.Sprintf("journal 1, position %d: erased by event %d", first, by), // of the first erasure itself
		fmt.Sprintf("journal 1, positions 1-6: erased by event %d", by),
		fmt.Sprintf("journal 1, positions 7-12: erased by event %d", first),
	}
	if diff := cmp.Diff(want, found); diff != "" || sum.Damages != 0 {
		t.Errorf("%d damages (-want +got):\n%s", sum.Damages, diff)
	}
	if got := scan(t, l, `SELECT count(*)::text FROM (`+usersToErase+`) u`); got != "0" {
		t.Errorf("%s users are still to be erased", got)
	}
}

// TestEraseGoesOn breaks an erasure off after each of its steps.
func TestEraseGoesOn(t *testing.T) {
	t.Parallel()
	for steps := range 5 {
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			t.Parallel()
			l, _ := erasableLog(t)
			by := eraseToy(t, l, 1)
			e := erasure{1, 1, int64(by)}
			for _, step := range []func(context.Context, erasure) error{l.eraseRaw, l.eraseState, l.eraseUnfollowed, l.eraseLog}[:steps] {
				if err := step(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			if found, sum := verify(t, l, VerifyOptions{}); sum.Damages != 0 {
				t.Errorf("broken off: got %q", found)
			}
			if err := l.Erase(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := holders(t, l, secretWord+"1", "true"); len(got) > 0 {
				t.Errorf("content is left in %v", got)
			}
			if found, sum := verify(t, l, VerifyOptions{}); sum.Damages != 0 || sum.Erased != 6 {
				t.Errorf("got %q", found)
			}
		})
	}
}

// TestEraseBeforeTheReadModelComes takes payloads out before a consumer has seen
// them: it passes them by.
func TestEraseBeforeTheReadModelComes(t *testing.T) {
	t.Parallel()
	l, task := erasableLog(t)
	m := toyMessage(1, 1, 500, secretWord+"1")
	write(t, l, 1, m, toyMessage(2, 2, 501, "order"))
	eraseToy(t, l, 1)
	if err := l.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := live(t, task)
	catchUpAll(t, task, g, 1)
	next, err := l.Rebuild(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := dump(t, l, next), dump(t, l, g); got != want {
		t.Errorf("rebuilt:\n%s\nlive:\n%s", got, want)
	}
}
