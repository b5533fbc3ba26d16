package commands

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// decisions is a journal that gives each decision one state and keeps what was decided.
type decisions struct {
	state   State
	scopes  []Scope
	made    []Decision
	next    int64
	err     error // of Update
	failAt  int   // number of the Update that fails with err; 0: each
	updates int
}

func (j *decisions) NextIDs(_ context.Context, _ domain.IDKind, n int) ([]int64, error) {
	ids := make([]int64, n)
	for i := range ids {
		j.next++
		ids[i] = j.next
	}
	return ids, nil
}

func (j *decisions) Update(_ context.Context, scope Scope, decide func(State) (Decision, error)) (events.Position, error) {
	j.updates++
	if j.err != nil && (j.failAt == 0 || j.failAt == j.updates) {
		return 0, j.err
	}
	d, err := decide(j.state)
	if err != nil {
		return 0, err
	}
	j.scopes, j.made = append(j.scopes, scope), append(j.made, d)
	return events.Position(len(j.made)), nil
}

// one returns the only decision that was made.
func (j *decisions) one(t *testing.T) Decision {
	t.Helper()
	if len(j.made) != 1 {
		t.Fatalf("%d decisions: %+v", len(j.made), j.made)
	}
	return j.made[0]
}

func now() time.Time { return modelStart }

func minutes(n int) *int { return &n }

// sealer is a Sealer that shows what it sealed.
type sealer struct{ err error }

func (s sealer) SealPassword(journal events.JournalID, acc domain.AccountID, password string) ([]byte, error) {
	return fmt.Appendf(nil, "%d/%d/%s", journal, acc, password), s.err
}

// counter counts what handlers tell.
type counter struct{ erased, changed int }

func (c *counter) EraseSoon()     { c.erased++ }
func (c *counter) TokensChanged() { c.changed++ }

var office = events.AccountSettings{
	Name: "Office", Host: "imap.example.org", Port: 993, Username: "ann", UseTLS: true, LimitType: events.LimitAll, IntervalMin: minutes(15),
}

