package adminui

import (
	"errors"
	"strconv"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// mailPage is a list of emails, or of the newest email of each thread.
type mailPage struct {
	Filter   mailFilter
	Folders  []queries.FolderCount
	List     queries.Page[queries.Message]
	From, To int // of the rows, from 1
	Next     int // number of the next page; 0: there is none
	Previous int
	After    events.Position // up to which the list is
}

// mailFilter is what a list of mail was asked for.
type mailFilter struct {
	Query   string
	Folder  string
	Server  int64
	Threads bool
	Page    int
}

const (
	mailRows     = 50
	longestQuery = 2000 // characters (api.md section 12)
)

// View is the value of the parameter view.
func (f mailFilter) View() string {
	if f.Threads {
		return "threads"
	}
	return "emails"
}

func readMailFilter(r *request) mailFilter {
	q := r.URL.Query()
	f := mailFilter{Query: q.Get("q"), Folder: q.Get("folder"), Page: 1}
	f.Server, _ = strconv.ParseInt(q.Get("server"), 10, 64) // what is no number is no filter
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 {
		f.Page = n
	}
	f.Threads = q.Get("view") == "threads" || q.Get("view") == "" && f.Query == ""
	if len([]rune(f.Query)) > longestQuery {
		f.Query = string([]rune(f.Query)[:longestQuery])
	}
	return f
}

func (u *ui) listMail(r *request) error {
	ctx, j := r.Context(), r.who.Journal
	f := readMailFilter(r)
	q := queries.ListMessages{
		MessageFilter: queries.MessageFilter{Journal: j}, Folder: f.Folder, Query: f.Query, ByThread: f.Threads,
		Highlight: f.Query != "", Paging: queries.Paging{Size: mailRows, Number: f.Page},
	}
	if f.Server != 0 {
		q.Accounts = []domain.AccountID{domain.AccountID(f.Server)}
	}
	pos, err := u.app.GetPositions(ctx, queries.GetPositions{Journal: j})
	if err != nil {
		return err
	}
	p := mailPage{Filter: f, After: pos.Read}
	p.List, err = u.app.ListMessages(ctx, q)
	if errors.Is(err, queries.ErrPage) { // there is less mail than there was
		q.Number, p.Filter.Page = 1, 1
		p.List, err = u.app.ListMessages(ctx, q)
	}
	if err != nil {
		return err
	}
	if p.Folders, err = u.app.ListFolders(ctx, queries.ListFolders{Journal: j}); err != nil {
		return err
	}
	p.count()
	title := "Mail"
	if f.Folder != "" {
		title = f.Folder
	}
	return u.show(r, "mail", page{Title: title, Nav: "mail", Wide: true, Data: p})
}

// count fills in which rows are shown and where the neighbours are.
func (p *mailPage) count() {
	n := p.Filter.Page
	if len(p.List.Items) > 0 {
		p.From = (n-1)*mailRows + 1
		p.To = p.From + len(p.List.Items) - 1
	}
	if n > 1 {
		p.Previous = n - 1
	}
	if p.To < p.List.Count {
		p.Next = n + 1
	}
}

// news is how many emails have arrived since a list was made.
type news struct {
	Count  int
	More   bool
	After  events.Position
	Filter mailFilter
}

// mailNews answers when emails have arrived, or after a while.
func (u *ui) mailNews(r *request) error {
	n := news{Filter: readMailFilter(r)}
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if err != nil || after < 0 {
		return domain.ErrNotFound
	}
	n.After = events.Position(after)
	u.await(r)
	page, err := u.app.ListEvents(r.Context(), queries.ListEvents{
		Journal: r.who.Journal, After: n.After, Types: []events.Type{events.TypeMessageFetched}, Limit: 100,
	})
	if err != nil {
		return err
	}
	n.Count, n.More = len(page.Items), page.More
	if n.Count == 0 {
		n.After = max(n.After, page.Latest)
	}
	return u.part(r, "mail", "news", n)
}
