package eventlog

import "github.com/imap2api/imap2api/commands"

const deleteGrants = `DELETE FROM state.grants WHERE journal_id = $1 AND account_id = ANY ($2::bigint[])`

func (w rowWriter) dropGrants(rows []commands.GrantGoneRow) {
	if len(rows) > 0 {
		w.batch.Queue(deleteGrants, w.journal, column(rows, func(r commands.GrantGoneRow) int64 { return int64(r.Account) }))
	}
}

const saveGrant = `
INSERT INTO state.grants AS g (journal_id, account_id, status, sealed, mechanism, scopes, authorized_at, expires_at, refreshed_at,
	last_error, refusals)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (journal_id, account_id) DO UPDATE SET
	status = excluded.status, sealed = CASE WHEN $12 THEN g.sealed ELSE excluded.sealed END, mechanism = excluded.mechanism,
	scopes = excluded.scopes, authorized_at = excluded.authorized_at, expires_at = excluded.expires_at,
	refreshed_at = excluded.refreshed_at, last_error = excluded.last_error, refusals = excluded.refusals`

// grants sets grants: a decision has one.
func (w rowWriter) grants(rows []commands.GrantRow) {
	for _, r := range rows {
		scopes := r.Scopes
		if scopes == nil {
			scopes = []string{}
		}
		w.batch.Queue(saveGrant, w.journal, int64(r.Account), r.Status, r.Sealed, r.Mechanism, scopes,
			r.AuthorizedAt, r.ExpiresAt, r.RefreshedAt, fit(r.LastError, maxReason), r.Refusals, r.Keep)
	}
}
