package gmailapi

import (
	"errors"

	"github.com/imap2api/imap2api/queries"
)

// idsJSON is a row of a list of messages.
type idsJSON struct {
	ID       string `json:"id"`
	ThreadID string `json:"threadId"`
}

type messagesJSON struct {
	Messages           []idsJSON `json:"messages,omitempty"`
	NextPageToken      string    `json:"nextPageToken,omitempty"`
	ResultSizeEstimate int       `json:"resultSizeEstimate"`
}

func (h *Handler) listMessages(c *call) (any, error) {
	page, next, err := h.found(c, false)
	if err != nil {
		return nil, err
	}
	out := messagesJSON{NextPageToken: next, ResultSizeEstimate: page.Count}
	for _, m := range page.Items {
		out.Messages = append(out.Messages, idsJSON{hexID(m.ID), hexID(m.Thread)})
	}
	return out, nil
}

// threadRowJSON is a row of a list of threads.
type threadRowJSON struct {
	ID        string `json:"id"`
	Snippet   string `json:"snippet,omitempty"`
	HistoryID string `json:"historyId"`
}

type threadsJSON struct {
	Threads            []threadRowJSON `json:"threads,omitempty"`
	NextPageToken      string          `json:"nextPageToken,omitempty"`
	ResultSizeEstimate int             `json:"resultSizeEstimate"`
}

func (h *Handler) listThreads(c *call) (any, error) {
	page, next, err := h.found(c, true)
	if err != nil {
		return nil, err
	}
	out := threadsJSON{NextPageToken: next, ResultSizeEstimate: page.Count}
	for _, m := range page.Items {
		out.Threads = append(out.Threads, threadRowJSON{hexID(m.Thread), escaped(m.Snippet), historyID(m.Position)})
	}
	return out, nil
}

// found reads the parameters of a list (api.md 11.7) and returns the part that is asked for, with the token of the next one.
func (h *Handler) found(c *call, byThread bool) (page queries.FoundPage, next string, err error) {
	q := queries.FindMessages{
		Journal: c.Who.Journal, Accounts: c.accounts, Query: c.last("q"), Labels: c.Query["labelIds"], ByThread: byThread,
	}
	if q.Limit, err = c.limit(); err != nil {
		return page, "", err
	}
	if q.SpamTrash, err = c.boolean("includeSpamTrash"); err != nil {
		return page, "", err
	}
	list := c.listBinding("q", "labelIds", "includeSpamTrash")
	if token := c.last("pageToken"); token != "" {
		if q.After, err = queries.ParseCursor(token, list); err != nil {
			return page, "", errPageToken
		}
	}
	page, err = h.app.FindMessages(c.ctx, q)
	if errors.Is(err, queries.ErrCursor) {
		return page, "", errPageToken
	}
	if page.Next != nil {
		next = page.Next.Encode(list)
	}
	return page, next, err
}

var errPageToken = invalidArgument("Invalid pageToken")
