package eventlog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
)

// stateTable is a table of the inline state that verify makes again from the log. What decisions bring
// along as rows (checkpoints, leases, secrets, schedules) is in no event, so those columns are left out.
type stateTable struct {
	name string // with its schema
	key  string // the primary key
	says string // names a row, for people
	row  string // what the log says of it; $2 are the erased accounts
	kept string // leaves out the rest of what is erased, which goes when it goes
}

const ofKeptAccount = `t.account_id <> ALL ($2::bigint[])`

var stateTables = []stateTable{
	{
		"state.accounts", "journal_id, account_id", `format('account %s', account_id)`,
		`CASE WHEN account_id = ANY ($2::bigint[]) THEN ROW(erased_by)::text ELSE ROW(version, settings, created_at, updated_at, erased_by,
			synced_once, failures, last_run, last_error, synced_at)::text END`, `true`,
	},
	{ // a UIDVALIDITY that is not known when the mailbox is found comes with the checkpoint
		"state.mailboxes", "journal_id, mailbox_id", `format('mailbox %s', mailbox_id)`,
		`ROW(account_id, name, role, selected)::text`, ofKeptAccount,
	},
	{
		"state.messages", "journal_id, mailbox_id, uid", `format('mailbox %s, UID %s', mailbox_id, uid)`,
		`ROW(id, thread_id, mod_seq, flags, sha256, msg_id, msg_key, size, internal_date, date, truncated)::text`,
		`NOT EXISTS (SELECT FROM state.mailboxes b WHERE b.journal_id = t.journal_id AND b.mailbox_id = t.mailbox_id AND b.account_id = ANY ($2::bigint[]))`,
	},
	{
		"state.thread_merges", "journal_id, thread_id", `format('thread %s', thread_id)`,
		`ROW(account_id, into_id)::text`, ofKeptAccount,
	},
	{
		"state.coverage", "journal_id, account_id, mailbox_id", `format('mailbox %s', mailbox_id)`,
		`ROW(account_id, position, checked_at)::text`, ofKeptAccount,
	},
	{
		"raw.uses", "journal_id, sha256, account_id", `format('raw message %s of account %s', encode(sha256, 'hex'), account_id)`,
		`''`, ofKeptAccount,
	},
}

// statedTypes are the events that are folded into these tables.
var statedTypes = []string{
	string(events.TypeMessageFetched), string(events.TypeFlagsChanged), string(events.TypeMessageMoved), string(events.TypeMessageExpunged),
	string(events.TypeMailboxFound), string(events.TypeMailboxRemoved), string(events.TypeMailboxReset), string(events.TypeCoverageChecked),
	string(events.TypeAccountAdded), string(events.TypeAccountChanged), string(events.TypeAccountErased),
	string(events.TypeSyncCompleted), string(events.TypeSyncFailed),
}

// stateCheck makes the state again, by the fold that the append uses, in temporary tables of one connection:
// they are in no log of the database, and are gone with it whatever happens.
type stateCheck struct {
	*verifier
	conn      *pgx.Conn
	journal   events.JournalID
	elsewhere map[string]string // statements by what they are on the temporary tables; "": about others
}

// states compares the inline state of each journal with the log.
func (v *verifier) states(ctx context.Context, heads []events.Head) error {
	pooled, err := v.log.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("get a connection: %w", err)
	}
	defer pooled.Release()
	c := &stateCheck{verifier: v, conn: pooled.Conn(), elsewhere: map[string]string{}}
	defer c.conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is being given up
	if _, err := c.conn.Exec(ctx, scratchState()); err != nil {
		return fmt.Errorf("make tables to compare with: %w", err)
	}
	for _, h := range heads {
		c.journal = h.Journal
		if err := c.check(ctx, h.Position); err != nil {
			return fmt.Errorf("compare the state of journal %d: %w", h.Journal, err)
		}
	}
	return nil
}

// scratchState makes the temporary tables.
func scratchState() string {
	sql := `SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET temp_buffers = '64MB';`
	for _, t := range stateTables {
		sql += fmt.Sprintf("CREATE TEMPORARY TABLE %s (LIKE %s INCLUDING DEFAULTS, PRIMARY KEY (%s));", t.scratch(), t.name, t.key)
	}
	return sql + `CREATE INDEX ON pg_temp.thread_merges (journal_id, into_id)`
}

func (t stateTable) scratch() string {
	_, name, _ := strings.Cut(t.name, ".")
	return "pg_temp." + name
}

// check folds the log up to a position, and what has come meanwhile in the snapshot in which it compares:
// an append changes log and state in one transaction.
func (c *stateCheck) check(ctx context.Context, head events.Position) error {
	err := c.fold(ctx, 0, head)
	if err == nil {
		err = pgx.BeginTxFunc(ctx, c.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
			var now int64
			if err := tx.QueryRow(ctx, headQuery, int64(c.journal)).Scan(&now); err != nil {
				return fmt.Errorf("read head: %w", err)
			}
			if err := c.fold(ctx, head, events.Position(now)); err != nil {
				return err
			}
			return c.compare(ctx)
		})
	}
	if fault, ok := errors.AsType[*pgconn.PgError](err); ok && strings.HasPrefix(fault.Code, "23") {
		c.tell([]Finding{{Journal: c.journal, What: "the log makes no state: " + fault.Message}})
		err = nil
	}
	if err != nil {
		return err
	}
	for _, t := range stateTables {
		if _, err := c.conn.Exec(ctx, "TRUNCATE "+t.scratch()); err != nil {
			return err
		}
	}
	return nil
}

