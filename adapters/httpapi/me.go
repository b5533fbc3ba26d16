package httpapi

import (
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// rootJSON is the entry points (api.md 9.2).
type rootJSON struct {
	IMAPServers string `json:"imap-servers"`
	Emails      string `json:"emails"`
	Webhooks    string `json:"webhooks"`
	Events      string `json:"events"`
	Tokens      string `json:"tokens"`
	Me          string `json:"me"`
	OpenAPI     string `json:"openapi"`
}

func (a *api) root(r *request) (response, error) {
	b := r.base()
	return response{body: rootJSON{
		b + "imap-servers/", b + "emails/", b + "webhooks/", b + "events/", b + "tokens/", b + "me/", b + "openapi.json",
	}}, nil
}

// meJSON is who asks (api.md 10.9).
type meJSON struct {
	ID             domain.UserID   `json:"id"`
	Username       string          `json:"username"`
	Email          string          `json:"email"`
	IsAdmin        bool            `json:"is_admin"`
	Token          meTokenJSON     `json:"token"`
	LatestPosition events.Position `json:"latest_position"`
	ReadPosition   events.Position `json:"read_position"`
}

type meTokenJSON struct {
	ID          domain.TokenID     `json:"id"`
	Name        string             `json:"name"`
	Kind        string             `json:"kind"`
	Scopes      []string           `json:"scopes"`
	IMAPServers []domain.AccountID `json:"imap_servers"`
}

func (a *api) me(r *request) (response, error) {
	pos, err := a.app.GetPositions(r.Context(), queries.GetPositions{Journal: r.who.Journal})
	if err != nil {
		return response{}, err
	}
	w, t := r.who, r.who.Token
	return response{body: meJSON{
		ID: w.User, Username: w.Name, Email: w.Email, IsAdmin: w.Admin,
		Token:          meTokenJSON{t.ID, t.Name, t.Kind, orEmpty(t.Scopes), orEmpty(t.Accounts)},
		LatestPosition: pos.Latest, ReadPosition: pos.Read,
	}}, nil
}
