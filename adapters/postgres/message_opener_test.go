package postgres_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// roundTrips counts what is sent to a database at once.
type roundTrips struct{ n atomic.Int64 }

func (r *roundTrips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	r.n.Add(1)
	return ctx
}
func (r *roundTrips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (r *roundTrips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (r *roundTrips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	r.n.Add(1)
	return ctx
}
func (r *roundTrips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestMessageOpener: a message comes with its folder and its octets in one round trip.
func TestMessageOpener(t *testing.T) {
	t.Parallel()
	pool := open(t)
	octets := []byte("Subject: opened\r\n\r\ntext")
	in := func(mailbox domain.MailboxID, folder domain.MailboxName) func(*events.MessageFetched) {
		return func(e *events.MessageFetched) { e.Mailbox, e.Folder = mailbox, folder }
	}
	batch := recorded(1, found(1, 1, "INBOX", ""), found(1, 2, "Gesendet", domain.RoleSent), fetched(1, in(2, "Gesendet")), fetched(2, in(9, "unknown")))
	foldMail(t, pool, live(t, pool, "mail", 1), 1, batch[2:])
	inSchema(t, pool, live(t, pool, "mailboxes", 1), func(tx pgx.Tx) error {
		return projections.Mailboxes.Apply(t.Context(), postgres.NewMailboxStore(tx, 1), batch)
	})
	sum := [32]byte(batch[2].Event.(events.MessageFetched).SHA256)
	raws := postgres.NewRawStore(pool, 3, time.Now)
	if err := raws.Put(t.Context(), 1, []commands.RawMessage{{SHA256: sum, Octets: octets}}); err != nil {
		t.Fatal(err)
	}
	config := pool.Config()
	trips := &roundTrips{}
	config.ConnConfig.Tracer = trips
	traced, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traced.Close)
	opener := postgres.NewMessageOpener(traced, 1, 1)
	for range 2 { // the first time statements are prepared
		trips.n.Store(0)
		e, f, got, err := opener.Open(t.Context(), queries.OpenMessage{Journal: 1, ID: 1, Parts: queries.OctetsOnly})
		if err != nil || e.ID != 1 || string(got) != string(octets) || e.Position != 3 {
			t.Fatalf("opened %+v, %q, %v", e, got, err)
		}
		if diff := cmp.Diff(queries.Folder{Name: "Gesendet", Role: domain.RoleSent}, f); diff != "" {
			t.Errorf("folder (-want +got):\n%s", diff)
		}
	}
	if n := trips.n.Load(); n != 1 {
		t.Errorf("%d round trips, want 1", n)
	}
	if e, _, got, err := opener.Open(t.Context(), queries.OpenMessage{Journal: 1, ID: 1}); err != nil || e.ID != 1 || got != nil {
		t.Errorf("without octets: %+v, %q, %v", e, got, err)
	}
	if e, f, got, err := opener.Open(t.Context(), queries.OpenMessage{Journal: 1, ID: 2, Parts: queries.AllParts}); err != nil || e.ID != 2 || f.Name != "unknown" || got != nil {
		t.Errorf("of an unknown folder, not stored: %+v, %+v, %q, %v", e, f, got, err)
	}
	for _, q := range []queries.OpenMessage{{Journal: 1, ID: 3}, {Journal: 2, ID: 1}, {Journal: 1, ID: 1, Accounts: []domain.AccountID{2}}} {
		if _, _, _, err := opener.Open(t.Context(), q); !errors.Is(err, domain.ErrNotFound) {
			t.Errorf("%+v: %v, want not found", q, err)
		}
	}
}
