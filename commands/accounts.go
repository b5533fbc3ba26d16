package commands

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Sealer seals secrets for the database.
type Sealer interface {
	// SealPassword seals the password of an account; it can be opened for that account only.
	SealPassword(journal events.JournalID, acc domain.AccountID, password string) ([]byte, error)
}

// NewAppendID returns an id for a decision that is made once.
func NewAppendID() AppendID {
	var id AppendID
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// AddAccount asks for a new account of a user. Its settings are valid.
type AddAccount struct {
	Journal  events.JournalID
	Meta     events.Meta
	Settings events.AccountSettings
	Password string
}

// AddAccountHandler carries out AddAccount.
type AddAccountHandler struct {
	journal Journal
	sealer  Sealer
	now     func() time.Time
}

// NewAddAccount returns the handler.
func NewAddAccount(journal Journal, sealer Sealer, now func() time.Time) *AddAccountHandler {
	return &AddAccountHandler{journal, sealer, now}
}

// AccountRecorded is an account id and the position of what was recorded.
type AccountRecorded struct {
	Account  domain.AccountID
	Position events.Position
}

// Handle records the account and queues its first sync if it is synced by
// schedule. It connects to nothing (api.md D24).
func (h *AddAccountHandler) Handle(ctx context.Context, cmd AddAccount) (AccountRecorded, error) {
	ids, err := h.journal.NextIDs(ctx, domain.IDAccount, 1)
	if err != nil {
		return AccountRecorded{}, fmt.Errorf("draw account id: %w", err)
	}
	acc := domain.AccountID(ids[0])
	rows, err := h.secret(cmd, acc)
	if err != nil {
		return AccountRecorded{}, err
	}
	if cmd.Settings.IntervalMin != nil && cmd.Settings.AuthType != events.AuthOAuth2 {
		ids, err := h.journal.NextIDs(ctx, domain.IDSync, 1)
		if err != nil {
			return AccountRecorded{}, fmt.Errorf("draw sync id: %w", err)
		}
		now := h.now()
		rows = append(rows, QueueRow{acc, domain.SyncID(ids[0]), "created", now}, ScheduleRow{acc, nextSync(cmd.Settings, now)})
	}
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta}
	pos, err := h.journal.Update(ctx, scope, func(State) (Decision, error) {
		return Decision{Events: []events.Event{events.AccountAdded{Account: acc, Settings: cmd.Settings}}, Rows: rows}, nil
	})
	if err != nil {
		return AccountRecorded{}, fmt.Errorf("record account %d: %w", acc, err)
	}
	return AccountRecorded{acc, pos}, nil
}

// secret returns what an account logs in with: a sealed password, or a grant that somebody has still to give.
func (h *AddAccountHandler) secret(cmd AddAccount, acc domain.AccountID) ([]Row, error) {
	if cmd.Settings.AuthType == events.AuthOAuth2 {
		return []Row{GrantRow{Account: acc, Grant: Grant{Status: GrantPending}}}, nil
	}
	sealed, err := h.sealer.SealPassword(cmd.Journal, acc, cmd.Password)
	if err != nil {
		return nil, fmt.Errorf("seal password of account %d: %w", acc, err)
	}
	return []Row{SealedRow{acc, sealed}}, nil
}

// ChangeAccount asks for other settings of an account. Change gets the present
// settings and returns the new ones; it may refuse with an error, which is
// returned as it is. It computes only.
type ChangeAccount struct {
	Journal   events.JournalID
	Meta      events.Meta
	Account   domain.AccountID
	IfVersion int64   // 0: any
	Password  *string // nil: stays
	Change    func(events.AccountSettings) (events.AccountSettings, error)
}

// ChangeAccountHandler carries out ChangeAccount.
type ChangeAccountHandler struct {
	journal Journal
	sealer  Sealer
	now     func() time.Time
}

// NewChangeAccount returns the handler.
func NewChangeAccount(journal Journal, sealer Sealer, now func() time.Time) *ChangeAccountHandler {
	return &ChangeAccountHandler{journal, sealer, now}
}

// Handle records what changed, if anything did, and returns the position. It
// returns domain.ErrStale if the account has another version, domain.ErrNotFound,
// or the error of cmd.Change.
func (h *ChangeAccountHandler) Handle(ctx context.Context, cmd ChangeAccount) (events.Position, error) {
	var sealed []byte
	if cmd.Password != nil {
		var err error
		if sealed, err = h.sealer.SealPassword(cmd.Journal, cmd.Account, *cmd.Password); err != nil {
			return 0, fmt.Errorf("seal password of account %d: %w", cmd.Account, err)
		}
	}
	now := h.now()
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Account: cmd.Account}
	pos, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		return decideChange(cmd, s, sealed, now)
	})
	if err != nil {
		return 0, fmt.Errorf("change account %d: %w", cmd.Account, err)
	}
	return pos, nil
}

