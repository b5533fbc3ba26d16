package gmailapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// App is what the surface drives: one function for each query and command.
type App struct {
	FindMailbox  func(context.Context, queries.FindMailbox) ([]domain.AccountID, error)
	GetProfile   func(context.Context, queries.GetProfile) (queries.Profile, error)
	ListLabels   func(context.Context, queries.ListLabels) ([]queries.Label, error)
	GetLabel     func(context.Context, queries.GetLabel) (queries.CountedLabel, error)
	FindMessages func(context.Context, queries.FindMessages) (queries.FoundPage, error)
	OpenMessage  func(context.Context, queries.OpenMessage) (queries.OpenedMessage, error)
	GetEntries   func(context.Context, queries.GetEntries) ([]queries.Entry, error)
	GetSources   func(context.Context, queries.GetSources) ([]queries.Source, error)
	GetHistory   func(context.Context, queries.GetHistory) (queries.History, error)

	PlanChanges    func(context.Context, queries.PlanChanges) ([]queries.Plan, error)
	ChangeMessages func(context.Context, commands.ChangeMessages) (events.Position, error)
	WatchMailbox   func(context.Context, commands.WatchMailbox) (expires time.Time, err error)
	StopWatching   func(context.Context, commands.StopWatching) (struct{}, error)
	// WaitFor blocks until the read models contain a position, or for a while.
	WaitFor func(ctx context.Context, journal events.JournalID, pos events.Position)
}

// Request is a request that was let in.
type Request struct {
	Method string     // GET also for one that came as a POST (X-HTTP-Method-Override)
	Path   string     // percent-decoded once
	Query  url.Values // of a GET that came as a POST its body
	Header http.Header
	Body   func() ([]byte, error) // an error is to be returned as it is
	Who    queries.Principal      // the zero Principal where no token is needed
	Meta   events.Meta            // what commits say of themselves
	Origin string                 // scheme, host and path prefix of absolute links, without a final slash
	// Part answers a request that is a part of this one, as if it had come alone.
	Part func(*http.Request) *http.Response
}

// Answer is what is sent.
type Answer struct {
	Status      int
	ContentType string
	Header      http.Header // further ones; nil: none
	Body        []byte
	Stream      func(io.Writer) error // writes the body, in place of Body; nil: Body
}

// Handler answers requests.
type Handler struct{ app App }

// NewHandler returns the handler over app.
func NewHandler(app App) *Handler { return &Handler{app} }

// Route says what is at a path: nothing, something that anybody may ask, or a batch, whose parts are
// let in one by one.
func (h *Handler) Route(path string) (known, open, batch bool) {
	switch {
	case isDiscovery(path):
		return true, true, false
	case isBatch(path):
		return true, false, true
	}
	return knownPath(path), false, false
}

// Serve answers a request of a known path. An error that is returned is one that every surface has, such as domain.ErrNotFound.
func (h *Handler) Serve(ctx context.Context, r Request) (Answer, error) {
	answer, err := h.serve(&call{Request: r, ctx: ctx})
	var own *fault
	if errors.As(err, &own) {
		return own.answer(), nil
	}
	return answer, err
}

func (h *Handler) serve(c *call) (Answer, error) {
	if err := c.checkCommon(); err != nil {
		return Answer{}, err
	}
	switch {
	case isDiscovery(c.Path):
		return h.discovery(c)
	case isBatch(c.Path):
		return h.batch(c)
	}
	m, err := c.find()
	if err != nil {
		return Answer{}, err
	}
	if m.handle == nil {
		return Answer{}, failedPrecondition("gmail.users." + m.name + " is not supported by this server.")
	}
	if c.accounts, err = h.mailbox(c); err != nil {
		return Answer{}, err
	}
	body, err := m.handle(h, c)
	if err != nil {
		return Answer{}, err
	}
	return c.answer(m, body)
}

// mailbox returns the accounts that the path names.
func (h *Handler) mailbox(c *call) ([]domain.AccountID, error) {
	name := c.param("userId")
	visible := c.Who.Token.Accounts
	if len(visible) == 0 {
		visible = nil // all
	}
	accounts, err := h.app.FindMailbox(c.ctx, queries.FindMailbox{Journal: c.Who.Journal, Accounts: visible, Name: name})
	if errors.Is(err, domain.ErrNotFound) {
		return nil, forbidden("Delegation denied for " + name)
	}
	return accounts, err
}
