package queries

import (
	"context"

	"github.com/imap2api/imap2api/domain"
)

// Highlight shows where a search has matched: HTML in which all text is escaped and the words
// that match are in <mark> elements.
type Highlight struct {
	Subject string   // all of it
	Body    []string // up to three parts of the text; white space as one space, "…" where text is left out
}

// Marker finds what texts have asked for.
type Marker interface {
	// Whole returns all of text, Parts a few parts of it that show matches; none without a match.
	Whole(text string, terms []Text) string
	Parts(text string, terms []Text) []string
}

// highlight marks the rows of a page. Words that were asked for in another field are not
// marked in a subject or a body.
func (h *ListMessagesHandler) highlight(ctx context.Context, q ListMessages, page []Message) error {
	var inSubject, inBody []Text
	for _, t := range Terms(q.Search) {
		switch t.In {
		case InAnywhere:
			inSubject, inBody = append(inSubject, t), append(inBody, t)
		case InSubject:
			inSubject = append(inSubject, t)
		}
	}
	var texts map[domain.MessageID]string
	if len(inBody) > 0 && len(page) > 0 {
		ids := make([]domain.MessageID, len(page))
		for i := range page {
			ids[i] = page[i].ID
		}
		var err error
		if texts, err = h.mail.TextsByID(ctx, q.Journal, ids); err != nil {
			return err
		}
	}
	for i := range page {
		page[i].Highlight = &Highlight{h.marker.Whole(page[i].Subject, inSubject), h.marker.Parts(texts[page[i].ID], inBody)}
	}
	return nil
}
