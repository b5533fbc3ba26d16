package gmailapi

import (
	"slices"
	"strconv"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// labelledJSON is a message of a history.
type labelledJSON struct {
	ID       string   `json:"id"`
	ThreadID string   `json:"threadId"`
	LabelIDs []string `json:"labelIds,omitempty"`
}

type changedJSON struct {
	Message  labelledJSON `json:"message"`
	LabelIDs []string     `json:"labelIds,omitempty"`
}

// recordJSON is one event (api.md 11.9).
type recordJSON struct {
	ID              string        `json:"id"`
	Messages        []idsJSON     `json:"messages"`
	MessagesAdded   []changedJSON `json:"messagesAdded,omitempty"`
	MessagesDeleted []changedJSON `json:"messagesDeleted,omitempty"`
	LabelsAdded     []changedJSON `json:"labelsAdded,omitempty"`
	LabelsRemoved   []changedJSON `json:"labelsRemoved,omitempty"`
}

type historyJSON struct {
	History       []recordJSON `json:"history,omitempty"`
	NextPageToken string       `json:"nextPageToken,omitempty"`
	HistoryID     string       `json:"historyId"`
}

func (h *Handler) listHistory(c *call) (any, error) {
	q, err := readHistory(c)
	if err != nil {
		return nil, err
	}
	list := c.listBinding("startHistoryId", "historyTypes", "labelId")
	if token := c.last("pageToken"); token != "" {
		if err := goOn(&q, token, list); err != nil {
			return nil, err
		}
	}
	history, err := h.app.GetHistory(c.ctx, q)
	if err != nil {
		return nil, err
	}
	out := historyJSON{HistoryID: historyID(history.Until)}
	for _, change := range history.Changes {
		out.History = append(out.History, recordOf(change))
	}
	if history.Next > 0 {
		next := queries.Cursor{Keys: []string{historyID(history.Until)}, ID: int64(history.Next)}
		out.NextPageToken = next.Encode(list)
	}
	return out, nil
}

func readHistory(c *call) (queries.GetHistory, error) {
	q := queries.GetHistory{Journal: c.Who.Journal, Accounts: c.accounts, Label: c.last("labelId")}
	start := c.last("startHistoryId")
	if start == "" {
		return q, invalidArgument("Missing required parameter: startHistoryId")
	}
	n, err := strconv.ParseUint(start, 10, 64)
	if err != nil {
		return q, invalidParameter("startHistoryId")
	}
	if int64(n) < 0 { // beyond every position
		return q, notFound()
	}
	q.After = events.Position(n)
	for _, text := range c.Query["historyTypes"] {
		kind := queries.ChangeKind(text)
		if !slices.Contains(queries.ChangeKinds, kind) {
			return q, invalidParameter("historyTypes")
		}
		q.Kinds = append(q.Kinds, kind)
	}
	q.Limit, err = c.limit()
	return q, err
}

// goOn reads a page token: where to go on, and the position of the first page (api.md D46).
func goOn(q *queries.GetHistory, token, list string) error {
	cursor, err := queries.ParseCursor(token, list)
	if err != nil || len(cursor.Keys) != 1 {
		return errPageToken
	}
	until, err := strconv.ParseInt(cursor.Keys[0], 10, 64)
	if err != nil {
		return errPageToken
	}
	q.After, q.Until = events.Position(cursor.ID), events.Position(until)
	return nil
}

func recordOf(c queries.Change) recordJSON {
	out := recordJSON{ID: historyID(c.Position), Messages: []idsJSON{{hexID(c.ID), hexID(c.Thread)}}}
	message := labelledJSON{hexID(c.ID), hexID(c.Thread), c.Labels}
	for _, kind := range c.Kinds {
		switch kind {
		case queries.MessageAdded:
			out.MessagesAdded = []changedJSON{{Message: message}}
		case queries.MessageDeleted:
			out.MessagesDeleted = []changedJSON{{Message: message}}
		case queries.LabelAdded:
			out.LabelsAdded = []changedJSON{{message, c.Added}}
		case queries.LabelRemoved:
			out.LabelsRemoved = []changedJSON{{message, c.Removed}}
		}
	}
	return out
}
