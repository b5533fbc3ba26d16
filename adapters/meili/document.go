package meili

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const (
	maxText      = 600_000 // characters of a body; the rest is not found
	maxPositions = 60_000  // of one attribute, below Meilisearch's 65,536
	gapPositions = 8       // of a hard separator
)

// document is what Meilisearch keeps of a message.
type document struct {
	Key         string           `json:"key"`
	ID          domain.MessageID `json:"id"`
	Journal     events.JournalID `json:"journal"`
	Account     domain.AccountID `json:"account"`
	Date        int64            `json:"date"`
	Received    int64            `json:"received"`
	Size        int64            `json:"size"`
	Folder      string           `json:"folder"`
	Flags       []string         `json:"flags"`
	Attachments bool             `json:"attachments"`
	Subject     string           `json:"subject,omitempty"`
	From        []string         `json:"from,omitempty"`
	To          []string         `json:"to,omitempty"`
	Cc          []string         `json:"cc,omitempty"`
	Bcc         []string         `json:"bcc,omitempty"`
	Files       []string         `json:"files,omitempty"`
	Body        string           `json:"body,omitempty"`
	Body2       string           `json:"body2,omitempty"`
	Body3       string           `json:"body3,omitempty"`
	Body4       string           `json:"body4,omitempty"`
	Body5       string           `json:"body5,omitempty"`
}

// change is what changes of a document; what is nil stays.
type change struct {
	Key    string    `json:"key"`
	Folder *string   `json:"folder,omitempty"`
	Flags  *[]string `json:"flags,omitempty"`
}

// keyOf is the key of a document. It holds the journal, so that no write reaches another user's.
func keyOf(journal events.JournalID, id domain.MessageID) string {
	return strconv.FormatInt(int64(journal), 10) + "-" + strconv.FormatInt(int64(id), 10)
}

func flagTokens(flags []domain.Flag) []string {
	out := make([]string, len(flags))
	for i, f := range flags {
		out[i] = flagToken(f)
	}
	return out
}

// encode returns the document of a message as JSON.
func (e *Engine) encode(journal events.JournalID, doc projections.Document, c *domain.Content) ([]byte, error) {
	d := document{
		Key: keyOf(journal, doc.ID), ID: doc.ID, Journal: journal, Account: doc.Account,
		Date: doc.Date.UnixMicro(), Received: doc.InternalDate.UnixMicro(), Size: doc.Size,
		Folder: token(string(doc.Folder)), Flags: flagTokens(doc.Flags), Attachments: doc.HasAttachments,
		Subject: e.words(c.Subject), From: e.people(c.From), To: e.people(c.To), Cc: e.people(c.Cc), Bcc: e.people(c.Bcc),
	}
	for _, a := range c.Attachments {
		d.Files = e.append(d.Files, a.FileName)
	}
	for i, part := range e.body(c.Text) {
		*[]*string{&d.Body, &d.Body2, &d.Body3, &d.Body4, &d.Body5}[i] = part
	}
	out, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode message %d: %w", doc.ID, err)
	}
	return out, nil
}

// people returns the words of names and addresses, each for itself: no phrase goes from one to
// the next.
func (e *Engine) people(list []domain.Address) []string {
	var out []string
	for _, a := range list {
		out = e.append(e.append(out, a.Name), a.Addr)
	}
	return out
}

func (e *Engine) append(list []string, text string) []string {
	if words := e.words(text); words != "" {
		return append(list, words)
	}
	return list
}

// words returns the words of a short text.
func (e *Engine) words(text string) string {
	w := writer{limit: maxPositions, most: 1}
	e.write(&w, text)
	return strings.Join(w.parts(), "")
}

// body returns the words of a text, at most five parts, each as long as an attribute may be.
func (e *Engine) body(text string) []string {
	w := writer{limit: maxPositions, most: 5}
	w.part.Grow(min(len(text), 1<<20))
	e.write(&w, cut(text, maxText))
	return w.parts()
}

func (e *Engine) write(w *writer, text string) {
	for word := range e.opts.Words(text) {
		if !w.add(word.Text) {
			return
		}
	}
}

// cut returns at most n characters of a text.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for i := range text {
		if n--; n < 0 {
			return text[:i]
		}
	}
	return text
}

// writer puts words one after another, with a space between them. A run of words that are left
// out becomes a hard separator, over which no phrase goes.
type writer struct {
	limit, most int // positions of a part, parts
	part        strings.Builder
	full        []string
	positions   int
	gap         bool
}

// add takes a word. It returns false if there is no room for more.
func (w *writer) add(word string) bool {
	if isUnspaced(word) {
		w.gap = true
		return true
	}
	need := 1
	if w.gap {
		need = gapPositions
	}
	if w.positions+need > w.limit {
		if len(w.full)+1 == w.most {
			return false
		}
		w.full = append(w.full, w.part.String())
		w.part.Reset()
		w.positions, w.gap = 0, false
	}
	switch {
	case w.part.Len() == 0:
	case w.gap:
		w.part.WriteString(". ")
	default:
		w.part.WriteByte(' ')
	}
	w.part.WriteString(word)
	w.positions += need
	w.gap = false
	return true
}

func (w *writer) parts() []string {
	if w.part.Len() == 0 {
		return w.full
	}
	return append(w.full, w.part.String())
}

// unspaced are scripts that are written without spaces, or cut into parts by dictionaries in
// Meilisearch, as Hangul is.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul, unicode.Thai, unicode.Lao,
	unicode.Khmer, unicode.Myanmar, unicode.Tangut, unicode.Nushu, unicode.Khitan_Small_Script, unicode.Yi,
	unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Tham, unicode.Tai_Viet, unicode.Ahom, unicode.Javanese, unicode.Balinese,
}

// isUnspaced reports whether a word is of such a script, which its first character tells: words
// end where these scripts meet others.
func isUnspaced(word string) bool {
	r, _ := utf8.DecodeRuneInString(word)
	return r >= 0x0E00 && (r == 'ー' || r == '〆' || unicode.In(r, unspaced...))
}