func decideChange(cmd ChangeAccount, s State, sealed []byte, now time.Time) (Decision, error) {
	if s.Account == nil {
		return Decision{}, domain.ErrNotFound
	}
	// The new settings are judged before the version (api.md 3.4).
	after, err := cmd.Change(s.Account.Settings)
	if err != nil {
		return Decision{}, err
	}
	if cmd.IfVersion != 0 && cmd.IfVersion != s.Account.Version {
		return Decision{}, domain.ErrStale
	}
	changed := changedSettings(s.Account.Settings, after)
	if cmd.Password != nil {
		changed = append(changed, "password")
	}
	if len(changed) == 0 {
		return Decision{}, nil
	}
	d := Decision{Events: []events.Event{events.AccountChanged{
		Account: cmd.Account, Version: s.Account.Version + 1, Settings: after, Changed: changed,
	}}}
	if sealed != nil {
		d.Rows = append(d.Rows, SealedRow{cmd.Account, sealed})
	}
	grant, rows := changedGrant(cmd.Account, s.Account, after)
	d.Rows = append(d.Rows, rows...)
	if slices.Contains(changed, "sync_interval") || grant != s.Account.Grant {
		var next *time.Time
		if grant == "" || grant == GrantActive {
			next = nextSync(after, now)
		}
		d.Rows = append(d.Rows, ScheduleRow{cmd.Account, next})
	}
	return d, nil
}

// changedGrant returns the state of the grant under new settings: tokens are of one user name at one
// provider, and go to no other host and in the clear nowhere (api.md 10.15, D26).
func changedGrant(acc domain.AccountID, before *AccountState, after events.AccountSettings) (string, []Row) {
	b := before.Settings
	same := b.AuthType == after.AuthType && b.OAuthProvider == after.OAuthProvider && b.Username == after.Username &&
		b.Host == after.Host && (after.UseTLS || !b.UseTLS)
	switch {
	case after.AuthType != events.AuthOAuth2 && before.Grant != "":
		return "", []Row{GrantGoneRow{acc}}
	case after.AuthType != events.AuthOAuth2 || same:
		return before.Grant, nil
	}
	rows := []Row{GrantRow{Account: acc, Grant: Grant{Status: GrantPending}}}
	if b.AuthType != events.AuthOAuth2 {
		rows = append(rows, SealedRow{Account: acc}) // the password is not needed any more
	}
	return GrantPending, rows
}

// changedSettings names the settings that differ, as clients spell them.
func changedSettings(a, b events.AccountSettings) []string {
	var out []string
	note := func(name string, same bool) {
		if !same {
			out = append(out, name)
		}
	}
	sameInt := func(a, b *int) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
	note("name", a.Name == b.Name)
	note("host", a.Host == b.Host)
	note("port", a.Port == b.Port)
	note("username", a.Username == b.Username)
	note("use_ssl", a.UseTLS == b.UseTLS)
	note("sync_limit_type", a.LimitType == b.LimitType)
	note("sync_limit_value", sameInt(a.LimitValue, b.LimitValue))
	note("folders_to_sync", a.Folders == b.Folders)
	note("exclude_trash", a.ExcludeTrash == b.ExcludeTrash)
	note("sync_interval", sameInt(a.IntervalMin, b.IntervalMin))
	note("allow_changes", a.AllowChanges == b.AllowChanges)
	note("auth_type", a.AuthType == b.AuthType)
	note("oauth_provider", a.OAuthProvider == b.OAuthProvider)
	note("tls_certificate_sha256", a.CertSHA256 == b.CertSHA256)
	return out
}

// EraseAccount asks for an account and all of its content to be removed.
type EraseAccount struct {
	Journal   events.JournalID
	Meta      events.Meta
	Account   domain.AccountID
	IfVersion int64 // 0: any
}

// Eraser takes the content of what is erased out of the log and the stores.
type Eraser interface {
	// EraseSoon begins at once, beside; what is left is gone on with at the next start.
	EraseSoon()
}

// EraseAccountHandler carries out EraseAccount.
type EraseAccountHandler struct {
	journal Journal
	eraser  Eraser
}

// NewEraseAccount returns the handler.
func NewEraseAccount(journal Journal, eraser Eraser) *EraseAccountHandler {
	return &EraseAccountHandler{journal, eraser}
}

// Handle records that the account is erased, which makes it invisible and ends its
// syncs, and has its content removed. It returns domain.ErrStale or domain.ErrNotFound.
func (h *EraseAccountHandler) Handle(ctx context.Context, cmd EraseAccount) (events.Position, error) {
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Account: cmd.Account, CountMessages: true, Webhooks: true}
	pos, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if s.Account == nil {
			return Decision{}, domain.ErrNotFound
		}
		if cmd.IfVersion != 0 && cmd.IfVersion != s.Account.Version {
			return Decision{}, domain.ErrStale
		}
		erased := events.AccountErased{Account: cmd.Account, Messages: s.Account.Messages}
		d := Decision{Events: []events.Event{erased}, Rows: []Row{DequeueRow{Account: cmd.Account}}}
		d.forgetAccount(s.Webhooks, cmd.Account)
		return d, nil
	})
	if err != nil {
		return 0, fmt.Errorf("erase account %d: %w", cmd.Account, err)
	}
	h.eraser.EraseSoon()
	return pos, nil
}
