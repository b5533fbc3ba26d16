package httpapi

import (
	"hash/fnv"
	"net/http"
	"strconv"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// serverJSON is an IMAP server (api.md 9.3).
type serverJSON struct {
	ID             domain.AccountID  `json:"id"`
	Name           string            `json:"name"`
	Host           string            `json:"host"`
	Port           int               `json:"port"`
	Username       string            `json:"username"`
	UseSSL         bool              `json:"use_ssl"`
	SyncLimitType  events.LimitType  `json:"sync_limit_type"`
	SyncLimitValue *int              `json:"sync_limit_value"`
	FoldersToSync  string            `json:"folders_to_sync"`
	ExcludeTrash   bool              `json:"exclude_trash"`
	LastSync       *public.Timestamp `json:"last_sync"`
	SyncInterval   *int              `json:"sync_interval"`
	AllowChanges   bool              `json:"allow_changes"`
	SyncState      string            `json:"sync_state"`
	LastError      *string           `json:"last_error"`
	AuthType       string            `json:"auth_type"`
	OAuthProvider  *string           `json:"oauth_provider"`
	OAuthStatus    *string           `json:"oauth_status"`
	CreatedAt      public.Timestamp  `json:"created_at"`
	UpdatedAt      public.Timestamp  `json:"updated_at"`
	CertSHA256     string            `json:"tls_certificate_sha256"`
}

func serverOf(a queries.Account) serverJSON {
	s := a.Settings
	return serverJSON{
		ID: a.ID, Name: s.Name, Host: s.Host, Port: s.Port, Username: s.Username, UseSSL: s.UseTLS,
		SyncLimitType: s.LimitType, SyncLimitValue: s.LimitValue, FoldersToSync: s.Folders, ExcludeTrash: s.ExcludeTrash,
		LastSync: public.StampOrNil(a.LastSync), SyncInterval: s.IntervalMin, AllowChanges: s.AllowChanges,
		SyncState: a.State, LastError: textOrNil(a.LastError), AuthType: s.AuthType,
		OAuthProvider: textOrNil(s.OAuthProvider), OAuthStatus: textOrNil(a.OAuthStatus),
		CreatedAt: public.Stamp(a.CreatedAt), UpdatedAt: public.Stamp(a.UpdatedAt), CertSHA256: s.CertSHA256,
	}
}

// serverTag names the settings by id and version, and after them the state of the syncs,
// which changes without a new version: without it a 304 would hide it.
func serverTag(a queries.Account) string {
	h := fnv.New64a()
	if a.LastSync != nil {
		h.Write([]byte(public.Stamp(*a.LastSync)))
	}
	h.Write([]byte("\x00" + a.State + "\x00" + a.LastError + "\x00" + a.OAuthStatus))
	return versionTag("imap-server", int64(a.ID), a.Version, strconv.FormatUint(h.Sum64(), 36))
}

func (a *api) listServers(r *request) (response, error) {
	f := filters{r: r}
	q := queries.ListAccounts{
		Journal: r.who.Journal, Accounts: r.accounts(),
		Name: f.text("name"), Host: f.text("host"), Username: f.text("username"), Search: f.search(),
		UseTLS: f.boolean("use_ssl"),
		State:  f.choice("sync_state", "idle", "queued", "running", "error", "needs_reauthorization"),
		Order:  f.ordering(queries.AccountOrders),
	}
	if err := f.faults.err(); err != nil {
		return response{}, err
	}
	list := r.binding("imap-servers")
	var err error
	if q.Paging, err = r.paging(list); err != nil {
		return response{}, err
	}
	page, err := a.app.ListAccounts(r.Context(), q)
	if err != nil {
		return response{}, err
	}
	return listOfPage(r, q.Paging, list, page, serverOf), nil
}

// serverOfPath returns the account that the path names. It returns domain.ErrNotFound.
func (a *api) serverOfPath(r *request) (queries.Account, error) { return a.serverIn(r, a.app.Views) }

func (a *api) serverIn(r *request, views Views) (queries.Account, error) {
	id, err := r.pathID("id")
	if err != nil {
		return queries.Account{}, err
	}
	return views.GetAccount(r.Context(), queries.GetAccount{Journal: r.who.Journal, Accounts: r.accounts(), ID: domain.AccountID(id)})
}

func (a *api) getServer(r *request) (response, error) {
	views, err := a.views(r)
	if err != nil {
		return response{}, err
	}
	acc, err := a.serverIn(r, views)
	if err != nil {
		return response{}, err
	}
	if r.get("as_of") != "" { // the tag is what If-Match names: only of what is now
		return response{body: serverOf(acc)}, nil
	}
	return response{body: serverOf(acc), tag: serverTag(acc)}, nil
}

func (a *api) createServer(r *request) (response, error) {
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	in := readServer(d, true, a.app.OAuthProviders())
	if err := d.err(); err != nil {
		return response{}, err
	}
	settings, err := in.settings()
	if err != nil {
		return response{}, err
	}
	cmd := commands.AddAccount{Journal: r.who.Journal, Meta: r.meta(), Settings: settings}
	set(&cmd.Password, in.password)
	made, err := a.app.AddAccount(r.Context(), cmd)
	if err != nil {
		return response{}, err
	}
	a.settle(r, made.Position)
	acc, err := a.app.GetAccount(r.Context(), queries.GetAccount{Journal: r.who.Journal, ID: made.Account})
	if err != nil {
		return response{}, err
	}
	return response{
		status: http.StatusCreated, body: serverOf(acc), tag: serverTag(acc), position: made.Position,
		location: r.link("imap-servers/", int64(acc.ID), "/"),
	}, nil
}

// changeServer merges what is given into the settings: PUT and PATCH are the same (api.md D25).
func (a *api) changeServer(r *request) (response, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	in := readServer(d, false, a.app.OAuthProviders())
	if err := d.err(); err != nil {
		return response{}, err
	}
	pos, err := a.app.ChangeAccount(r.Context(), commands.ChangeAccount{
		Journal: r.who.Journal, Meta: r.meta(), Account: acc.ID, Password: in.password, Change: in.merged,
		IfVersion: ifVersion(r, "imap-server", int64(acc.ID), acc.Version),
	})
	if err != nil {
		return response{}, err
	}
	a.settle(r, pos)
	if acc, err = a.serverOfPath(r); err != nil {
		return response{}, err
	}
	return response{body: serverOf(acc), tag: serverTag(acc), position: pos}, nil
}

func (a *api) deleteServer(r *request) (response, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	pos, err := a.app.EraseAccount(r.Context(), commands.EraseAccount{
		Journal: r.who.Journal, Meta: r.meta(), Account: acc.ID,
		IfVersion: ifVersion(r, "imap-server", int64(acc.ID), acc.Version),
	})
	if err != nil {
		return response{}, err
	}
	a.settle(r, pos)
	return response{status: http.StatusNoContent, position: pos}, nil
}

// folderJSON is a folder of an IMAP server (api.md 10.3).
type folderJSON struct {
	Name         domain.MailboxName `json:"name"`
	SpecialUse   *string            `json:"special_use"`
	Selected     bool               `json:"selected"`
	StoredEmails int                `json:"stored_emails"`
	StoredUnread int                `json:"stored_unread"`
	UIDValidity  domain.UIDValidity `json:"uid_validity"`
	LastSync     *public.Timestamp  `json:"last_sync"`
}

func (a *api) serverFolders(r *request) (response, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	folders, err := a.app.AccountFolders(r.Context(), queries.AccountFolders{Journal: r.who.Journal, Account: acc.ID})
	if err != nil {
		return response{}, err
	}
	out := make([]folderJSON, len(folders))
	for i, f := range folders {
		out[i] = folderJSON{f.Name, textOrNil(string(f.Role)), f.Selected, f.Messages, f.Unseen, f.UIDValidity, public.StampOrNil(acc.LastSync)}
	}
	return response{body: out}, nil
}
