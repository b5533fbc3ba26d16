package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// tokenJSON is an API token (api.md 10.9). Token is only in the answer that creates it.
type tokenJSON struct {
	ID          domain.TokenID     `json:"id"`
	Name        string             `json:"name"`
	Kind        string             `json:"kind"`
	Prefix      string             `json:"prefix"`
	Scopes      []string           `json:"scopes"`
	IMAPServers []domain.AccountID `json:"imap_servers"`
	CreatedAt   public.Timestamp   `json:"created_at"`
	ExpiresAt   *public.Timestamp  `json:"expires_at"`
	LastUsedAt  *public.Timestamp  `json:"last_used_at"`
	Token       string             `json:"token,omitempty"`
}

func tokenOf(t queries.Token) tokenJSON {
	return tokenJSON{
		ID: t.ID, Name: t.Name, Kind: t.Kind, Prefix: t.Prefix, Scopes: orEmpty(t.Scopes), IMAPServers: orEmpty(t.Accounts),
		CreatedAt: public.Stamp(t.CreatedAt), ExpiresAt: public.StampOrNil(t.ExpiresAt), LastUsedAt: public.StampOrNil(t.LastUsed),
	}
}

// orEmpty returns an empty list for nil: lists are never null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (a *api) listTokens(r *request) (response, error) {
	list := r.binding("tokens")
	p, err := r.paging(list)
	if err != nil {
		return response{}, err
	}
	page, err := a.app.ListTokens(r.Context(), queries.ListTokens{Journal: r.who.Journal, Paging: p})
	if err != nil {
		return response{}, err
	}
	return listOfPage(r, p, list, page, tokenOf), nil
}

func (a *api) getToken(r *request) (response, error) {
	t, err := a.tokenOfPath(r)
	if err != nil {
		return response{}, err
	}
	return response{body: tokenOf(t), tag: tokenTag(t)}, nil
}

func (a *api) tokenOfPath(r *request) (queries.Token, error) {
	id, err := r.pathID("id")
	if err != nil {
		return queries.Token{}, err
	}
	return a.app.GetToken(r.Context(), queries.GetToken{Journal: r.who.Journal, ID: domain.TokenID(id)})
}

// tokenTag has the minute of the last use too, which is no change of the token.
func tokenTag(t queries.Token) string {
	used := int64(0)
	if t.LastUsed != nil {
		used = t.LastUsed.Unix() / 60
	}
	return versionTag("token", int64(t.ID), t.Version, strconv.FormatInt(used, 36))
}

func (a *api) createToken(r *request) (response, error) {
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	cmd, err := a.readToken(r, d)
	if err != nil {
		return response{}, err
	}
	made, err := a.app.CreateToken(r.Context(), cmd)
	if err != nil {
		return response{}, err
	}
	a.settle(r, made.Position)
	t := made.Token
	body := tokenOf(queries.Token{
		ID: t.ID, Kind: t.Kind, Name: t.Name, Prefix: t.Prefix, Scopes: t.Scopes, Accounts: t.Accounts,
		Version: t.Version, CreatedAt: t.CreatedAt, ExpiresAt: t.Expires,
	})
	body.Token = made.Secret
	return response{
		status: http.StatusCreated, body: body, secret: true, position: made.Position,
		location: r.link("tokens/", int64(t.ID), "/"),
	}, nil
}

// scopeOrder is the order in which scopes are kept.
var scopeOrder = []string{queries.ScopeRead, queries.ScopeWrite, queries.ScopeAdmin}

func (a *api) readToken(r *request, d *decoder) (commands.CreateToken, error) {
	cmd := commands.CreateToken{Journal: r.who.Journal, Meta: r.meta(), Scopes: []string{queries.ScopeRead}}
	if name := d.text("name", rule{required: true, max: 100}); name != nil {
		cmd.Name = *name
	}
	if d.given("scopes") {
		cmd.Scopes = readScopes(d)
	}
	var err error
	if cmd.Accounts, err = a.readServers(r, d); err != nil {
		return cmd, err
	}
	cmd.Expires = d.moment("expires_at", rule{nullable: true})
	if cmd.Expires != nil && !cmd.Expires.After(a.opts.Now()) {
		d.fault("expires_at", "This date is in the past.")
	}
	if err := d.err(); err != nil {
		return cmd, err
	}
	if !grants(r.who.Token, cmd) {
		return cmd, invalid("scopes", "You cannot grant more than your own token allows.")
	}
	return cmd, nil
}

