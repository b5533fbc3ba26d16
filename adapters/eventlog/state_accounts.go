package eventlog

import (
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const insertAccount = `
INSERT INTO state.accounts (journal_id, account_id, version, settings, created_at, updated_at)
VALUES ($1, $2, 1, $3, $4, $4)`

const changeAccount = `
UPDATE state.accounts SET version = $3, settings = $4, updated_at = $5
WHERE journal_id = $1 AND account_id = $2`

// From its position on nothing is appended to an account; its password and what
// was queued go at once.
const eraseAccounts = `
UPDATE state.accounts SET erased_by = $3, updated_at = $4, sealed = NULL, next_sync_at = NULL
WHERE journal_id = $1 AND account_id = coalesce($2, account_id) AND erased_by IS NULL`

const unqueueAccounts = `
DELETE FROM state.sync_queue WHERE journal_id = $1 AND account_id = coalesce($2, account_id)`

const forgetGrants = `
DELETE FROM state.grants WHERE journal_id = $1 AND account_id = coalesce($2, account_id)`

const forgetSignIns = `
DELETE FROM state.sign_ins WHERE journal_id = $1 AND account_id = coalesce($2, account_id)`

const endSync = `
UPDATE state.accounts SET last_run = $3, failures = $4, last_error = $5, synced_once = synced_once OR $6::timestamptz IS NOT NULL,
	synced_at = coalesce($6, synced_at), stalled_at = CASE WHEN $6::timestamptz IS NULL THEN stalled_at END
WHERE journal_id = $1 AND account_id = $2`

const eraseUser = `
UPDATE auth.users SET erased_by = $2, is_active = false, updated_at = $3
WHERE user_id = $1`

const eraseTokens = `DELETE FROM auth.tokens WHERE journal_id = $1`

const eraseSessions = `DELETE FROM auth.sessions WHERE journal_id = $1`

// foldAccount queues what events of accounts and users do: one or two are in a
// decision, never a thousand, so each takes a statement.
func (fx *effects) foldAccount(pos events.Position, event events.Event) {
	switch e := event.(type) {
	case events.AccountAdded:
		fx.queue(insertAccount, int64(e.Account), fitSettings(e.Settings), fx.at)
	case events.AccountChanged:
		fx.queue(changeAccount, int64(e.Account), e.Version, fitSettings(e.Settings), fx.at)
	case events.AccountErased:
		fx.eraseAccounts(pos, &e.Account)
	case events.SyncCompleted:
		fx.queue(endSync, int64(e.Account), int64(e.Sync), 0, nil, &e.FinishedAt)
	case events.SyncFailed:
		fault := events.SyncError{Code: fit(e.Error.Code, maxReason), Message: fit(e.Error.Message, maxReason)}
		fx.queue(endSync, int64(e.Account), int64(e.Sync), e.ConsecutiveFailures, &fault, nil)
	case events.UserErased:
		if fx.journal == events.System {
			return // the user's own journal has it too
		}
		fx.eraseAccounts(pos, nil)
		fx.queue(eraseUser, int64(pos), fx.at)
		fx.queue(eraseTokens)
		fx.queue(eraseSessions)
		fx.queue(eraseWebhooks)
		fx.erasedBy = (*int64)(&pos)
	}
}

// eraseAccounts erases one account, or all for nil.
func (fx *effects) eraseAccounts(pos events.Position, account *domain.AccountID) {
	fx.queue(eraseAccounts, (*int64)(account), int64(pos), fx.at)
	fx.queue(unqueueAccounts, (*int64)(account))
	fx.queue(forgetGrants, (*int64)(account))
	fx.queue(forgetSignIns, (*int64)(account))
}

// fitSettings returns settings as jsonb takes them, which knows no NUL.
func fitSettings(s events.AccountSettings) events.AccountSettings {
	const longest = 1 << 16 // octets
	for _, text := range []*string{&s.Name, &s.Host, &s.Username, &s.Folders, &s.CertSHA256} {
		*text = fit(*text, longest)
	}
	return s
}
