package httpapi

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

const (
	maxThreadEmails = 200 // other messages in the detail of an email
	maxThread       = 500 // messages of a thread
)

// threadEmailJSON is a message as one of a thread: exactly these keys (api.md D33).
type threadEmailJSON struct {
	ID        domain.MessageID   `json:"id"`
	Subject   string             `json:"subject"`
	Sender    string             `json:"sender"`
	Recipient string             `json:"recipient"`
	Date      public.Timestamp   `json:"date"`
	BodyText  string             `json:"body_text"`
	BodyHTML  string             `json:"body_html"`
	Folder    domain.MailboxName `json:"folder"`
}

// detailJSON is one email, whole (api.md 9.6).
type emailDetailJSON struct {
	ID             domain.MessageID   `json:"id"`
	MessageID      string             `json:"message_id"`
	Subject        string             `json:"subject"`
	Sender         string             `json:"sender"`
	Recipient      string             `json:"recipient"`
	Date           public.Timestamp   `json:"date"`
	BodyText       string             `json:"body_text"`
	BodyHTML       string             `json:"body_html"`
	Folder         domain.MailboxName `json:"folder"`
	CreatedAt      public.Timestamp   `json:"created_at"`
	UpdatedAt      public.Timestamp   `json:"updated_at"`
	ThreadID       string             `json:"thread_id"`
	InReplyTo      *string            `json:"in_reply_to"`
	ThreadEmails   threadEmails       `json:"thread_emails"`
	ThreadCount    int                `json:"thread_count"`
	IMAPServer     domain.AccountID   `json:"imap_server"`
	SenderName     string             `json:"sender_name"`
	To             []addressJSON      `json:"to"`
	Cc             []addressJSON      `json:"cc"`
	Bcc            []addressJSON      `json:"bcc"`
	ReplyTo        []addressJSON      `json:"reply_to"`
	References     []string           `json:"references"`
	Snippet        string             `json:"snippet"`
	Flags          []domain.Flag      `json:"flags"`
	IsRead         bool               `json:"is_read"`
	IsStarred      bool               `json:"is_starred"`
	HasAttachments bool               `json:"has_attachments"`
	Attachments    []attachmentJSON   `json:"attachments"`
	Size           int64              `json:"size"`
	ReceivedAt     public.Timestamp   `json:"received_at"`
	RawURL         string             `json:"raw_url"`
	GmailID        string             `json:"gmail_id"`
}

// withoutTexts implements texts.
func (d emailDetailJSON) withoutTexts() (any, []string) {
	texts := []string{d.BodyText, d.BodyHTML}
	d.BodyText, d.BodyHTML = "", ""
	d.ThreadEmails, texts = d.ThreadEmails.take(texts)
	return d, texts
}

// threadEmails are emails of a thread, oldest first.
type threadEmails []threadEmailJSON

// withoutTexts implements texts.
func (l threadEmails) withoutTexts() (any, []string) { return l.take(nil) }

// take returns the emails without their texts, which it appends to texts.
func (l threadEmails) take(texts []string) (threadEmails, []string) {
	out := slices.Clone(l)
	for i := range out {
		texts = append(texts, out[i].BodyText, out[i].BodyHTML)
		out[i].BodyText, out[i].BodyHTML = "", ""
	}
	return out, texts
}

type addressJSON struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

func addressesOf(list []domain.Address) []addressJSON {
	out := make([]addressJSON, len(list))
	for i, a := range list {
		out[i] = addressJSON{a.Name, a.Addr}
	}
	return out
}

// htmlForm returns what is done to HTML before it is shown: hostile input is not sanitised by default.
func (a *api) htmlForm(r *request) (func(string) string, error) {
	f := filters{r: r}
	switch f.choice("html", "original", "sanitized", "none") {
	case "sanitized":
		return a.app.Sanitize, f.faults.err()
	case "none":
		return func(string) string { return "" }, f.faults.err()
	}
	return func(html string) string { return html }, f.faults.err()
}

