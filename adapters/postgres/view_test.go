package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

var (
	newest    = []queries.Order{{Field: "date", Desc: true}}
	firstPage = queries.Paging{Size: 50, Number: 1}
)

func TestNoGeneration(t *testing.T) {
	t.Parallel()
	pool := open(t)
	reader := newMailReader(pool)
	ask := func() error {
		_, err := reader.Messages(t.Context(), queries.MessageFilter{Journal: 1}, false, newest, firstPage)
		return err
	}
	if err := ask(); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("without a generation: got %v, want ErrUnavailable", err)
	}
	live(t, pool, "mail", 1)
	for range 20 { // on every connection: first prepared, then known
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, pool, `UPDATE log.generations SET status = 'kept'`)
	for range 5 {
		if err := ask(); !errors.Is(err, domain.ErrUnavailable) {
			t.Errorf("after it: got %v, want ErrUnavailable", err)
		}
	}
	exec(t, pool, `UPDATE log.generations SET status = 'live', version = 2`)
	if err := ask(); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("of another version: got %v, want ErrUnavailable", err)
	}
}

// TestOneGeneration reads pages while generations of 3 and of 5 messages take
// turns, and one is dropped: count and rows are always of the same one.
func TestOneGeneration(t *testing.T) {
	t.Parallel()
	pool := open(t)
	reader := newMailReader(pool)
	fill := func(generation, n int) {
		foldMail(t, pool, live(t, pool, "mail", generation), 1, newMail(1, n))
	}
	fill(1, 3)
	fill(2, 5)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				page, err := reader.Messages(t.Context(), queries.MessageFilter{Journal: 1}, false, newest, firstPage)
				if err != nil || page.Count != len(page.Items) || (page.Count != 3 && page.Count != 5) {
					t.Errorf("got %d rows, count %d, error %v", len(page.Items), page.Count, err)
					return
				}
			}
		})
	}
	for range 50 {
		exec(t, pool, `DO $$ DECLARE other int; BEGIN
			SELECT generation INTO other FROM log.generations WHERE status = 'kept';
			UPDATE log.generations SET status = 'kept' WHERE status = 'live';
			UPDATE log.generations SET status = 'live' WHERE generation = other; END $$`)
	}
	close(done)
	readers.Wait()
}

func TestErasedAccountIsInvisible(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "mail", 1)
	foldMail(t, pool, schema, 1, newMail(1, 20))
	addAccount(t, pool, 1, 1)
	addAccount(t, pool, 1, 2)
	reader := newMailReader(pool)
	count := func(byThread bool) int {
		page, err := reader.Messages(t.Context(), queries.MessageFilter{Journal: 1}, byThread, newest, firstPage)
		if err != nil || page.Count != len(page.Items) {
			t.Fatalf("got %d rows, count %d, error %v", len(page.Items), page.Count, err)
		}
		return page.Count
	}
	threads := count(true)
	exec(t, pool, `UPDATE state.accounts SET erased_by = 9 WHERE account_id = 2`)
	if got := count(false); got != 10 {
		t.Errorf("got %d messages, want 10", got)
	}
	if got := count(true); got == 0 || got >= threads {
		t.Errorf("got %d threads, want fewer than %d", got, threads)
	}
	if _, err := reader.Message(t.Context(), 1, nil, 1, 5); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("message of the erased account: got %v, want ErrNotFound", err)
	}
	if _, err := reader.Thread(t.Context(), 1, nil, 1, 5); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("thread of the erased account: got %v, want ErrNotFound", err)
	}
	stats, err := reader.Statistics(t.Context(), queries.GetStatistics{Journal: 1})
	if err != nil || stats.Messages != 10 {
		t.Errorf("statistics: got %d messages, error %v", stats.Messages, err)
	}
}

