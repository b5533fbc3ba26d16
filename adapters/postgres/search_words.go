package postgres

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// Lexer cuts text into words: the same for what is stored and what is asked for.
type Lexer struct {
	// Words gives the folded words of a text in order.
	Words func(text string) iter.Seq[struct {
		Text       string
		Start, End int
	}]
	// Query cuts what is asked for: words that follow one another, the last by its beginning if Prefix.
	Query func(value string, phrase bool) struct {
		Words  []string
		Prefix bool
	}
	// Trigrams gives what a value is found by when a part of it is asked for, and Pieces
	// what a value that contains a part must have; prefix: as the beginning of one.
	Trigrams func(value string) []string
	Pieces   func(part string) (pieces []string, prefix bool)
}

// The classes of lexemes. A lexeme is the journal in digits, its class and a word, so that one
// index holds all journals and a word of one is not met in another.
const (
	anyWord     = 'a'
	fromWord    = 'f'
	toWord      = 't' // To, Cc and Bcc
	ccWord      = 'c'
	bccWord     = 'b'
	subjectWord = 's'
	deliverWord = 'd'
	listWord    = 'l'
	nameWord    = 'n'
)

// shortField is a field that is also searched for parts of words.
type shortField struct {
	in    queries.SearchField
	class byte // of its words
}

// shortFields are in the order of document.parts.
var shortFields = []shortField{
	{queries.InFrom, fromWord},
	{queries.InTo, toWord},
	{queries.InCc, ccWord},
	{queries.InBcc, bccWord},
	{queries.InDeliveredTo, deliverWord},
	{queries.InList, listWord},
	{queries.InFileName, nameWord},
}

// shortClasses are the classes of words of shortFields.
var shortClasses = column(shortFields, func(f shortField) string { return string(f.class) })

// shortValues returns the values of a field of shortFields.
func shortValues(c *domain.Content, in queries.SearchField) []string {
	var people []domain.Address
	switch in {
	case queries.InFrom:
		people = c.From
	case queries.InTo:
		people = append(append(append(people, c.To...), c.Cc...), c.Bcc...)
	case queries.InCc:
		people = c.Cc
	case queries.InBcc:
		people = c.Bcc
	case queries.InDeliveredTo:
		return []string{c.DeliveredTo}
	case queries.InList:
		return []string{c.ListID}
	case queries.InFileName:
		return column(c.Attachments, func(a domain.Attachment) string { return a.FileName })
	}
	out := make([]string, 0, 2*len(people))
	for _, a := range people {
		out = append(out, a.Name, a.Addr)
	}
	return out
}

const (
	maxSearchText  = 600_000   // characters of a text that are searched
	maxVector      = 1_000_000 // octets of lexemes and positions in a document; Postgres takes 2^20 - 1
	maxPosition    = 16_383    // of a word in a document; those after it have none, and are in no phrase
	maxPositions   = 255       // of one lexeme in a document
	fieldGap       = 2         // no phrase goes from one value to the next
	maxShortOctets = 100_000   // of the subject and of each field of shortFields
)

// vector gathers the lexemes of one document. It is used again for the next.
type vector struct {
	lexer   Lexer
	journal string
	lexemes []pgtype.TSVectorLexeme // without positions if it is beyond what has one
	places  map[string]int          // of lexemes
	key     []byte                  // the lexeme that is looked for
	size    int
	next    int
}

func newVector(lexer Lexer, journal events.JournalID) *vector {
	return &vector{lexer: lexer, journal: strconv.FormatInt(int64(journal), 10), places: map[string]int{}}
}

