package adminui

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// framePolicy is the Content-Security-Policy of the frame of a message: it has no origin, runs
// nothing, sends no form and fetches nothing. Links open elsewhere.
const framePolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'self'; img-src data:"

// frameHead is what comes before a message. A message means ink on white, whatever the pages look like.
const frameHead = `<!doctype html><html lang="und"><head><meta charset="utf-8"><title>Message</title><meta name="color-scheme" content="only light">` +
	`<style>html{background:#fff;color:#1f1d1a;font:15px/1.55 system-ui,sans-serif}body{margin:16px;overflow-wrap:anywhere}` +
	`img{max-width:100%;height:auto}img:not([src]){display:none}table{max-width:100%}blockquote{margin:.5em 0;padding-left:1em;border-left:3px solid #ddd}` +
	`pre{white-space:pre-wrap}</style></head><body>`

// frame sends the HTML of an email, without what could act.
func (u *ui) frame(r *request) error {
	m, err := u.message(r, 0)
	if err != nil {
		return err
	}
	images := r.URL.Query().Get("images") == "1"
	html := u.withInline(r, m, u.app.Sanitize(m.Content.HTML, images))
	r.wrote = true
	h := r.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Security-Policy", framePolicy)
	if images {
		h.Set("Content-Security-Policy", framePolicy+" https: http:")
	}
	r.w.WriteHeader(http.StatusOK)
	_, _ = r.w.Write([]byte(frameHead + html + "</body></html>")) // the client has gone
	return nil
}

// inlineImage matches the address of an image that is in the message, as the sanitizer writes it.
var inlineImage = regexp.MustCompile(`(<img [^>]*?src=")cid:([^"]+)"`)

const (
	maxInline       = 20      // images
	maxInlineOctets = 4 << 20 // together
)

// withInline puts images that are in the message into its HTML: the frame may not fetch them.
func (u *ui) withInline(r *request, m queries.MessageDetail, html string) string {
	byCID := map[string]domain.Attachment{}
	for _, a := range m.Content.Attachments {
		if a.ContentID != "" && inlineTypes[a.ContentType] {
			byCID[a.ContentID] = a
		}
	}
	count, octets := 0, int64(0)
	return inlineImage.ReplaceAllStringFunc(html, func(tag string) string {
		parts := inlineImage.FindStringSubmatch(tag)
		a, ok := byCID[strings.ReplaceAll(parts[2], "%40", "@")]
		if count, octets = count+1, octets+a.Size; !ok || count > maxInline || octets > maxInlineOctets {
			return parts[1] + `"`
		}
		part, err := u.app.GetAttachment(r.Context(), queries.GetAttachment{
			GetRaw: queries.GetRaw{Journal: r.who.Journal, ID: m.ID}, Section: a.Section,
		})
		if err != nil {
			return parts[1] + `"`
		}
		return parts[1] + "data:" + a.ContentType + ";base64," + base64.StdEncoding.EncodeToString(part.Octets) + `"`
	})
}
