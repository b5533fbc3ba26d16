package main

import (
	"html"

	"github.com/imap2api/imap2api/adapters/lexeme"
	"github.com/imap2api/imap2api/queries"
)

// marker shows matches as HTML. It is a queries.Marker.
type marker struct{}

func marks(text string, terms []queries.Text, around, most int) []string {
	asked := make([]lexeme.Term, len(terms))
	for i, t := range terms {
		asked[i] = lexeme.Query(t.Value, t.Whole)
	}
	return lexeme.Highlight(text, asked, lexeme.Marks{
		Open: "<mark>", Close: "</mark>", Around: around, Max: most, Escape: html.EscapeString,
	})
}

// Whole returns all of text.
func (marker) Whole(text string, terms []queries.Text) string {
	if shown := marks(text, terms, len(text)+1, 1); len(shown) > 0 {
		return shown[0]
	}
	return html.EscapeString(text)
}

// Parts returns up to three parts of text.
func (marker) Parts(text string, terms []queries.Text) []string { return marks(text, terms, 0, 0) }
