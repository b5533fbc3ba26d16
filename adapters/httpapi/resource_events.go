package httpapi

import (
	"fmt"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// ofResource answers with the events of one thing of the user.
func (a *api) ofResource(r *request, stream events.Stream) (response, error) {
	q, err := a.readEvents(r)
	if err != nil {
		return response{}, err
	}
	q.nothing = q.nothing || q.Stream != nil && *q.Stream != stream || q.Journal != r.who.Journal
	q.Stream = &stream
	return a.events(r, q)
}

func (a *api) emailEvents(r *request) (response, error) {
	m, err := a.emailOfPath(r, 0)
	if err != nil {
		return response{}, err
	}
	return a.ofResource(r, events.Stream{Kind: events.StreamMessage, ID: int64(m.ID)})
}

func (a *api) serverEvents(r *request) (response, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	return a.ofResource(r, events.Stream{Kind: events.StreamAccount, ID: int64(acc.ID)})
}

// emailHistory is the life of an email, also of one that has been deleted (api.md 10.14).
func (a *api) emailHistory(r *request) (response, error) {
	id, err := r.pathID("id")
	if err != nil {
		return response{}, err
	}
	stream := events.Stream{Kind: events.StreamMessage, ID: id}
	first, err := a.app.ListEvents(r.Context(), queries.ListEvents{
		Journal: r.who.Journal, Accounts: r.accounts(), Stream: &stream, Limit: 1,
	})
	if err != nil {
		return response{}, err
	}
	if len(first.Items) == 0 {
		return response{}, fmt.Errorf("history of email %d: %w", id, domain.ErrNotFound)
	}
	// Of a server that was deleted nothing is left to tell.
	if _, err := a.app.GetAccount(r.Context(), queries.GetAccount{Journal: r.who.Journal, ID: first.Items[0].Account}); err != nil {
		return response{}, err
	}
	return a.ofResource(r, stream)
}
