package gmailapi

import (
	"github.com/imap2api/imap2api/queries"
)

type profileJSON struct {
	EmailAddress  string `json:"emailAddress"`
	MessagesTotal int    `json:"messagesTotal"`
	ThreadsTotal  int    `json:"threadsTotal"`
	HistoryID     string `json:"historyId"`
}

func (h *Handler) getProfile(c *call) (any, error) {
	p, err := h.app.GetProfile(c.ctx, queries.GetProfile{Journal: c.Who.Journal, Accounts: c.accounts, Email: c.Who.Email})
	if err != nil {
		return nil, err
	}
	return profileJSON{p.Address, p.Messages, p.Threads, historyID(p.Position)}, nil
}

// labelJSON is a label (api.md 11.5).
type labelJSON struct {
	ID                    string `json:"id"`
	Name                  string `json:"name"`
	MessageListVisibility string `json:"messageListVisibility,omitempty"`
	LabelListVisibility   string `json:"labelListVisibility,omitempty"`
	Type                  string `json:"type"`
}

// countedLabelJSON has the counts too, also where they are 0.
type countedLabelJSON struct {
	labelJSON
	MessagesTotal  int `json:"messagesTotal"`
	MessagesUnread int `json:"messagesUnread"`
	ThreadsTotal   int `json:"threadsTotal"`
	ThreadsUnread  int `json:"threadsUnread"`
}

func labelOf(l queries.Label) labelJSON {
	out := labelJSON{ID: l.ID, Name: l.Name, MessageListVisibility: "show", LabelListVisibility: "labelShow", Type: "system"}
	switch {
	case l.User:
		out.Type = "user"
	case l.ID == queries.LabelUnread:
		out.MessageListVisibility, out.LabelListVisibility = "", ""
	case l.ID == queries.LabelTrash, l.ID == queries.LabelSpam, l.ID == queries.LabelImportant:
		out.MessageListVisibility, out.LabelListVisibility = "hide", "labelHide"
	}
	return out
}

type labelsJSON struct {
	Labels []labelJSON `json:"labels"`
}

func (h *Handler) listLabels(c *call) (any, error) {
	labels, err := h.app.ListLabels(c.ctx, queries.ListLabels{Journal: c.Who.Journal, Accounts: c.accounts})
	if err != nil {
		return nil, err
	}
	out := labelsJSON{}
	for _, l := range labels {
		out.Labels = append(out.Labels, labelOf(l))
	}
	return out, nil
}

func (h *Handler) getLabel(c *call) (any, error) {
	q := queries.GetLabel{ListLabels: queries.ListLabels{Journal: c.Who.Journal, Accounts: c.accounts}, ID: c.param("id")}
	l, err := h.app.GetLabel(c.ctx, q)
	if err != nil {
		return nil, err
	}
	return countedLabelJSON{labelOf(l.Label), l.Messages, l.Unseen, l.Threads, l.UnseenThreads}, nil
}
