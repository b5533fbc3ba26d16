package adminui

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// messagePage is an email, its thread and its life.
type messagePage struct {
	queries.MessageDetail
	AsText bool // although there is HTML
	Images bool // those of other hosts are shown
	Remote bool // there are some
	Height int  // of the frame: 1, small, to 6
	Life   []eventRow
}

const (
	threadRows = 200
	lifeRows   = 100
)

func (u *ui) oneMessage(r *request) error {
	m, err := u.message(r, threadRows)
	if err != nil {
		return err
	}
	p := messagePage{MessageDetail: m, AsText: r.URL.Query().Get("as") == "text", Images: r.URL.Query().Get("images") == "1"}
	if m.Content.HTML != "" {
		p.Remote = u.app.Sanitize(m.Content.HTML, true) != u.app.Sanitize(m.Content.HTML, false)
		p.Height = frameHeight(m.Content)
	}
	life, err := u.app.ListEvents(r.Context(), queries.ListEvents{
		Journal: r.who.Journal, Stream: &events.Stream{Kind: events.StreamMessage, ID: int64(m.ID)}, Limit: lifeRows,
	})
	if err != nil {
		return err
	}
	p.Life = eventRows(life.Items)
	title := m.Subject
	if title == "" {
		title = "(no subject)"
	}
	return u.show(r, "message", page{Title: title, Nav: "mail", Data: p})
}

// message returns the email that the path names, with others of its thread.
func (u *ui) message(r *request, others int) (queries.MessageDetail, error) {
	id, err := r.pathID("id")
	if err != nil {
		return queries.MessageDetail{}, err
	}
	return u.app.GetMessage(r.Context(), queries.GetMessage{Journal: r.who.Journal, ID: domain.MessageID(id), Thread: others})
}

// Before returns the emails of the thread that are older, After those that are not.
func (p messagePage) Before() []*queries.ThreadMessage {
	return p.Others[:p.split()]
}

// After returns the emails of the thread that are not older.
func (p messagePage) After() []*queries.ThreadMessage {
	return p.Others[p.split():]
}

func (p messagePage) split() int {
	i := slices.IndexFunc(p.Others, func(o *queries.ThreadMessage) bool { return o.Date.After(p.Date) })
	if i < 0 {
		return len(p.Others)
	}
	return i
}

// frameHeight guesses how tall HTML will be: what is in the frame cannot be measured from outside.
func frameHeight(c *domain.Content) int {
	lines := 4 + 6*strings.Count(strings.ToLower(c.HTML), "<img")
	for line := range strings.SplitSeq(c.Text, "\n") {
		lines += 1 + len([]rune(line))/85
	}
	return min(6, 1+lines/12)
}

// rawMessage sends the octets of an email as text, which runs nothing.
func (u *ui) rawMessage(r *request) error {
	m, err := u.message(r, 0)
	if err != nil {
		return err
	}
	raw, err := u.app.GetRaw(r.Context(), queries.GetRaw{Journal: r.who.Journal, ID: m.ID})
	if err != nil {
		return err
	}
	disposition := "inline"
	if r.URL.Query().Get("save") != "" {
		disposition = "attachment"
	}
	disposition += fmt.Sprintf(`; filename="%d.eml"`, m.ID)
	u.send(r, "text/plain; charset=utf-8", disposition, raw.Octets)
	return nil
}

// inlineTypes are what may be shown in the browser.
var inlineTypes = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

func (u *ui) attachment(r *request) error {
	id, err := r.pathID("id")
	if err != nil {
		return err
	}
	section := chi.URLParam(r.Request, "section")
	if len(section) > 100 || strings.Trim(section, "0123456789.") != "" {
		return domain.ErrNotFound
	}
	part, err := u.app.GetAttachment(r.Context(), queries.GetAttachment{
		GetRaw: queries.GetRaw{Journal: r.who.Journal, ID: domain.MessageID(id)}, Section: section,
	})
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(part.ContentType)
	disposition := "attachment"
	if err == nil && inlineTypes[media] {
		disposition = "inline"
	} else {
		media = "application/octet-stream"
	}
	name := part.FileName
	if name == "" {
		name = "attachment-" + section
	}
	u.send(r, media, mime.FormatMediaType(disposition, map[string]string{"filename": name}), part.Octets)
	return nil
}

// send answers with a file that never changes and cannot act.
func (u *ui) send(r *request, kind, disposition string, octets []byte) {
	r.wrote = true
	h := r.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "private, max-age=3600")
	h.Set("Content-Length", fmt.Sprint(len(octets)))
	r.w.WriteHeader(http.StatusOK)
	_, _ = r.w.Write(octets) // the client has gone
}