func readScopes(d *decoder) []string {
	items := d.list("scopes")
	if items != nil && len(items) == 0 {
		d.fault("scopes", msgEmptyList)
	}
	var given []string
	for _, item := range items {
		text := string(item)
		if kindOf(item) == "str" {
			text = unquote(item)
		}
		if !slices.Contains(scopeOrder, text) {
			d.fault("scopes", notAChoice(text))
		}
		given = append(given, text)
	}
	return slices.DeleteFunc(slices.Clone(scopeOrder), func(s string) bool { return !slices.Contains(given, s) })
}

// readServers reads imap_servers: ids of accounts that the token of the request sees (api.md D65).
func (a *api) readServers(r *request, d *decoder) ([]domain.AccountID, error) {
	var out []domain.AccountID
	if !d.given("imap_servers") {
		return nil, nil
	}
	for _, item := range d.list("imap_servers") {
		text, kind := string(item), kindOf(item)
		if kind == "str" {
			text = strings.TrimSpace(unquote(item))
		}
		id, ok := parseID(text)
		if !ok && kind != "int" {
			d.fault("imap_servers", fmt.Sprintf("Incorrect type. Expected pk value, received %s.", kind))
			continue
		}
		_, err := a.app.GetAccount(r.Context(), queries.GetAccount{Journal: r.who.Journal, Accounts: r.accounts(), ID: domain.AccountID(id)})
		switch {
		case errors.Is(err, domain.ErrNotFound) || !ok:
			d.fault("imap_servers", fmt.Sprintf(`Invalid pk "%s" - object does not exist.`, text))
		case err != nil:
			return nil, err
		case !slices.Contains(out, domain.AccountID(id)):
			out = append(out, domain.AccountID(id))
		}
	}
	return out, nil
}

// grants reports whether a token may make one that can do what cmd asks for.
func grants(own queries.Token, cmd commands.CreateToken) bool {
	for _, s := range cmd.Scopes {
		if !slices.Contains(own.Scopes, s) {
			return false
		}
	}
	if len(own.Accounts) == 0 {
		return true
	}
	for _, id := range cmd.Accounts {
		if !slices.Contains(own.Accounts, id) {
			return false
		}
	}
	return len(cmd.Accounts) > 0
}

func (a *api) changeToken(r *request) (response, error) {
	t, err := a.tokenOfPath(r)
	if err != nil {
		return response{}, err
	}
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	cmd := commands.ChangeToken{Journal: r.who.Journal, Meta: r.meta(), Token: t.ID, IfVersion: ifVersion(r, "token", int64(t.ID), t.Version)}
	cmd.Name = d.text("name", rule{max: 100})
	cmd.SetExpires = d.given("expires_at")
	cmd.Expires = d.moment("expires_at", rule{nullable: true})
	if cmd.Expires != nil && !cmd.Expires.After(a.opts.Now()) {
		d.fault("expires_at", "This date is in the past.")
	}
	if err := d.err(); err != nil {
		return response{}, err
	}
	pos, err := a.app.ChangeToken(r.Context(), cmd)
	if err != nil {
		return response{}, err
	}
	a.settle(r, pos)
	if t, err = a.tokenOfPath(r); err != nil {
		return response{}, err
	}
	return response{body: tokenOf(t), tag: tokenTag(t), position: pos}, nil
}

func (a *api) revokeToken(r *request) (response, error) {
	t, err := a.tokenOfPath(r)
	if err != nil {
		return response{}, err
	}
	cmd := commands.RevokeToken{
		Journal: r.who.Journal, Meta: r.meta(), Token: t.ID, IfVersion: ifVersion(r, "token", int64(t.ID), t.Version),
	}
	pos, err := a.app.RevokeToken(r.Context(), cmd)
	if err != nil {
		return response{}, err
	}
	a.settle(r, pos)
	return response{status: http.StatusNoContent, position: pos}, nil
}

// versionTag is the strong tag of a versioned resource: id and version, and after them
// what of it changes without being a change of it.
func versionTag(kind string, id, version int64, rest string) string {
	tag := `"` + kind + "-" + strconv.FormatInt(id, 10) + "-v" + strconv.FormatInt(version, 10)
	if rest != "" {
		tag += "-" + rest
	}
	return tag + `"`
}

// ifVersion returns the version that If-Match names, 0 for any, -1 if it names none of
// the resource (RFC 9110 section 13.1.1: a weak tag matches nothing).
func ifVersion(r *request, kind string, id, version int64) int64 {
	tags := listOf(r.Header.Values("If-Match"))
	if len(tags) == 0 || slices.Contains(tags, "*") {
		return 0
	}
	named := int64(-1)
	for _, tag := range tags {
		rest, ok := strings.CutPrefix(tag, strings.TrimSuffix(versionTag(kind, id, 0, ""), `0"`))
		digits, _, _ := strings.Cut(strings.TrimSuffix(rest, `"`), "-")
		if v, valid := parseID(digits); ok && valid && (named < 0 || v == version) {
			named = v
		}
	}
	return named
}
