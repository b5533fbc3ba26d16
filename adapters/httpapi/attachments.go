package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// attachmentJSON is an attachment of an email (api.md 9.6).
type attachmentJSON struct {
	ID          string  `json:"id"`
	FileName    string  `json:"filename"`
	ContentType string  `json:"content_type"`
	Size        int64   `json:"size"`
	IsInline    bool    `json:"is_inline"`
	ContentID   *string `json:"content_id"`
	URL         string  `json:"url"`
}

func attachmentsOf(r *request, m queries.MessageDetail) []attachmentJSON {
	out := make([]attachmentJSON, len(m.Content.Attachments))
	for i, at := range m.Content.Attachments {
		out[i] = attachmentJSON{
			ID: at.Section, FileName: at.FileName, ContentType: at.ContentType, Size: at.Size, IsInline: at.Inline,
			ContentID: textOrNil(at.ContentID), URL: r.link("emails/", int64(m.ID), "/attachments/", at.Section, "/"),
		}
	}
	return out
}

func (a *api) listAttachments(r *request) (response, error) {
	m, err := a.emailOfPath(r, 0)
	if err != nil {
		return response{}, err
	}
	return response{body: attachmentsOf(r, m)}, nil
}

// inlineTypes are what may be shown in this origin (api.md D37).
var inlineTypes = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "text/plain": true}

func (a *api) getAttachment(r *request) (response, error) {
	id, err := r.pathID("id")
	if err != nil {
		return response{}, err
	}
	section := r.params.URLParam("section")
	if len(section) > 100 || strings.Trim(section, "0123456789.") != "" {
		return response{}, errNotFound
	}
	part, err := a.app.GetAttachment(r.Context(), queries.GetAttachment{
		GetRaw:  queries.GetRaw{Journal: r.who.Journal, Accounts: r.accounts(), ID: domain.MessageID(id)},
		Section: section,
	})
	if err != nil {
		return response{}, err
	}
	kind := part.ContentType
	media, _, err := mime.ParseMediaType(kind)
	if err != nil && media == "" {
		kind, media = "application/octet-stream", "application/octet-stream"
	}
	disposition := "attachment"
	if r.get("disposition") == "inline" && inlineTypes[media] {
		disposition = "inline"
	}
	name := safeName(part.FileName)
	if name == "" {
		name = "attachment-" + section
	}
	disposition += `; filename="` + asciiName(name) + `"; filename*=UTF-8''` + extendedName(name)
	sum := sha256.Sum256(part.Octets)
	return a.content(r, file{kind, disposition, contentTag(sum[:]), part.Octets})
}

func (a *api) rawEmail(r *request) (response, error) {
	id, err := r.pathID("id")
	if err != nil {
		return response{}, err
	}
	raw, err := a.app.GetRaw(r.Context(), queries.GetRaw{Journal: r.who.Journal, Accounts: r.accounts(), ID: domain.MessageID(id)})
	if err != nil {
		return response{}, err
	}
	disposition := fmt.Sprintf(`attachment; filename="%d.eml"`, id)
	return a.content(r, file{"message/rfc822", disposition, contentTag(raw.SHA256), raw.Octets})
}

func contentTag(sum []byte) string {
	return `"` + base64.RawURLEncoding.EncodeToString(sum) + `"`
}

// safeName takes path separators and control characters out of a file name.
func safeName(name string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == '/' || c == '\\' {
			return -1
		}
		return c
	}, name))
}

// asciiName is a file name for clients that do not read filename*.
func asciiName(name string) string {
	return strings.Map(func(c rune) rune {
		if c > 0x7e || c == '"' || c == '%' {
			return '_'
		}
		return c
	}, name)
}

// extendedName percent-encodes what is no attr-char (RFC 8187 section 3.2.1).
func extendedName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

var errRange = &apiError{status: http.StatusRequestedRangeNotSatisfiable, code: "range_not_satisfiable", detail: "Requested range not satisfiable."}
