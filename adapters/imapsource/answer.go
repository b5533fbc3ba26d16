package imapsource

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errSyntax says that an answer cannot be read. The answers after it can.
var errSyntax = errors.New("answer cannot be read")

// kind is what an answer is to the framer.
type kind int

const (
	untagged kind = iota // data, which may hold literals
	status               // OK, NO, BAD, BYE, PREAUTH without a tag: runs to the line end, whatever is in it
	tagged               // the same with one
	proceed              // a continuation request
)

// answer is one logical line of a server while it is read: text, and counted
// literals in between (RFC 9051 section 4.3). Framing holds where grammar does not,
// so what cannot be read costs this answer and no other. What methods return
// of the text is valid until the next literal is read.
type answer struct {
	w       *wire
	kind    kind
	tag     string
	number  uint32 // before the word, as of EXISTS and FETCH
	word    string // in capitals, "" if there is none
	rest    []byte // of the text, as far as it is here
	literal int64  // octets of the literal that follows rest; -1: the answer ends there
	ofBody  bool   // it is the value of a body section
	used    int    // octets outside of literals so far
	limit   int    // of them
	long    []byte // the text, if the reader's buffer does not hold it
}

// unwanted is the limit of answers that nobody here knows: nothing of them is kept.
const unwanted = 1 << 30

// next reads the beginning of the next answer that is not empty.
func (w *wire) next() (*answer, error) {
	a := &w.in
	if cap(a.long) > 4*bufferSize {
		a.long = nil
	}
	for {
		*a = answer{w: w, long: a.long}
		line, err := a.line()
		if err != nil {
			return nil, err
		}
		if a.begin(line); len(bytes.TrimSpace(line)) > 0 {
			return a, nil
		}
	}
}

// begin reads tag, number and word.
func (a *answer) begin(line []byte) {
	a.rest, a.literal = line, -1
	a.tag = string(a.upTo(" "))
	a.spaces()
	switch a.tag {
	case "*":
		a.readWord()
	case "+":
		a.kind = proceed
	default:
		a.kind = tagged
	}
	if a.kind == untagged {
		a.announced()
	} else if a.kind != proceed {
		a.w.listen(string(a.rest[:min(len(a.rest), 1024)]))
	}
}

func (a *answer) readWord() {
	a.spaces()
	all := a.rest
	if n, ok := a.num(32); ok {
		a.number = uint32(n)
		a.spaces()
	}
	a.word = string(bytes.ToUpper(a.upTo(" (")))
	switch a.word {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		a.kind, a.rest = status, all
	}
}

// known reports whether the word may be that of an answer. What comes after a number is known (RFC 9051 section 9,
// message-data), so another word there has lost something; other words may be of extensions.
func (a *answer) known() bool {
	if a.number > 0 && a.word != "FETCH" && a.word != "EXPUNGE" && a.word != "RECENT" {
		return false
	}
	return a.word != "" && isASCII(a.word)
}

func isASCII(word string) bool {
	return !strings.ContainsFunc(word, func(r rune) bool { return r >= utf8.RuneSelf })
}

// line reads up to the next line end, which is left out.
func (a *answer) line() ([]byte, error) {
	a.long = a.long[:0]
	for {
		part, err := a.w.br.ReadSlice('\n')
		if a.used == 0 {
			a.limit = limitOf(part, a.w.maxLine)
		}
		if a.used += len(part); a.used > a.limit {
			return nil, a.w.fail(errLine)
		}
		switch {
		case err == nil && len(a.long) == 0:
			return trimEnd(part), nil
		case err == nil:
			a.long = append(a.long, part...)
			return trimEnd(a.long), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, a.within(err)
		}
		if a.limit == unwanted { // its word, and its end for the mark of a literal, are enough
			part, a.long = part[max(0, len(part)-64):], a.long[:0]
			a.long = append(a.long, "* X "...)
		}
		a.long = append(a.long, part...)
	}
}

// within returns what ended the reading, an end between two answers told from one inside.
func (a *answer) within(err error) error {
	if errors.Is(err, io.EOF) && a.used > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// limitOf returns how many octets outside of literals an answer may have that begins so.
func limitOf(line []byte, maxLine int) int {
	a := answer{rest: line}
	if string(a.upTo(" ")) != "*" {
		return maxLine
	}
	a.readWord()
	switch a.word {
	case "SEARCH", "ESEARCH", "VANISHED": // numbers: long where a mailbox is large
		return 16 * maxLine
	case "FETCH", "LIST", "STATUS", "OK", "NO", "BAD", "BYE", "PREAUTH", "CAPABILITY", "":
		return maxLine
	}
	return unwanted
}

// announced sees whether a literal follows the text.
func (a *answer) announced() {
	size, at, ok := literalMark(a.rest)
	if a.literal = -1; !ok {
		return
	}
	a.rest, a.literal = a.rest[:at], size
	before := bytes.TrimRight(a.rest, " ")
	a.ofBody = bytes.HasSuffix(before, []byte("]")) || bytes.HasSuffix(before, []byte(">")) || bytes.HasSuffix(bytes.ToUpper(before), []byte("RFC822"))
}

// literalMark reads the {n} at the end of a line, where a value may begin, and
// tells where it is (RFC 9051 section 9, literal and literal8).
func literalMark(line []byte) (size int64, at int, ok bool) {
	at = bytes.LastIndexByte(line, '{')
	if at < 0 || line[len(line)-1] != '}' {
		return 0, 0, false
	}
	digits := bytes.TrimSuffix(line[at+1:len(line)-1], []byte("+"))
	size, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil || size < 0 || digits[0] == '+' {
		return 0, 0, false
	}
	if at > 0 && line[at-1] == '~' {
		at--
	}
	return size, at, at > 0 && bytes.IndexByte([]byte(" (]>"), line[at-1]) >= 0
}

// octets reads the literal that comes next, all of it if it has at most want octets,
// else its first want, and goes on to the text after it.
func (a *answer) octets(want int64) ([]byte, error) {
	if !a.ofBody && a.literal > int64(a.w.maxLine) {
		return nil, a.w.fail(fmt.Errorf("literal of %d octets outside of a body: %w", a.literal, errLine))
	}
	want = min(want, a.literal)
	var out []byte
	for int64(len(out)) < want { // what a server only announces takes no memory
		size := min(want, max(4<<20, 2*int64(len(out))))
		grown := make([]byte, size)
		n := copy(grown, out)
		if _, err := io.ReadFull(a.w.br, grown[n:]); err != nil {
			return nil, a.within(err)
		}
		out = grown
	}
	a.literal -= want
	return out, a.skipLiteral()
}

// skipLiteral throws away what is left of a literal and goes on to the text after it.
func (a *answer) skipLiteral() error {
	for a.literal > 0 {
		n, err := a.w.br.Discard(int(min(a.literal, 1<<20)))
		a.literal -= int64(n)
		if err != nil {
			return a.within(err)
		}
	}
	line, err := a.line()
	if err != nil {
		return err
	}
	a.rest = line
	a.announced()
	return nil
}

// finish reads to the end of the answer.
func (a *answer) finish() error {
	if a.kind != untagged {
		return nil
	}
	for a.literal >= 0 {
		if !a.ofBody && a.limit != unwanted && a.literal > int64(a.w.maxLine) {
			return a.w.fail(fmt.Errorf("literal of %d octets outside of a body: %w", a.literal, errLine))
		}
		if err := a.skipLiteral(); err != nil {
			return err
		}
	}
	return nil
}