func threadEmailsOf(list []*queries.ThreadMessage, html func(string) string) threadEmails {
	out := make(threadEmails, len(list))
	for i, m := range list {
		out[i] = threadEmailJSON{m.ID, m.Subject, m.Sender, m.Recipient, public.Stamp(m.Date), m.Text, htmlOf(m.HTML, html), m.Folder}
	}
	return out
}

func htmlOf(text string, form func(string) string) string {
	if text == "" {
		return ""
	}
	return form(text)
}

// emailOfPath returns the message that the path names. It returns domain.ErrNotFound.
func (a *api) emailOfPath(r *request, thread int) (queries.MessageDetail, error) {
	return a.emailIn(r, a.app.Views, thread)
}

func (a *api) emailIn(r *request, views Views, thread int) (queries.MessageDetail, error) {
	id, err := r.pathID("id")
	if err != nil {
		return queries.MessageDetail{}, err
	}
	return views.GetMessage(r.Context(), queries.GetMessage{
		Journal: r.who.Journal, Accounts: r.accounts(), ID: domain.MessageID(id), Thread: thread,
	})
}

func (a *api) getEmail(r *request) (response, error) {
	views, err := a.views(r)
	if err != nil {
		return response{}, err
	}
	m, err := a.emailIn(r, views, maxThreadEmails)
	if err != nil {
		return response{}, err
	}
	html, err := a.htmlForm(r)
	if err != nil {
		return response{}, err
	}
	return response{body: emailDetailOf(r, m, html)}, nil
}

func emailDetailOf(r *request, m queries.MessageDetail, html func(string) string) emailDetailJSON {
	c := m.Content
	out := emailDetailJSON{
		ID: m.ID, MessageID: bracketed(m.MsgID), Subject: m.Subject, Sender: m.Sender, Recipient: m.Recipient,
		Date: public.Stamp(m.Date), BodyText: c.Text, BodyHTML: htmlOf(c.HTML, html), Folder: m.Folder,
		CreatedAt: public.Stamp(m.CreatedAt), UpdatedAt: public.Stamp(m.UpdatedAt), ThreadID: m.Thread.String(),
		ThreadEmails: threadEmailsOf(m.Others, html), ThreadCount: m.ThreadCount,
		IMAPServer: m.Account, SenderName: m.SenderName,
		To: addressesOf(c.To), Cc: addressesOf(c.Cc), Bcc: addressesOf(c.Bcc), ReplyTo: addressesOf(c.ReplyTo),
		References: make([]string, len(c.References)), Snippet: m.Snippet, Flags: orEmpty(m.Flags),
		IsRead: m.Seen, IsStarred: m.Flagged, HasAttachments: m.HasAttachments, Attachments: attachmentsOf(r, m),
		Size: m.Size, ReceivedAt: public.Stamp(m.ReceivedAt),
		RawURL: r.link("emails/", int64(m.ID), "/raw/"), GmailID: fmt.Sprintf("%016x", int64(m.ID)),
	}
	if len(c.InReplyTo) > 0 {
		first := bracketed(c.InReplyTo[0])
		out.InReplyTo = &first
	}
	for i, ref := range c.References {
		out.References[i] = bracketed(ref)
	}
	return out
}

func (a *api) emailThread(r *request) (response, error) {
	id, err := r.pathID("id")
	if err != nil {
		return response{}, err
	}
	views, err := a.views(r)
	if err != nil {
		return response{}, err
	}
	t, err := views.GetThread(r.Context(), queries.GetThread{
		Journal: r.who.Journal, Accounts: r.accounts(), ID: domain.MessageID(id), Limit: maxThread,
	})
	if err != nil {
		return response{}, err
	}
	html, err := a.htmlForm(r)
	if err != nil {
		return response{}, err
	}
	r.w.Header().Set("X-Total-Count", strconv.Itoa(t.Total))
	return response{body: threadEmailsOf(t.Messages, html)}, nil
}