// document takes all fields of a content and returns its parts.
func (v *vector) document(c *domain.Content) (parts []string) {
	clear(v.places)
	v.lexemes = make([]pgtype.TSVectorLexeme, 0, len(v.lexemes))
	v.size, v.next = 0, 1
	v.add(firstOctets(c.Subject, maxShortOctets), anyWord, subjectWord)
	for _, p := range shortFields {
		var lines strings.Builder
		room := maxShortOctets
		for _, value := range shortValues(c, p.in) {
			value = firstOctets(value, room)
			room -= len(value)
			line := v.short(value, p)
			if line != "" {
				lines.WriteString(line)
				lines.WriteByte('\n')
			}
		}
		parts = append(parts, lines.String())
	}
	v.add(firstRunes(c.Text, maxSearchText), anyWord)
	return parts
}

// short takes a value of a short field and returns its words, joined by spaces.
func (v *vector) short(value string, p shortField) string {
	classes := []byte{p.class}
	switch p.in { // what is searched without naming a field; Cc and Bcc are in To
	case queries.InFrom, queries.InTo, queries.InFileName:
		classes = append(classes, anyWord)
	}
	return v.add(value, classes...)
}

// add takes the words of a value in classes and returns them joined by spaces.
func (v *vector) add(value string, classes ...byte) string {
	if value == "" {
		return ""
	}
	short := len(classes) > 1 || classes[0] != anyWord
	var line strings.Builder
	for w := range v.lexer.Words(value) {
		for _, class := range classes {
			v.put(class, w.Text, v.next)
		}
		v.next++
		if short {
			if line.Len() > 0 {
				line.WriteByte(' ')
			}
			line.WriteString(w.Text)
		}
		if v.size > maxVector {
			break
		}
	}
	v.next += fieldGap
	return line.String()
}

// put adds a lexeme at a place in the document; it is dropped if the document is full.
func (v *vector) put(class byte, word string, at int) {
	v.key = append(append(append(v.key[:0], v.journal...), class), word...)
	i, ok := v.places[string(v.key)]
	if !ok {
		if v.size += len(v.key); v.size > maxVector {
			return
		}
		i = len(v.lexemes)
		key := string(v.key)
		v.places[key] = i
		v.lexemes = append(v.lexemes, pgtype.TSVectorLexeme{Word: key})
	}
	list := &v.lexemes[i].Positions
	if at > maxPosition || len(*list) >= maxPositions {
		return
	}
	more := 2
	if len(*list) == 0 {
		more += 3 // their number, at an even place
	}
	if v.size += more; v.size <= maxVector {
		*list = append(*list, pgtype.TSVectorPosition{Position: uint16(at), Weight: pgtype.TSVectorWeightD})
	}
}

// words returns the words that are searched without naming a field.
func (v *vector) words() []string {
	var out []string
	prefix := v.journal + string(anyWord)
	for i := range v.lexemes {
		if word, ok := strings.CutPrefix(v.lexemes[i].Word, prefix); ok {
			out = append(out, word)
		}
	}
	return out
}

// shortWords calls fn with each word of the short fields and the class of its field.
func (v *vector) shortWords(fn func(class byte, word string)) {
	for i := range v.lexemes {
		if rest := v.lexemes[i].Word[len(v.journal):]; slices.Contains(shortClasses, rest[:1]) {
			fn(rest[0], rest[1:])
		}
	}
}

// pieces returns the trigrams of a word of a short field.
func (v *vector) pieces(w shortWord) pgtype.TSVector {
	out := pgtype.TSVector{Valid: true}
	for _, piece := range v.lexer.Trigrams(w.word) {
		out.Lexemes = append(out.Lexemes, pgtype.TSVectorLexeme{Word: v.journal + string(w.class) + piece})
	}
	return out
}

var lexemeQuotes = strings.NewReplacer(`'`, `''`, `\`, `\\`)

func quoteLexeme(b *strings.Builder, lexeme string) {
	b.WriteByte('\'')
	_, _ = lexemeQuotes.WriteString(b, lexeme) // a Builder takes everything
	b.WriteByte('\'')
}

// firstOctets returns at most n octets of text, without breaking a character.
func firstOctets(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// firstRunes returns the first n characters of text.
func firstRunes(text string, n int) string {
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