const (
	stateEvents = `
SELECT e.position, e.type, e.schema_version, e.encoding, e.recorded_at, e.payload,
	coalesce((SELECT c.last_position FROM log.commits c WHERE c.journal_id = e.journal_id AND c.last_position >= e.position
		ORDER BY c.last_position LIMIT 1), 0)
FROM log.events e
WHERE e.journal_id = $1 AND e.position > $2 AND e.position <= $3 AND e.type = ANY ($4::text[]) AND e.payload IS NOT NULL
ORDER BY e.position LIMIT 2000`

	// All that an erased account had is erased with it.
	insertErased = `
INSERT INTO state.accounts (journal_id, account_id, version, settings, created_at, updated_at)
VALUES ($1, $2, 1, '{}', $3, $3) ON CONFLICT DO NOTHING`
)

// stateRow is an event as the fold takes it, and the end of its commit.
type stateRow struct {
	Position          int64
	Type              string
	Version, Encoding int16
	At                time.Time
	Payload           []byte
	Commit            int64
}

// fold folds the events after a position and up to another, a commit at a time, in pages.
func (c *stateCheck) fold(ctx context.Context, after, until events.Position) error {
	var fx *effects
	commit := int64(-1)
	for {
		rows, err := c.conn.Query(ctx, stateEvents, int64(c.journal), int64(after), int64(until), statedTypes)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		page, err := pgx.CollectRows(rows, pgx.RowToStructByPos[stateRow])
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		batch := &pgx.Batch{}
		if fx != nil {
			fx.batch = batch // of the page before, in the middle of a commit
		}
		for _, r := range page {
			if fx == nil || r.Commit != commit {
				if fx != nil {
					fx.flush()
				}
				fx, commit = newEffects(batch, commands.Scope{Journal: c.journal}, r.At), r.Commit
				fx.elsewhere = c.onScratch
			}
			c.foldOne(fx, r)
		}
		if fx != nil && len(page) == 0 {
			fx.flush()
		}
		if err := c.conn.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("fold events: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		after = events.Position(page[len(page)-1].Position)
	}
}

func (c *stateCheck) foldOne(fx *effects, r stateRow) {
	event, err := storedEvent(r.Type, r.Version, r.Encoding, r.Payload)
	if err != nil {
		return // the chain is told of it
	}
	if e, ok := event.(events.AccountErased); ok {
		fx.queue(insertErased, int64(e.Account), fx.at)
	}
	fx.fold(events.Position(r.Position), event)
}

var tableName = regexp.MustCompile(`\b(state|raw|auth|hooks)\.[a-z_]+`)

// onScratch returns a statement on the temporary tables, "" if it is about others.
func (c *stateCheck) onScratch(sql string) string {
	out, ok := c.elsewhere[sql]
	if !ok {
		others := false
		out = tableName.ReplaceAllStringFunc(sql, func(name string) string {
			i := slices.IndexFunc(stateTables, func(t stateTable) bool { return t.name == name })
			if i < 0 {
				others = true
				return name
			}
			return stateTables[i].scratch()
		})
		if others {
			out = ""
		}
		c.elsewhere[sql] = out
	}
	return out
}

// compare tells which rows are not those that the log makes.
func (c *stateCheck) compare(ctx context.Context) error {
	gone, err := c.log.allErasures(ctx, c.journal)
	if err != nil {
		return fmt.Errorf("read erasures: %w", err)
	}
	if gone[wholeUser] != 0 {
		return nil // nothing is decided there any more
	}
	accounts := []int64{}
	for account := range gone {
		accounts = append(accounts, account)
	}
	for _, t := range stateTables {
		var missing, unknown, other int64
		var firstMissing, firstUnknown, firstOther *string
		err := c.conn.QueryRow(ctx, c.comparison(t), int64(c.journal), accounts).
			Scan(&missing, &unknown, &other, &firstMissing, &firstUnknown, &firstOther)
		if err != nil {
			return fmt.Errorf("compare %s: %w", t.name, err)
		}
		c.differ(t, missing, firstMissing, "missing")
		c.differ(t, unknown, firstUnknown, "not from the log")
		c.differ(t, other, firstOther, "not as the log says")
		c.stateTables.Add(1)
	}
	return nil
}

// comparison counts the rows of a table that are missing, of which the log knows nothing, and that differ, with
// the first of each.
func (c *stateCheck) comparison(t stateTable) string {
	is := `SELECT ` + t.says + ` AS name, ` + t.row + ` AS row FROM ` + t.name + ` t WHERE t.journal_id = $1 AND $2::bigint[] IS NOT NULL AND ` + t.kept
	return `
SELECT count(*) FILTER (WHERE l.name IS NULL), count(*) FILTER (WHERE f.name IS NULL), count(*) FILTER (WHERE l.name = f.name),
	min(f.name) FILTER (WHERE l.name IS NULL), min(l.name) FILTER (WHERE f.name IS NULL), min(l.name) FILTER (WHERE l.name = f.name)
FROM (` + is + `) l FULL JOIN (` + c.onScratch(is) + `) f ON f.name = l.name
WHERE l.row IS DISTINCT FROM f.row`
}

func (c *stateCheck) differ(t stateTable, n int64, first *string, what string) {
	switch {
	case n == 1:
		c.tell([]Finding{{Journal: c.journal, What: fmt.Sprintf("%s: %s is %s", t.name, *first, what)}})
	case n > 1:
		c.tell([]Finding{{Journal: c.journal, What: fmt.Sprintf("%s: %d rows are %s, the first %s", t.name, n, what, *first)}})
	}
}
