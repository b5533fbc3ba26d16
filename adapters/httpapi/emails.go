package httpapi

import (
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// emailJSON is a row of a list of emails (api.md 9.5).
type emailJSON struct {
	ID             domain.MessageID   `json:"id"`
	MessageID      string             `json:"message_id"`
	Subject        string             `json:"subject"`
	Sender         string             `json:"sender"`
	Recipient      string             `json:"recipient"`
	Date           public.Timestamp   `json:"date"`
	Folder         domain.MailboxName `json:"folder"`
	ThreadID       string             `json:"thread_id"`
	ThreadCount    int                `json:"thread_count"`
	IMAPServer     domain.AccountID   `json:"imap_server"`
	SenderName     string             `json:"sender_name"`
	Snippet        string             `json:"snippet"`
	IsRead         bool               `json:"is_read"`
	IsStarred      bool               `json:"is_starred"`
	HasAttachments bool               `json:"has_attachments"`
	Size           int64              `json:"size"`
	ReceivedAt     public.Timestamp   `json:"received_at"`
	Highlight      *highlightJSON     `json:"highlight,omitempty"` // only if asked for
}

// highlightJSON is HTML: text, escaped, with the words that a search has found in <mark>.
type highlightJSON struct {
	Subject string   `json:"subject"`
	Body    []string `json:"body"`
}

func highlightOf(h *queries.Highlight) *highlightJSON {
	if h == nil {
		return nil
	}
	return &highlightJSON{h.Subject, orEmpty(h.Body)}
}

// threadRowJSON is a row of a list of threads.
type threadRowJSON struct {
	emailJSON
	ThreadUnreadCount int `json:"thread_unread_count"`
}

func emailOf(m queries.Message) emailJSON {
	return emailJSON{
		ID: m.ID, MessageID: bracketed(m.MsgID), Subject: m.Subject, Sender: m.Sender, Recipient: m.Recipient,
		Date: public.Stamp(m.Date), Folder: m.Folder, ThreadID: m.Thread.String(), ThreadCount: m.ThreadCount,
		IMAPServer: m.Account, SenderName: m.SenderName, Snippet: m.Snippet, IsRead: m.Seen, IsStarred: m.Flagged,
		HasAttachments: m.HasAttachments, Size: m.Size, ReceivedAt: public.Stamp(m.ReceivedAt), Highlight: highlightOf(m.Highlight),
	}
}

func threadRowOf(m queries.Message) threadRowJSON { return threadRowJSON{emailOf(m), m.ThreadUnseen} }

// bracketed returns a message-id as it is written in a header, "" for none.
func bracketed(id string) string {
	if id == "" {
		return ""
	}
	return "<" + id + ">"
}

func (a *api) listEmails(r *request) (response, error) {
	f := filters{r: r}
	byThread := f.boolean("thread")
	return a.emails(r, &f, byThread != nil && *byThread)
}

// listThreads is listEmails with thread=true; the parameter itself is ignored.
func (a *api) listThreads(r *request) (response, error) { return a.emails(r, &filters{r: r}, true) }

func (a *api) emails(r *request, f *filters, byThread bool) (response, error) {
	q, err := a.readListMessages(r, f)
	if err != nil {
		return response{}, err
	}
	q.ByThread = byThread
	if marked := f.boolean("highlight"); marked != nil {
		q.Highlight = *marked
	}
	if err := f.faults.err(); err != nil {
		return response{}, err
	}
	views, err := a.viewsOfList(r, q)
	if err != nil {
		return response{}, err
	}
	list := r.binding("emails/" + strconv.FormatBool(byThread))
	if q.Paging, err = r.paging(list); err != nil {
		return response{}, err
	}
	page, err := views.ListMessages(r.Context(), q)
	if err != nil {
		return response{}, err
	}
	if page.Engine != "" {
		r.w.Header().Set("X-Search-Engine", string(page.Engine))
	}
	if byThread {
		return listOfPage(r, q.Paging, list, page, threadRowOf), nil
	}
	return listOfPage(r, q.Paging, list, page, emailOf), nil
}

// viewsOfList returns what answers a list of emails. The engines know what is now.
func (a *api) viewsOfList(r *request, q queries.ListMessages) (Views, error) {
	if r.get("as_of") != "" && strings.TrimSpace(q.Query) != "" {
		return Views{}, invalid("q", msgSearchAsOf)
	}
	return a.views(r)
}

// readListMessages reads the parameters of api.md 9.5.
func (a *api) readListMessages(r *request, f *filters) (queries.ListMessages, error) {
	q := queries.ListMessages{Query: f.search(), Folder: f.text("folder"), Order: f.ordering(queries.MessageOrders)}
	q.Journal = r.who.Journal
	var err error
	if q.Accounts, err = f.accounts(r.Context(), a, r.who.Journal); err != nil {
		return q, err
	}
	q.From, q.To = f.date("date_from", false), f.date("date_to", true)
	q.Thread = f.thread("thread_id")
	if id := strings.TrimSpace(f.text("message_id")); id != "" {
		id = strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")
		q.MsgID = &id
	}
	q.Sender, q.Recipient, q.Subject = f.text("sender"), f.text("recipient"), f.text("subject")
	q.Seen, q.Flagged, q.Attachments = f.boolean("is_read"), f.boolean("is_starred"), f.boolean("has_attachments")
	return q, f.faults.err()
}

// thread reads a thread id; one that cannot be is the id of no thread.
func (f *filters) thread(name string) *domain.ThreadID {
	text := f.r.get(name)
	if text == "" {
		return nil
	}
	digits, ok := strings.CutPrefix(text, "thread-")
	id, valid := parseID(digits)
	if !ok || !valid {
		id = 0
	}
	thread := domain.ThreadID(id)
	return &thread
}

// accountsAsked reads imap_server where it is the only filter.
func (a *api) accountsAsked(r *request) ([]domain.AccountID, error) {
	f := filters{r: r}
	accounts, err := f.accounts(r.Context(), a, r.who.Journal)
	if err != nil {
		return nil, err
	}
	return accounts, f.faults.err()
}

func (a *api) listFolders(r *request) (response, error) {
	accounts, err := a.accountsAsked(r)
	if err != nil {
		return response{}, err
	}
	views, err := a.views(r)
	if err != nil {
		return response{}, err
	}
	folders, err := views.ListFolders(r.Context(), queries.ListFolders{Journal: r.who.Journal, Accounts: accounts})
	if err != nil {
		return response{}, err
	}
	names := make([]domain.MailboxName, len(folders))
	for i, folder := range folders {
		names[i] = folder.Name
	}
	return response{body: names}, nil
}

// statisticsJSON is totals (api.md 9.10).
type statisticsJSON struct {
	TotalEmails  int               `json:"total_emails"`
	TotalThreads int               `json:"total_threads"`
	Folders      folderCounts      `json:"folders"`
	UnreadEmails int               `json:"unread_emails"`
	TotalSize    int64             `json:"total_size"`
	OldestDate   *public.Timestamp `json:"oldest_date"`
	NewestDate   *public.Timestamp `json:"newest_date"`
}

// folderCounts is an object from names to numbers that keeps its order.
type folderCounts []queries.FolderCount

// MarshalJSON writes the folders in their order.
func (c folderCounts) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, f := range c {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, mustJSON(f.Name)...)
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(f.Messages), 10)
	}
	return append(b, '}'), nil
}

func (a *api) statistics(r *request) (response, error) {
	accounts, err := a.accountsAsked(r)
	if err != nil {
		return response{}, err
	}
	views, err := a.views(r)
	if err != nil {
		return response{}, err
	}
	s, err := views.GetStatistics(r.Context(), queries.GetStatistics{Journal: r.who.Journal, Accounts: accounts})
	if err != nil {
		return response{}, err
	}
	return response{body: statisticsJSON{
		s.Messages, s.Threads, s.Folders, s.Unseen, s.Size, public.StampOrNil(s.Oldest), public.StampOrNil(s.Newest),
	}}, nil
}
