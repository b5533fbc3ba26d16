package imapsource

import (
	"bytes"
	"log/slog"
)

// lineType is what an answer is to the framer.
type lineType int

const (
	linePass   lineType = iota // data, may hold literals
	lineText                   // a status response: its text runs to the line end, whatever is in it
	lineSearch                 // numbers: long where a mailbox is large
	lineFetch                  // data, to be repaired
	lineNumber                 // EXISTS or EXPUNGE
	lineDrop                   // of no use here
	lineHush                   // a status response of no use here
)

// limit returns how many octets outside of literals such an answer may have.
func (t lineType) limit(maxLine int) int {
	switch t {
	case lineSearch:
		return 16 * maxLine
	case lineDrop, lineHush:
		return 1 << 30 // nothing of it is kept
	}
	return maxLine
}

// statusCodes are the codes of an untagged OK that the library must see (RFC
// 9051 section 7.1, RFC 7162 section 3.1.2).
var statusCodes = [][]byte{[]byte("[UIDNEXT "), []byte("[UIDVALIDITY "), []byte("[HIGHESTMODSEQ ")}

// classify looks at the beginning of an answer.
func classify(line []byte) lineType {
	if len(bytes.TrimSpace(line)) == 0 {
		return lineDrop
	}
	rest, untagged := bytes.CutPrefix(line, []byte("* "))
	if !untagged {
		return lineText // tagged, a continuation, or what the library must fail at
	}
	rest = bytes.TrimLeft(rest, " ")
	word, rest := cutWord(rest)
	if word[0] >= '0' && word[0] <= '9' {
		word, _ = cutWord(bytes.TrimLeft(rest, " "))
		if isWord(word, "FETCH") {
			return lineFetch
		}
		if isWord(word, "EXISTS") || isWord(word, "EXPUNGE") {
			return lineNumber
		}
		return lineDrop
	}
	switch {
	case isWord(word, "OK"):
		for _, code := range statusCodes {
			if len(rest) >= len(code) && bytes.EqualFold(rest[:len(code)], code) {
				return lineText
			}
		}
		return lineHush
	case isWord(word, "NO"), isWord(word, "BAD"), isWord(word, "BYE"):
		return lineHush // heard by listen
	case isWord(word, "SEARCH"), isWord(word, "ESEARCH"):
		return lineSearch
	case isWord(word, "LIST"), isWord(word, "STATUS"):
		return linePass
	}
	// FLAGS and CAPABILITY nobody asks for; VANISHED, ID and the like the library
	// does not know.
	return lineDrop
}

// cutWord returns the octets up to the next space or line end, never none, and
// what follows the space.
func cutWord(b []byte) (word, rest []byte) {
	i := bytes.IndexAny(b, " \r\n")
	if i < 0 {
		i = len(b)
	}
	if i == 0 {
		return []byte{' '}, nil
	}
	return b[:i], bytes.TrimPrefix(b[i:], []byte(" "))
}

// drop reports whether the library is not to see such an answer.
func (t lineType) drop() bool { return t == lineDrop || t == lineHush }

// text reports whether the answer runs to the line end, whatever is in it.
func (t lineType) text() bool { return t == lineText || t == lineHush }

func isWord(b []byte, word string) bool { return bytes.EqualFold(b, []byte(word)) }

// listen keeps what a server says to people: BYE, untagged and tagged refusals,
// alerts. The library forgets them.
func (w *wire) listen(line []byte) {
	if len(line) > 1024 {
		line = line[:1024]
	}
	first, rest := cutWord(line)
	word, _ := cutWord(rest)
	bye, alert := isWord(word, "BYE"), bytes.Contains(line, []byte("[ALERT]"))
	switch {
	case bye, isWord(word, "NO"), isWord(word, "BAD"), isWord(word, "OK") && alert:
	default:
		return
	}
	text := words(w.secret.Replace(string(rest)))
	if alert && len(first) == 1 {
		w.log.Warn("alert of the mail server", slog.String("text", text))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = text
	if bye {
		w.bye = text
	}
}
