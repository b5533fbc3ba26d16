package mailparse

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Classes of octets for cleaning text.
const (
	plain     = iota
	carriage  // CR
	newline   // LF
	tabulator // TAB
	control   // C0 and DEL
	leadC2    // may start one of C1, U+0080 to U+009F
)

var classes = func() (c [256]byte) {
	for i := range 0x20 {
		c[i] = control
	}
	c[0x7f], c['\r'], c['\n'], c['\t'], c[0xc2] = control, carriage, newline, tabulator, leadC2
	return c
}()

// cleanBody appends valid UTF-8 to dst: line ends become LF (api.md D61), control
// characters but TAB go.
func cleanBody(dst, b []byte) []byte {
	start := 0
	for i := 0; i < len(b); i++ {
		class := classes[b[i]]
		if class == plain || class == newline || class == tabulator {
			continue
		}
		if class == leadC2 {
			if i+1 >= len(b) || b[i+1] >= 0xa0 {
				continue
			}
			dst = append(dst, b[start:i]...)
			i++
			start = i + 1
			continue
		}
		dst = append(dst, b[start:i]...)
		start = i + 1
		if class == carriage && (i+1 == len(b) || b[i+1] != '\n') {
			dst = append(dst, '\n')
		}
	}
	return append(dst, b[start:]...)
}

// cleanLine returns valid UTF-8 as one line: control characters go, but TAB and
// line ends, which part words, become spaces (api.md 4.2).
func cleanLine(b []byte) string {
	clean := true
	for _, c := range b {
		if classes[c] != plain {
			clean = false
			break
		}
	}
	if clean {
		return string(bytes.TrimSpace(b))
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch classes[b[i]] {
		case carriage, newline, tabulator:
			out = append(out, ' ')
		case control:
		case leadC2:
			if i+1 < len(b) && b[i+1] < 0xa0 {
				i++
				continue
			}
			out = append(out, b[i])
		default:
			out = append(out, b[i])
		}
	}
	return string(bytes.TrimSpace(out))
}

// snippetLength is the length of a snippet in characters (api.md 9.5).
const snippetLength = 200

// snippet returns the start of a text with its white space collapsed.
func snippet(text string) string {
	var out strings.Builder
	n, gap := 0, false
	for _, r := range text {
		if unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' {
			gap = n > 0
			continue
		}
		if gap {
			if n+1 >= snippetLength {
				break
			}
			out.WriteByte(' ')
			n++
			gap = false
		}
		if n == snippetLength {
			break
		}
		out.WriteRune(r)
		n++
	}
	return out.String()
}

// blank reports whether a text has nothing to read.
func blank(text []byte) bool {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if !unicode.IsSpace(r) && r != '\u200b' && r != '\ufeff' {
			return false
		}
		text = text[n:]
	}
	return true
}
