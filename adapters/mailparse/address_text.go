package mailparse

import (
	"bytes"
	"strings"
)

// joinAround joins items that are one address: "a @ b" and "\"a b\"@c".
func joinAround(items []item) []item {
	out := items[:0:0]
	for i, it := range items {
		if i > 0 {
			last := &out[len(out)-1]
			at := bytes.IndexByte(last.text, '@') >= 0 && !last.quoted
			first, final := edge(it.text, 0), edge(last.text, len(last.text)-1)
			begins := first == '@' && !at || first == '.' && at
			ends := !last.quoted && (final == '@' || final == '.' && at)
			if (begins || ends) && (!it.quoted) {
				if !last.owned {
					*last = item{text: ownText(*last), space: last.space, owned: true}
				}
				last.text = append(last.text, it.text...)
				continue
			}
		}
		out = append(out, it)
	}
	return out
}

// ownText returns a copy of the text, in its quotes if it had some.
func ownText(it item) []byte {
	if it.quoted {
		return append(append([]byte{'"'}, it.text...), '"')
	}
	return bytes.Clone(it.text)
}

// edge returns the octet at i, 0 if there is none.
func edge(b []byte, i int) byte {
	if len(b) == 0 {
		return 0
	}
	return b[i]
}

// nameOf returns the words of a display name, decoded.
func nameOf(items []item) string {
	switch len(items) {
	case 0:
		return ""
	case 1:
		return oneSpace(decodeWords(items[0].text))
	}
	var b []byte
	for i, it := range items {
		if it.space && i > 0 {
			b = append(b, ' ')
		}
		b = append(b, it.text...)
	}
	return oneSpace(decodeWords(b))
}

// oneSpace collapses white space.
func oneSpace(s string) string {
	if strings.Contains(s, "  ") || strings.Contains(s, "\u00a0") {
		return strings.Join(strings.Fields(s), " ")
	}
	return s
}

// cleanAddress returns an address without a route (RFC 5322 section 4.4), without
// white space outside quotes and without marks that senders put around it.
func cleanAddress(b []byte) string {
	if bytes.IndexByte(b, '(') >= 0 {
		b = dropComments(b)
	}
	b = bytes.Trim(b, " \t'")
	if bytes.HasPrefix(b, []byte("@")) {
		if i := bytes.IndexByte(b, ':'); i > 0 {
			b = b[i+1:]
		}
	}
	if len(b) > 7 && bytes.EqualFold(b[:7], []byte("mailto:")) {
		b = b[7:]
	}
	s := decodeWords(b)
	if !strings.Contains(s, " ") {
		return s
	}
	if word := wholeAddress(strings.Fields(s)); word != "" {
		return word
	}
	quoted := false
	return strings.Map(func(r rune) rune {
		if r == '"' {
			quoted = !quoted
		}
		if r == ' ' && !quoted {
			return -1
		}
		return r
	}, s)
}

// dropComments removes comments, up to one that is not closed.
func dropComments(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for {
		i := bytes.IndexByte(b, '(')
		if i < 0 {
			break
		}
		end := skipComment(b, i)
		if end == 0 {
			break
		}
		out, b = append(out, b[:i]...), b[end:]
	}
	return append(out, b...)
}

// wholeAddress returns the one word that is an address by itself, not a piece of one
// as in "a @ b . c"; "" if there is none.
func wholeAddress(words []string) string {
	found := ""
	for i, word := range words {
		at := strings.IndexByte(word, '@')
		switch {
		case strings.Contains(word, `"`) || word[0] == '.' || strings.HasSuffix(word, ".") && i+1 < len(words):
			return ""
		case at < 0:
		case at == 0 || at == len(word)-1 || found != "":
			return ""
		default:
			found = word
		}
	}
	return found
}