func TestAddAccount(t *testing.T) {
	t.Parallel()
	later := modelStart.Add(15 * time.Minute)
	for name, test := range map[string]struct {
		interval *int
		rows     []Row
	}{
		"by schedule": {minutes(15), []Row{SealedRow{1, []byte("7/1/secret")}, QueueRow{1, 2, "created", modelStart}, ScheduleRow{1, &later}}},
		"on request":  {nil, []Row{SealedRow{1, []byte("7/1/secret")}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &decisions{}
			settings := office
			settings.IntervalMin = test.interval
			got, err := NewAddAccount(j, sealer{}, now).Handle(t.Context(), AddAccount{Journal: 7, Settings: settings, Password: "secret"})
			if err != nil || got != (AccountRecorded{1, 1}) || j.scopes[0].Journal != 7 {
				t.Errorf("got %+v, %v", got, err)
			}
			want := Decision{Events: []events.Event{events.AccountAdded{Account: 1, Settings: settings}}, Rows: test.rows}
			if diff := cmp.Diff(want, j.one(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(fmt.Sprint(j.made[0].Events), "secret") {
				t.Error("the password is in an event")
			}
		})
	}
	j := &decisions{}
	if _, err := NewAddAccount(j, sealer{errOurs}, now).Handle(t.Context(), AddAccount{}); !errors.Is(err, errOurs) || len(j.made) > 0 {
		t.Errorf("without a key: %v, %v", err, j.made)
	}
}

func TestChangeAccount(t *testing.T) {
	t.Parallel()
	later := modelStart.Add(5 * time.Minute)
	secret := "secret"
	with := func(change func(*events.AccountSettings)) func(events.AccountSettings) (events.AccountSettings, error) {
		return func(s events.AccountSettings) (events.AccountSettings, error) { change(&s); return s, nil }
	}
	same := with(func(*events.AccountSettings) {})
	refused := &domain.FieldError{Field: "host", Message: "No."}
	for name, test := range map[string]struct {
		cmd     ChangeAccount
		changed []string
		rows    []Row
		err     error
	}{
		"nothing":           {cmd: ChangeAccount{Change: same}},
		"name":              {cmd: ChangeAccount{IfVersion: 3, Change: with(func(s *events.AccountSettings) { s.Name = "Home" })}, changed: []string{"name"}},
		"password":          {cmd: ChangeAccount{Password: &secret, Change: same}, changed: []string{"password"}, rows: []Row{SealedRow{1, []byte("7/1/secret")}}},
		"interval":          {cmd: ChangeAccount{Change: with(func(s *events.AccountSettings) { s.IntervalMin = minutes(5) })}, changed: []string{"sync_interval"}, rows: []Row{ScheduleRow{1, &later}}},
		"no interval":       {cmd: ChangeAccount{Change: with(func(s *events.AccountSettings) { s.IntervalMin = nil })}, changed: []string{"sync_interval"}, rows: []Row{ScheduleRow{1, nil}}},
		"the same interval": {cmd: ChangeAccount{Change: with(func(s *events.AccountSettings) { s.IntervalMin = minutes(15) })}},
		"stale":             {cmd: ChangeAccount{IfVersion: 2, Change: same}, err: domain.ErrStale},
		"refused and stale": {cmd: ChangeAccount{IfVersion: 2, Change: func(s events.AccountSettings) (events.AccountSettings, error) { return s, refused }}, err: refused},
		"all": {cmd: ChangeAccount{Change: with(func(s *events.AccountSettings) {
			*s = events.AccountSettings{
				Name: "a", Host: "b", Port: 1, Username: "c", LimitType: events.LimitDays, LimitValue: minutes(1), Folders: "d",
				ExcludeTrash: true, IntervalMin: minutes(15), AllowChanges: true, AuthType: "e", CertSHA256: "f",
			}
		})}, changed: []string{
			"name", "host", "port", "username", "use_ssl", "sync_limit_type", "sync_limit_value", "folders_to_sync", "exclude_trash",
			"allow_changes", "auth_type", "tls_certificate_sha256",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &decisions{state: State{Account: &AccountState{Version: 3, Settings: office}}}
			test.cmd.Journal, test.cmd.Account = 7, 1
			_, err := NewChangeAccount(j, sealer{}, now).Handle(t.Context(), test.cmd)
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			want := Decision{Rows: test.rows}
			if test.changed != nil {
				after, _ := test.cmd.Change(office)
				want.Events = []events.Event{events.AccountChanged{Account: 1, Version: 4, Settings: after, Changed: test.changed}}
			}
			if diff := cmp.Diff(want, j.one(t), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := NewChangeAccount(&decisions{}, sealer{}, now).Handle(t.Context(), ChangeAccount{Change: same}); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("of none: %v", err)
	}
}

func TestEraseAccount(t *testing.T) {
	t.Parallel()
	var told counter
	j := &decisions{state: State{Account: &AccountState{Version: 3, Messages: 1893}}}
	if _, err := NewEraseAccount(j, &told).Handle(t.Context(), EraseAccount{Account: 1, IfVersion: 2}); !errors.Is(err, domain.ErrStale) || told.erased != 0 {
		t.Errorf("stale: %v", err)
	}
	if _, err := NewEraseAccount(j, &told).Handle(t.Context(), EraseAccount{Account: 1, IfVersion: 3}); err != nil || told.erased != 1 {
		t.Errorf("got %v, told %d times", err, told.erased)
	}
	want := Decision{Events: []events.Event{events.AccountErased{Account: 1, Messages: 1893}}, Rows: []Row{DequeueRow{Account: 1}}}
	if diff := cmp.Diff(want, j.one(t)); diff != "" || !j.scopes[0].CountMessages {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	var told counter
	j := &decisions{}
	soon := modelStart.Add(time.Hour)
	made, err := NewCreateToken(j, now).Handle(t.Context(), CreateToken{Journal: 7, Name: "CRM", Scopes: []string{"read"}, Accounts: []domain.AccountID{3}, Expires: &soon})
	if err != nil || !regexp.MustCompile(`^i2a_[A-Za-z0-9]{36}$`).MatchString(made.Secret) {
		t.Fatalf("got %+v, %v", made, err)
	}
	sum := sha256.Sum256([]byte(made.Secret))
	token := Token{
		ID: 1, Kind: "api", Name: "CRM", Prefix: made.Secret[:8], Hash: sum[:], Scopes: []string{"read"}, Accounts: []domain.AccountID{3},
		Version: 1, CreatedAt: modelStart, Expires: &soon,
	}
	want := Decision{
		Events: []events.Event{events.TokenCreated{Token: 1, Kind: "api", Name: "CRM", Scopes: []string{"read"}, Accounts: []domain.AccountID{3}, Expires: &soon}},
		Rows:   []Row{TokenRow{token}},
	}
	if diff := cmp.Diff(want, j.one(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	login := Token{ID: 9, Kind: "login", Name: "Login", Version: 1}
	user := User{ID: 7, Name: "ann", Active: true, LoginGeneration: 4}
	j = &decisions{state: State{Tokens: []Token{token, login}, User: &user}}
	name := "Shop"
	change := NewChangeToken(j, &told)
	if _, err := change.Handle(t.Context(), ChangeToken{Journal: 7, Token: 1, IfVersion: 2}); !errors.Is(err, domain.ErrStale) {
		t.Errorf("stale: %v", err)
	}
	if _, err := change.Handle(t.Context(), ChangeToken{Journal: 7, Token: 2}); !errors.Is(err, domain.ErrNotFound) || told.changed != 0 {
		t.Errorf("unknown: %v, told %d times", err, told.changed)
	}
	_, err = change.Handle(t.Context(), ChangeToken{Journal: 7, Token: 1, IfVersion: 1, Name: &name})
	_, err2 := change.Handle(t.Context(), ChangeToken{Journal: 7, Token: 1, SetExpires: true})
	renamed, endless := token, token
	renamed.Name, renamed.Version = "Shop", 2
	endless.Expires, endless.Version = nil, 2
	recorded := []Decision{
		{Events: []events.Event{events.TokenChanged{Token: 1, Kind: "api", Name: "Shop", Expires: &soon, Changed: []string{"name"}}}, Rows: []Row{TokenRow{renamed}}},
		{Events: []events.Event{events.TokenChanged{Token: 1, Kind: "api", Name: "CRM", Changed: []string{"expires_at"}}}, Rows: []Row{TokenRow{endless}}},
	}
	if diff := cmp.Diff(recorded, j.made); diff != "" || err != nil || err2 != nil || told.changed != 2 {
		t.Errorf("%v, %v, told %d times (-want +got):\n%s", err, err2, told.changed, diff)
	}
	j.made = nil
	revoke := NewRevokeToken(j, &told)
	_, err = revoke.Handle(t.Context(), RevokeToken{Journal: 7, Token: 1})
	_, err2 = revoke.Handle(t.Context(), RevokeToken{Journal: 7, Token: 9})
	next := user
	next.LoginGeneration = 5
	decided := []Decision{
		{Events: []events.Event{events.TokenRevoked{Token: 1, Kind: "api", Name: "CRM"}}, Rows: []Row{TokenGoneRow{1}}},
		{Events: []events.Event{events.TokenRevoked{Token: 9, Kind: "login", Name: "Login"}}, Rows: []Row{TokenGoneRow{9}, UserRow{User: next}}},
	}
	if diff := cmp.Diff(decided, j.made); diff != "" || err != nil || err2 != nil || told.changed != 4 {
		t.Errorf("%v, %v, told %d times (-want +got):\n%s", err, err2, told.changed, diff)
	}
}

// creds knows one user with the password right.
type creds struct {
	user   User
	checks *int
}

func (c creds) UserNamed(_ context.Context, name string) (User, error) {
	if name != c.user.Name {
		return User{}, domain.ErrNotFound
	}
	return c.user, nil
}

func (c creds) CheckPassword(password, hash string) bool {
	*c.checks++
	return password == "right" && hash == "hash"
}

func (creds) LoginToken(user domain.UserID, generation int) string {
	return fmt.Sprintf("token of %d.%d", user, generation)
}

func TestLogIn(t *testing.T) {
	t.Parallel()
	ann := User{ID: 7, Name: "ann", Active: true, PasswordHash: "hash", LoginGeneration: 2}
	admin, disabled, changed := ann, ann, ann
	admin.Admin, disabled.Active, changed.PasswordHash = true, false, "another"
	sum := sha256.Sum256([]byte("token of 7.2"))
	row := Token{ID: 1, Kind: "login", Name: "Login", Prefix: "toke", Hash: sum[:], Scopes: []string{"read", "write"}, Version: 1, CreatedAt: modelStart}
	adminRow := row
	adminRow.Scopes = []string{"read", "write", "admin"}
	in := events.LoggedIn{User: 7, Name: "ann", Remote: "192.0.2.7"}
	created := func(t Token) events.TokenCreated {
		return events.TokenCreated{Token: t.ID, Kind: t.Kind, Name: t.Name, Scopes: t.Scopes}
	}
	for name, test := range map[string]struct {
		known          User // as looked up
		now            User // when the journal is locked
		tokens         []Token
		name, password string
		want           Decision
		journal        events.JournalID
		refused        bool
	}{
		"first":  {ann, ann, []Token{{Kind: "api"}}, "ann", "right", Decision{Events: []events.Event{created(row), in}, Rows: []Row{TokenRow{row}}}, 7, false},
		"admin":  {admin, admin, nil, "ann", "right", Decision{Events: []events.Event{created(adminRow), in}, Rows: []Row{TokenRow{adminRow}}}, 7, false},
		"again":  {ann, ann, []Token{row}, "ann", "right", Decision{Events: []events.Event{in}}, 7, false},
		"wrong":  {ann, ann, nil, "ann", "wrong", Decision{Events: []events.Event{events.LoginFailed{User: 7, Name: "ann", Remote: "192.0.2.7"}}}, 7, true},
		"nobody": {ann, ann, nil, strings.Repeat("ü", 200), "right", Decision{Events: []events.Event{events.LoginFailed{Name: strings.Repeat("ü", 150), Remote: "192.0.2.7"}}}, events.System, true},
		"disabled": {
			disabled, disabled, nil, "ann", "right",
			Decision{Events: []events.Event{events.LoginFailed{User: 7, Name: "ann", Remote: "192.0.2.7"}}},
			7, true,
		},
		"disabled meanwhile":     {ann, disabled, nil, "ann", "right", Decision{}, 0, true},
		"new password meanwhile": {ann, changed, nil, "ann", "right", Decision{}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &decisions{state: State{User: &test.now, Tokens: test.tokens}}
			checks := 0
			got, err := NewLogIn(j, creds{test.known, &checks}, now).Handle(t.Context(), LogIn{Username: test.name, Password: test.password, Remote: "192.0.2.7"})
			if test.refused != errors.Is(err, ErrCredentials) || !test.refused && (err != nil || got != "token of 7.2") || checks != 1 {
				t.Errorf("got %q, %v after %d checks", got, err, checks)
			}
			if test.want.Events == nil {
				if len(j.made) > 0 {
					t.Errorf("decided %+v", j.made)
				}
				return
			}
			if diff := cmp.Diff(test.want, j.one(t)); diff != "" || j.scopes[0].Journal != test.journal {
				t.Errorf("journal %d (-want +got):\n%s", j.scopes[0].Journal, diff)
			}
		})
	}
	checks := 0
	j := &decisions{err: errDatabase}
	_, err := NewLogIn(j, creds{ann, &checks}, now).Handle(t.Context(), LogIn{Username: "ann", Password: "wrong"})
	if !errors.Is(err, ErrCredentials) || !errors.Is(err, errDatabase) {
		t.Errorf("a failure that cannot be recorded: %v", err)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	checks := 0
	ann := User{ID: 7, Name: "ann", Active: true, LoginGeneration: 2}
	names := creds{ann, &checks}
	j := &decisions{}
	id, err := NewAddUser(j, names, now).Handle(t.Context(), AddUser{Name: "bob", Email: "bob@example.org", PasswordHash: "hash", Admin: true})
	bob := User{ID: 1, Name: "bob", Email: "bob@example.org", Admin: true, Active: true, PasswordHash: "hash", LoginGeneration: 1}
	want := Decision{Events: []events.Event{events.UserAdded{User: 1, Name: "bob", Admin: true}}, Rows: []Row{UserRow{bob, modelStart}}}
	if diff := cmp.Diff(want, j.one(t)); diff != "" || err != nil || id != 1 || j.scopes[0].Journal != events.System {
		t.Errorf("%d, %v (-want +got):\n%s", id, err, diff)
	}
	for name, want := range map[string]error{
		"ann": domain.ErrConflict, "": domain.ErrInvalid, "system": domain.ErrInvalid, "a b": domain.ErrInvalid, "a\x7f": domain.ErrInvalid,
		strings.Repeat("ü", 151): domain.ErrInvalid,
	} {
		if _, err := NewAddUser(&decisions{}, names, now).Handle(t.Context(), AddUser{Name: name}); !errors.Is(err, want) {
			t.Errorf("user %q: %v, want %v", name, err, want)
		}
	}
	if _, err := NewAddUser(&decisions{}, names, now).Handle(t.Context(), AddUser{Name: strings.Repeat("ü", 150)}); err != nil {
		t.Errorf("a long name: %v", err)
	}
	var told counter
	j = &decisions{state: State{User: &ann}}
	_, err = NewDisableUser(j, &told, now).Handle(t.Context(), DisableUser{User: 7})
	off := ann
	off.Active, off.LoginGeneration = false, 3
	want = Decision{Events: []events.Event{events.UserDisabled{User: 7, Name: "ann"}}, Rows: []Row{UserRow{User: off, At: modelStart}}}
	if diff := cmp.Diff(want, j.one(t)); diff != "" || err != nil || told.changed != 1 {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	j = &decisions{state: State{User: &off}}
	if _, err := NewDisableUser(j, &told, now).Handle(t.Context(), DisableUser{User: 7}); err != nil || len(j.one(t).Events) != 0 {
		t.Errorf("twice: %v, %+v", err, j.made)
	}
	if _, err := NewDisableUser(&decisions{}, &told, now).Handle(t.Context(), DisableUser{User: 7}); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

// Broken off between the two journals, an erasure can be asked for again.
func TestEraseUser(t *testing.T) {
	t.Parallel()
	var told counter
	j := &decisions{err: errDatabase, failAt: 2}
	erase := NewEraseUser(j, &told, &told)
	if err := erase.Handle(t.Context(), EraseUser{User: 7}); !errors.Is(err, errDatabase) || told.erased != 0 {
		t.Errorf("got %v", err)
	}
	if j.scopes[0].Journal != events.System {
		t.Error("the user's journal is closed before the installation knows")
	}
	if err := erase.Handle(t.Context(), EraseUser{User: 7}); err != nil || told != (counter{1, 1}) {
		t.Errorf("again: %v, told %+v", err, told)
	}
	var journals []events.JournalID
	for _, s := range j.scopes {
		journals = append(journals, s.Journal)
		if s.User != 7 {
			t.Errorf("it is not checked that user 7 is there: %+v", s)
		}
	}
	if !slices.Equal(journals, []events.JournalID{0, 0, 7}) {
		t.Errorf("journals %v", journals)
	}
}
