package adminui

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
)

// form is the fields of a request and what is wrong with them.
type form struct {
	r      *request
	Faults map[string]string // by field; "": of the whole form
}

// readForm reads the body of a form. It returns errForm if it is none.
func readForm(r *request) (*form, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("%w: %w", errForm, err)
	}
	return &form{r, map[string]string{}}, nil
}

func (f *form) fault(field, text string) {
	if f.Faults[field] == "" {
		f.Faults[field] = text
	}
}

func (f *form) ok() bool { return len(f.Faults) == 0 }

// raw returns a field as it was sent.
func (f *form) raw(field string) string { return f.r.PostForm.Get(field) }

// checked reports whether a box is.
func (f *form) checked(field string) bool { return f.raw(field) != "" }

// text reads a line of at most so many characters, without white space around it.
func (f *form) text(field string, required bool, longest int) string {
	text := strings.TrimSpace(f.raw(field))
	switch {
	case text == "" && required:
		f.fault(field, "This field is required.")
	case utf8.RuneCountInString(text) > longest:
		f.fault(field, fmt.Sprintf("At most %d characters.", longest))
	case strings.ContainsRune(text, 0) || !utf8.ValidString(text):
		f.fault(field, "This text has characters that cannot be kept.")
	}
	return text
}

// folders reads names of folders, one a line.
func (f *form) folders(field string) (out []domain.MailboxName) {
	const longest = 1000 // characters
	for line := range strings.Lines(f.raw(field)) {
		name := strings.TrimSpace(line)
		switch {
		case name == "":
		case utf8.RuneCountInString(name) > longest:
			f.fault(field, fmt.Sprintf("At most %d characters.", longest))
		case strings.ContainsRune(name, 0) || !utf8.ValidString(name):
			f.fault(field, "This text has characters that cannot be kept.")
		default:
			out = append(out, domain.MailboxName(name))
		}
	}
	return out
}

// number reads a whole number from 1 to most; an empty field is without.
func (f *form) number(field string, without, most int) int {
	text := strings.TrimSpace(f.raw(field))
	if text == "" {
		return without
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		f.fault(field, fmt.Sprintf("A number from 1 to %d.", most))
		return without
	}
	return n
}
