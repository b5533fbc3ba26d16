package eventlog

import (
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const saveUsers = `
INSERT INTO auth.users (created_at, updated_at, user_id, name, email, is_admin, is_active, password_hash, login_generation)
SELECT u.at, u.at, u.user_id, u.name, u.email, u.is_admin, u.is_active, u.password_hash, u.login_generation
FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::text[], $8::int[])
	AS u (at, user_id, name, email, is_admin, is_active, password_hash, login_generation)
ON CONFLICT (user_id) DO UPDATE SET
	name = excluded.name, email = excluded.email, is_admin = excluded.is_admin, is_active = excluded.is_active,
	password_hash = excluded.password_hash, login_generation = excluded.login_generation, updated_at = excluded.updated_at`

const insertJournals = `
INSERT INTO log.journals (recorded_at, journal_id, link)
SELECT $1, u.* FROM unnest($2::bigint[], $3::bytea[]) AS u
ON CONFLICT DO NOTHING`

func (w rowWriter) users(rows []commands.UserRow) {
	if len(rows) == 0 {
		return
	}
	rows = lastOf(rows, func(r commands.UserRow) domain.UserID { return r.ID })
	id := func(r commands.UserRow) int64 { return int64(r.ID) }
	w.batch.Queue(saveUsers,
		column(rows, func(r commands.UserRow) time.Time { return r.At }),
		column(rows, id),
		column(rows, func(r commands.UserRow) string { return r.Name }),
		column(rows, func(r commands.UserRow) string { return r.Email }),
		column(rows, func(r commands.UserRow) bool { return r.Admin }),
		column(rows, func(r commands.UserRow) bool { return r.Active }),
		column(rows, func(r commands.UserRow) string { return r.PasswordHash }),
		column(rows, func(r commands.UserRow) int32 { return int32(r.LoginGeneration) }))
	w.batch.Queue(insertJournals, w.at, column(rows, id),
		column(rows, func(r commands.UserRow) []byte {
			link := events.FirstLink(events.JournalID(r.ID))
			return link[:]
		}))
}

const deleteTokens = `DELETE FROM auth.tokens WHERE journal_id = $1 AND token_id = ANY ($2::bigint[])`

func (w rowWriter) dropTokens(rows []commands.TokenGoneRow) {
	if len(rows) > 0 {
		w.batch.Queue(deleteTokens, w.journal, column(rows, func(r commands.TokenGoneRow) int64 { return int64(r.ID) }))
	}
}

const saveTokens = `
INSERT INTO auth.tokens (journal_id, token_id, kind, name, prefix, hash, scopes, accounts, version, created_at, expires_at)
SELECT $1, u.token_id, u.kind, u.name, u.prefix, coalesce(u.hash, t.hash), string_to_array(u.scopes, E'\n'), u.accounts::bigint[], u.version,
	u.created_at, u.expires_at
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[], $9::bigint[],
	$10::timestamptz[], $11::timestamptz[])
	AS u (token_id, kind, name, prefix, hash, scopes, accounts, version, created_at, expires_at)
LEFT JOIN auth.tokens t ON t.token_id = u.token_id -- the hash is not loaded for a change
ON CONFLICT (token_id) DO UPDATE SET
	name = excluded.name, expires_at = excluded.expires_at, version = excluded.version`

func (w rowWriter) tokens(rows []commands.TokenRow) {
	if len(rows) == 0 {
		return
	}
	rows = lastOf(rows, func(r commands.TokenRow) domain.TokenID { return r.ID })
	w.batch.Queue(saveTokens, w.journal,
		column(rows, func(r commands.TokenRow) int64 { return int64(r.ID) }),
		column(rows, func(r commands.TokenRow) string { return r.Kind }),
		column(rows, func(r commands.TokenRow) string { return r.Name }),
		column(rows, func(r commands.TokenRow) string { return r.Prefix }),
		column(rows, func(r commands.TokenRow) []byte { return r.Hash }),
		column(rows, func(r commands.TokenRow) string { return lines(r.Scopes) }),
		column(rows, func(r commands.TokenRow) string { return arrayText(r.Accounts) }),
		column(rows, func(r commands.TokenRow) int64 { return r.Version }),
		column(rows, func(r commands.TokenRow) time.Time { return r.CreatedAt }),
		column(rows, func(r commands.TokenRow) *time.Time { return r.Expires }))
}

const deleteSessions = `DELETE FROM auth.sessions WHERE journal_id = $1 AND hash = ANY ($2::bytea[])`

func (w rowWriter) endSessions(rows []commands.SessionGoneRow) {
	if len(rows) > 0 {
		w.batch.Queue(deleteSessions, w.journal, column(rows, func(r commands.SessionGoneRow) []byte { return r.Hash }))
	}
}

const deleteExpired = `DELETE FROM auth.sessions WHERE journal_id = $1 AND expires_at < $2`

const saveSessions = `
INSERT INTO auth.sessions (journal_id, hash, generation, created_at, expires_at, remote, agent)
SELECT $1, u.* FROM unnest($2::bytea[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[]) AS u
ON CONFLICT DO NOTHING`

func (w rowWriter) sessions(rows []commands.SessionRow) {
	if len(rows) == 0 {
		return
	}
	const longest = 1 << 10 // octets
	w.batch.Queue(deleteExpired, w.journal, w.at)
	w.batch.Queue(saveSessions, w.journal,
		column(rows, func(r commands.SessionRow) []byte { return r.Hash }),
		column(rows, func(r commands.SessionRow) int32 { return int32(r.Generation) }),
		column(rows, func(r commands.SessionRow) time.Time { return r.CreatedAt }),
		column(rows, func(r commands.SessionRow) time.Time { return r.Expires }),
		column(rows, func(r commands.SessionRow) string { return fit(r.Remote, longest) }),
		column(rows, func(r commands.SessionRow) string { return fit(r.Agent, longest) }))
}
