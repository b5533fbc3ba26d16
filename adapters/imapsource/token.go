package imapsource

import (
	"bytes"
	"fmt"
	"strconv"
)

// maxDepth is how deep lists of an answer may be nested.
const maxDepth = 50

// bad returns an errSyntax that says what was expected and what is there.
func (a *answer) bad(expected string) error {
	return fmt.Errorf("%w: %s expected at %q", errSyntax, expected, a.rest[:min(len(a.rest), 30)])
}

// spaces skips spaces; servers have sent none, two and one before the end.
func (a *answer) spaces() {
	a.rest = bytes.TrimLeft(a.rest, " ")
}

// ended reports whether neither text nor a literal is left.
func (a *answer) ended() bool {
	a.spaces()
	return len(a.rest) == 0 && a.literal < 0
}

// peek returns the next octet of the text that is no space, 0 if there is none.
func (a *answer) peek() byte {
	if a.spaces(); len(a.rest) == 0 {
		return 0
	}
	return a.rest[0]
}

// accept takes an octet if it is next.
func (a *answer) accept(c byte) bool {
	if a.peek() != c {
		return false
	}
	a.rest = a.rest[1:]
	return true
}

// upTo takes octets up to one of those given, or to the end of the text.
func (a *answer) upTo(ends string) []byte {
	i := bytes.IndexAny(a.rest, ends)
	if i < 0 {
		i = len(a.rest)
	}
	word := a.rest[:i]
	a.rest = a.rest[i:]
	return word
}

// num takes a number of at most so many bits.
func (a *answer) num(bits int) (uint64, bool) {
	a.spaces()
	n := len(a.rest) - len(bytes.TrimLeft(a.rest, "0123456789"))
	v, err := strconv.ParseUint(string(a.rest[:n]), 10, bits)
	if err != nil {
		return 0, false
	}
	a.rest = a.rest[n:]
	return v, true
}

// isNext reports whether a literal is what comes next.
func (a *answer) isNext() bool {
	a.spaces()
	return len(a.rest) == 0 && a.literal >= 0
}

// quoted takes a quoted string. A backslash before anything but a quote or a backslash
// is one (names with a backslash as delimiter).
func (a *answer) quoted() ([]byte, error) {
	var out []byte
	for i := 1; i < len(a.rest); i++ {
		switch c := a.rest[i]; {
		case c == '"':
			a.rest = a.rest[i+1:]
			return out, nil
		case c == '\\' && i+1 < len(a.rest) && (a.rest[i+1] == '"' || a.rest[i+1] == '\\'):
			i++
			out = append(out, a.rest[i])
		default:
			out = append(out, c)
		}
	}
	return nil, a.bad("end of a quoted string")
}

// str takes a string or an atom; null is true for NIL.
func (a *answer) str() (value []byte, null bool, err error) {
	switch {
	case a.isNext():
		value, err = a.octets(a.literal)
	case a.peek() == '"':
		value, err = a.quoted()
	default:
		word := a.upTo(" ()\"")
		if len(word) == 0 {
			return nil, false, a.bad("string")
		}
		if bytes.EqualFold(word, []byte("NIL")) {
			return nil, true, nil
		}
		value = bytes.Clone(word)
	}
	return value, false, err
}

// skip takes a value of any form: an atom, a string or a list.
func (a *answer) skip(depth int) error {
	if !a.accept('(') {
		if a.isNext() {
			return a.skipLiteral()
		}
		_, _, err := a.str()
		return err
	}
	if depth == maxDepth {
		return a.bad("shallower list")
	}
	for !a.accept(')') {
		if a.ended() {
			return a.bad("end of a list")
		}
		if err := a.skip(depth + 1); err != nil {
			return err
		}
	}
	return nil
}
