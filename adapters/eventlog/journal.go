package eventlog

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// Journal is the write side of a Log: it implements commands.Journal and
// commands.SyncState. It is safe for concurrent use.
type Journal struct {
	log *Log
	ids *idSource
}

var (
	_ commands.Journal   = (*Journal)(nil)
	_ commands.SyncState = (*Journal)(nil)
)

// Journal returns the write side of l.
func (l *Log) Journal() *Journal { return &Journal{log: l, ids: newIDSource()} }

var sequences = map[domain.IDKind]string{
	domain.IDAccount: "state.account_ids",
	domain.IDMailbox: "state.mailbox_ids",
	domain.IDMessage: "state.message_ids",
	domain.IDThread:  "state.thread_ids",
	domain.IDSync:    "state.sync_ids",
	domain.IDToken:   "state.token_ids",
	domain.IDUser:    "state.user_ids",
	domain.IDWebhook: "state.webhook_ids",
	domain.IDChange:  "state.change_ids",
}

const nextIDs = `SELECT nextval($1::text::regclass) FROM generate_series(1, $2::bigint)`

// NextIDs draws n ids that clients will see, ascending. Those not used are lost.
// It returns domain.ErrInvalid for a kind that has no sequence.
func (j *Journal) NextIDs(ctx context.Context, kind domain.IDKind, n int) ([]int64, error) {
	sequence, ok := sequences[kind]
	if !ok {
		return nil, fmt.Errorf("draw ids of kind %q: %w", kind, domain.ErrInvalid)
	}
	if n <= 0 {
		return nil, nil
	}
	rows, err := j.log.pool.Query(ctx, nextIDs, sequence, n)
	if err != nil {
		return nil, fmt.Errorf("draw %s ids: %w", kind, translate(err))
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("draw %s ids: %w", kind, translate(err))
	}
	slices.Sort(ids)
	return ids, nil
}
