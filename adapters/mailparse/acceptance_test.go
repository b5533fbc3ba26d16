package mailparse

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
)

// dumpCorpus prints the corpus of the acceptance kit, which is made in Python, as JSON.
const dumpCorpus = `
import sys, json, base64
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import corpus
b64 = lambda b: base64.b64encode(b).decode()
print(json.dumps([{"key": m.key, "raw": b64(m.raw), "expect": m.expect, "attachments": m.attachments if m.attachments is None else [
    {"id": a.id, "filename": a.filename, "content_type": a.content_type, "content": b64(a.content), "is_inline": a.is_inline,
     "content_id": a.content_id or ""} for a in m.attachments]} for m in corpus.mails()]))`

// An acceptanceMail is a message with what the API must say about it.
type acceptanceMail struct {
	Key         string                     `json:"key"`
	Raw         []byte                     `json:"raw"`
	Expect      map[string]json.RawMessage `json:"expect"`
	Attachments *[]struct {
		ID          string  `json:"id"`
		FileName    *string `json:"filename"`
		ContentType string  `json:"content_type"`
		Content     []byte  `json:"content"`
		Inline      bool    `json:"is_inline"`
		ContentID   string  `json:"content_id"`
	} `json:"attachments"`
}

// TestAcceptanceCorpus checks what the parser gives to the fields of the API against
// the corpus of the acceptance kit.
func TestAcceptanceCorpus(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to read the corpus with")
	}
	out, err := exec.Command(python, "-c", dumpCorpus, shared(t, "acceptance")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var mails []acceptanceMail
	if err := json.Unmarshal(out, &mails); err != nil {
		t.Fatal(err)
	}
	p := New(Options{})
	for _, m := range mails {
		t.Run(m.Key, func(t *testing.T) {
			c := p.Parse(t.Context(), m.Raw)
			got := apiFields(c)
			for name, value := range m.Expect {
				have, ok := got[name]
				if !ok || name == "date" && c.Date.IsZero() {
					continue // not a matter of the content
				}
				var want any
				if err := json.Unmarshal(value, &want); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, have); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			checkAttachments(t, p, m, c)
		})
	}
}

// checkAttachments compares the list and the octets.
func checkAttachments(t *testing.T, p *Parser, m acceptanceMail, c *domain.Content) {
	t.Helper()
	if m.Attachments == nil {
		return
	}
	if len(c.Attachments) != len(*m.Attachments) {
		t.Fatalf("attachments %+v, want %d", c.Attachments, len(*m.Attachments))
	}
	for i, want := range *m.Attachments {
		have := c.Attachments[i]
		wanted := domain.Attachment{
			Section: want.ID, FileName: have.FileName, ContentType: want.ContentType,
			Size: int64(len(want.Content)), Inline: want.Inline, ContentID: want.ContentID,
		}
		if want.FileName != nil {
			wanted.FileName = *want.FileName
		}
		if diff := cmp.Diff(wanted, have); diff != "" {
			t.Errorf("attachment (-want +got):\n%s", diff)
		}
		part, ok := p.Part(t.Context(), m.Raw, want.ID)
		if !ok || string(part.Octets) != string(want.Content) || part.FileName != have.FileName {
			t.Errorf("part %s: %v, %q, %d octets", want.ID, ok, part.FileName, len(part.Octets))
		}
	}
}

// apiFields returns fields of the API (api.md 9.5, 9.6) as JSON reads them.
func apiFields(c *domain.Content) map[string]any {
	brackets := func(id string) string {
		if id == "" {
			return ""
		}
		return "<" + id + ">"
	}
	list := func(as []domain.Address) any {
		out := []any{}
		for _, a := range as {
			out = append(out, map[string]any{"name": a.Name, "address": a.Addr})
		}
		return out
	}
	var to []string
	for _, a := range c.To {
		to = append(to, a.Addr)
	}
	references := []any{}
	for _, id := range c.References {
		references = append(references, brackets(id))
	}
	f := map[string]any{
		"message_id": brackets(c.MsgID), "subject": c.Subject, "recipient": strings.Join(to, ", "), "sender": "",
		"sender_name": "", "date": c.Date.Format("2006-01-02T15:04:05Z"), "to": list(c.To), "cc": list(c.Cc),
		"bcc": list(c.Bcc), "reply_to": list(c.ReplyTo), "references": references, "in_reply_to": nil,
		"body_text": c.Text, "body_html": c.HTML, "snippet": c.Snippet, "has_attachments": false,
	}
	if len(c.From) > 0 {
		f["sender"], f["sender_name"] = c.From[0].Addr, c.From[0].Name
	}
	if len(c.InReplyTo) > 0 {
		f["in_reply_to"] = brackets(c.InReplyTo[0])
	}
	for _, a := range c.Attachments {
		if !a.Inline {
			f["has_attachments"] = true
		}
	}
	return f
}