func TestMessageAndThread(t *testing.T) {
	t.Parallel()
	pool := open(t)
	foldMail(t, pool, live(t, pool, "mail", 1), 1, recorded(1,
		fetched(1), fetched(2, func(e *events.MessageFetched) { e.Thread = 1 }),
		fetched(3, func(e *events.MessageFetched) { e.Thread, e.Flags = 1, []domain.Flag{`\Seen`, "$Junk"} }), fetched(4)))
	reader := newMailReader(pool)
	got, err := reader.Message(t.Context(), 1, []domain.AccountID{1, 2}, 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	e := fetched(3)
	want := queries.MessageDetail{
		Message: queries.Message{
			ID: 3, Account: 1, MsgID: "m3@example.org", Subject: "Subject 3", Sender: "ann@example.org", Recipient: "bob@example.org",
			Date: e.Summary.Date, Folder: "INBOX", Thread: 1, ThreadCount: 3, ThreadUnseen: 2, Snippet: "text", Seen: true,
			Size: 1003, ReceivedAt: epoch,
		},
		CreatedAt: epoch.Add(3 * time.Millisecond), UpdatedAt: epoch.Add(3 * time.Millisecond),
		Flags: []domain.Flag{`\Seen`, "$Junk"}, SHA256: e.SHA256, Position: 3, Content: &domain.Content{}, // no octets are stored
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	thread, err := reader.Thread(t.Context(), 1, nil, 1, 2)
	if err != nil || thread.Total != 3 || len(thread.Messages) != 2 || thread.Messages[0].ID != 2 || thread.Messages[1].ID != 3 {
		t.Errorf("thread: got %+v, error %v; want messages 2 and 3 of 3", thread, err)
	}
	for name, ask := range map[string]func() error{
		"unknown":          func() error { _, err := reader.Message(t.Context(), 1, nil, 99, 0); return err },
		"another journal":  func() error { _, err := reader.Message(t.Context(), 2, nil, 1, 0); return err },
		"another account":  func() error { _, err := reader.Message(t.Context(), 1, []domain.AccountID{5}, 1, 0); return err },
		"no account":       func() error { _, err := reader.Message(t.Context(), 1, []domain.AccountID{}, 1, 0); return err },
		"thread, unknown":  func() error { _, err := reader.Thread(t.Context(), 1, nil, 99, 5); return err },
		"thread, stranger": func() error { _, err := reader.Thread(t.Context(), 1, []domain.AccountID{5}, 1, 5); return err },
	} {
		if err := ask(); !errors.Is(err, domain.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", name, err)
		}
	}
}

// TestContentsOfThread reads messages whose content is in the cache, is not, and whose octets are not stored.
func TestContentsOfThread(t *testing.T) {
	t.Parallel()
	pool := open(t)
	parser := &lineParser{}
	store := postgres.NewRawStore(pool, 3, time.Now)
	reader := readerOf(pool, postgres.NewContents(pool, store, parser))
	var list []events.Event
	for id := int64(1); id <= 4; id++ {
		raw := rawOf(fmt.Sprintf("subject\n=%d", id))
		list = append(list, fetched(id, func(e *events.MessageFetched) { e.Thread, e.SHA256 = 1, raw.SHA256[:] }))
		if id == 4 {
			raw.Content = parser.Parse(t.Context(), raw.Octets)
		}
		if id == 3 {
			continue
		}
		if err := store.Put(t.Context(), 1, []commands.RawMessage{raw}); err != nil {
			t.Fatal(err)
		}
	}
	foldMail(t, pool, live(t, pool, "mail", 1), 1, recorded(1, list...))
	for _, test := range []struct {
		id     domain.MessageID
		others int
		want   string
	}{{2, 0, "=2:"}, {4, 2, "=4: 2=2 3"}, {1, 2, "=1: 3 4=4"}, {2, 10, "=2: 1=1 3 4=4"}, {3, 3, ": 1=1 2=2 4=4"}} {
		m, err := reader.Message(t.Context(), 1, nil, test.id, test.others)
		if err != nil {
			t.Fatal(err)
		}
		got := m.Content.Text + ":"
		for _, o := range m.Others {
			got += fmt.Sprintf(" %d%s", o.ID, o.Text)
		}
		if got != test.want {
			t.Errorf("message %d with %d others: got %q, want %q", test.id, test.others, got, test.want)
		}
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	pool := open(t)
	log := variedMail(newMailLog(3).Rand, 120)
	foldMail(t, pool, live(t, pool, "mail", 1), 1, log)
	all := storedBy(log, map[domain.ThreadID]domain.ThreadID{})
	for _, accounts := range [][]domain.AccountID{nil, {1}, {2, 3}, {}} {
		list := oracle(all, nil, queries.MessageFilter{Accounts: accounts}, false, []queries.Order{{Field: "date"}})
		want := queries.Statistics{
			Messages: len(list), Threads: len(oracle(all, nil, queries.MessageFilter{Accounts: accounts}, true, newest)),
		}
		for i, m := range list {
			want.Size += m.Size
			if !m.Seen {
				want.Unseen++
			}
			if i == 0 {
				want.Oldest = &list[i].Date
			}
			want.Newest = &list[i].Date
		}
		got, err := newMailReader(pool).Statistics(t.Context(), queries.GetStatistics{Journal: 1, Accounts: accounts})
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for i, f := range got.Folders {
			sum += f.Messages
			if i > 0 && (got.Folders[i-1].Messages < f.Messages || got.Folders[i-1].Messages == f.Messages && got.Folders[i-1].Name > f.Name) {
				t.Errorf("accounts %v: folders are out of order: %v", accounts, got.Folders)
			}
		}
		if sum != len(list) {
			t.Errorf("accounts %v: folders hold %d messages, want %d", accounts, sum, len(list))
		}
		got.Folders = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("accounts %v (-want +got):\n%s", accounts, diff)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	if _, err := postgres.Open(t.Context(), "postgres://%", postgres.PoolOptions{}); err == nil {
		t.Error("a broken connection string is accepted")
	}
	pool := open(t)
	for setting, want := range map[string]string{
		"TimeZone": "UTC", "application_name": "imap2api", "idle_in_transaction_session_timeout": "0", "jit": "off",
	} {
		var got string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %q, error %v; want %q", setting, got, err, want)
		}
	}
}

// TestLostStatements takes the prepared statements away, as a pooler does.
func TestLostStatements(t *testing.T) {
	t.Parallel()
	pool := open(t)
	foldMail(t, pool, live(t, pool, "mail", 1), 1, newMail(1, 5))
	reader := newMailReader(pool)
	for range 3 {
		page, err := reader.Messages(t.Context(), queries.MessageFilter{Journal: 1}, false, newest, firstPage)
		if err != nil || page.Count != 5 {
			t.Fatalf("got %d messages, error %v; want 5", page.Count, err)
		}
		exec(t, pool, `DEALLOCATE ALL`)
	}
}
