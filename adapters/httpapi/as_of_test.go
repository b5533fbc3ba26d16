package httpapi

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// withHistory makes w answer as of any of ten positions, of a second each.
func (w *world) withHistory() {
	w.FindMoment = func(_ context.Context, q queries.FindMoment) (events.Position, error) {
		switch {
		case q.Journal != 1:
			return 0, fmt.Errorf("journal %d: %w", q.Journal, domain.ErrNotFound)
		case q.At != nil && q.At.After(w.now) || q.Position > 10:
			return 0, fmt.Errorf("find moment: %w", queries.ErrFuture)
		case q.At != nil:
			return events.Position(10 - w.now.Sub(*q.At)/time.Second), nil
		}
		return q.Position, nil
	}
	w.AsOf = func(pos events.Position) Views {
		return Views{
			GetAccount: func(_ context.Context, q queries.GetAccount) (queries.Account, error) {
				if pos < 3 {
					return queries.Account{}, domain.ErrNotFound
				}
				a := *w.accounts[q.ID]
				a.Settings.Name = fmt.Sprint("at ", pos)
				return a, nil
			},
			GetMessage: func(_ context.Context, q queries.GetMessage) (queries.MessageDetail, error) {
				m := testMessage(q.ID)
				m.Folder = domain.MailboxName(fmt.Sprint("at ", pos))
				return queries.MessageDetail{Message: m, Content: &domain.Content{}}, nil
			},
			GetThread: func(context.Context, queries.GetThread) (queries.Thread, error) {
				return queries.Thread{Messages: []*queries.ThreadMessage{}, Total: int(pos)}, nil
			},
			ListMessages: func(_ context.Context, q queries.ListMessages) (queries.Page[queries.Message], error) {
				return queries.NumberPage([]queries.Message{}, 0, q.Paging)
			},
			ListFolders: func(context.Context, queries.ListFolders) ([]queries.FolderCount, error) {
				return []queries.FolderCount{{Name: domain.MailboxName(fmt.Sprint("at ", pos))}}, nil
			},
			GetStatistics: func(context.Context, queries.GetStatistics) (queries.Statistics, error) {
				return queries.Statistics{Messages: int(pos)}, nil
			},
		}
	}
}

func TestAsOf(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.withHistory()
	h := w.handler(w.options())
	get := func(path string) answer { return do(t, h, call{method: "GET", path: path, token: "ann"}) }
	for as, pos := range map[string]string{
		"7": "7", "007": "7", "2025-03-04T09:59:58Z": "8", "2025-03-04T10:59:58%2B01:00": "8", "2025-03-04T09:59:50Z": "0",
	} {
		for path, want := range map[string]string{
			"/api/emails/folders/":    `["at ` + pos + `"]`,
			"/api/emails/statistics/": `{"total_emails":` + pos + `,"total_threads":0,"folders":{},"unread_emails":0,"total_size":0,"oldest_date":null,"newest_date":null}`,
			"/api/emails/":            `{"count":0,"next":null,"previous":null,"results":[]}`,
			"/api/emails/threads/":    `{"count":0,"next":null,"previous":null,"results":[]}`,
			"/api/emails/42/thread/":  `[]`,
		} {
			res := get(path + "?as_of=" + as)
			wants(t, res, 200, want)
			wantHeader(t, res, "X-As-Of-Position", pos)
		}
	}
	if got := object(t, get("/api/emails/42/?as_of=4"))["folder"]; got != "at 4" {
		t.Errorf("email: folder %v", got)
	}
	res := get("/api/imap-servers/3/?as_of=4")
	if got := object(t, res)["name"]; got != "at 4" {
		t.Errorf("server: name %v", got)
	}
	if tag := res.Header.Get("ETag"); tag == get("/api/imap-servers/3/").Header.Get("ETag") {
		t.Errorf("server: the tag of what it is now: %s", tag)
	}
	wants(t, get("/api/imap-servers/3/?as_of=2"), 404, notFound)
	for _, path := range []string{
		"/api/imap-servers/3/", "/api/emails/", "/api/emails/threads/", "/api/emails/42/", "/api/emails/42/thread/", "/api/emails/folders/", "/api/emails/statistics/",
	} {
		for _, as := range []string{"x", "-1", "0", "1.5", "2025-99-99T00:00:00Z", "2025-03-04"} {
			wants(t, get(path+"?as_of="+as), 400, `{"as_of":["Enter a valid position or timestamp."]}`)
		}
		for _, as := range []string{"11", "99999999999999999999999", "2025-03-04T10:00:01Z"} {
			wants(t, get(path+"?as_of="+as), 400, `{"as_of":["This moment is in the future."]}`)
		}
	}
	wants(t, get("/api/emails/?as_of=4&q=invoice"), 400, `{"q":["A search cannot be made as of a moment."]}`)
	wants(t, get("/api/emails/?as_of=4&q=%20"), 200, `{"count":0,"next":null,"previous":null,"results":[]}`)
}
