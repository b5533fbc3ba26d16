package adminui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// tokensPage is the tokens of a user, and the form of a new one.
type tokensPage struct {
	*form
	Tokens   []queries.Token
	Accounts []queries.Account
	Name     string
	Days     string
	Secret   string // of a new one, shown once
}

func (u *ui) listTokens(r *request) error {
	return u.showTokens(r, http.StatusOK, tokensPage{form: &form{Faults: map[string]string{}}})
}

func (u *ui) showTokens(r *request, status int, p tokensPage) error {
	all := queries.Paging{Size: 100, Number: 1}
	list, err := u.app.ListTokens(r.Context(), queries.ListTokens{Journal: r.who.Journal, Paging: all})
	if err != nil {
		return err
	}
	accounts, err := u.app.ListAccounts(r.Context(), queries.ListAccounts{Journal: r.who.Journal, Paging: all})
	if err != nil {
		return err
	}
	p.Tokens, p.Accounts = list.Items, accounts.Items
	u.write(r, status, "tokens", page{Title: "Tokens", Nav: "tokens", Data: p})
	return nil
}

func (u *ui) createToken(r *request) error {
	f, err := readForm(r)
	if err != nil {
		return err
	}
	p := tokensPage{form: f, Name: f.text("name", true, 100), Days: f.raw("days")}
	cmd := commands.CreateToken{Journal: r.who.Journal, Meta: r.meta(), Name: p.Name}
	for _, scope := range r.PostForm["scope"] {
		known := slices.Contains([]string{queries.ScopeRead, queries.ScopeWrite, queries.ScopeAdmin}, scope)
		if known && !slices.Contains(cmd.Scopes, scope) && (scope != queries.ScopeAdmin || r.who.Admin) {
			cmd.Scopes = append(cmd.Scopes, scope)
		}
	}
	if len(cmd.Scopes) == 0 {
		f.fault("scope", "Choose at least one.")
	}
	for _, text := range r.PostForm["server"] {
		id, _ := strconv.ParseInt(text, 10, 64) // what is none is not the user's
		acc, err := u.app.GetAccount(r.Context(), queries.GetAccount{Journal: r.who.Journal, ID: domain.AccountID(id)})
		if err != nil {
			return err
		}
		cmd.Accounts = append(cmd.Accounts, acc.ID)
	}
	if days := f.number("days", 0, 3650); days > 0 {
		at := u.opts.Now().Add(time.Duration(days) * 24 * time.Hour).UTC().Truncate(time.Second)
		cmd.Expires = &at
	}
	if !f.ok() {
		return u.showTokens(r, http.StatusUnprocessableEntity, p)
	}
	made, err := u.app.CreateToken(r.Context(), cmd)
	if err != nil {
		return err
	}
	return u.showTokens(r, http.StatusOK, tokensPage{form: &form{Faults: map[string]string{}}, Secret: made.Secret})
}

func (u *ui) revokeToken(r *request) error {
	id, err := r.pathID("id")
	if err != nil {
		return err
	}
	_, err = u.app.RevokeToken(r.Context(), commands.RevokeToken{Journal: r.who.Journal, Meta: r.meta(), Token: domain.TokenID(id)})
	if err != nil {
		return err
	}
	return u.redirect(r, "/tokens/?done=revoked")
}

// ServerNames are the names of the servers that a token is limited to.
func (p tokensPage) ServerNames(t queries.Token) string {
	var names []string
	for _, id := range t.Accounts {
		i := slices.IndexFunc(p.Accounts, func(a queries.Account) bool { return a.ID == id })
		if i >= 0 {
			names = append(names, p.Accounts[i].Settings.Name)
		}
	}
	return strings.Join(names, ", ")
}
