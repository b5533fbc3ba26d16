package mailparse

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// messageIDs returns everything between angle brackets, without white space, as
// domain.Content wants it (RFC 5322 section 3.6.4, and whatever else is sent).
// Without any brackets, words with an at sign count if there are no others.
func messageIDs(v []byte) []string {
	var out []string
	for rest := v; ; {
		i := bytes.IndexByte(rest, '<')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
		end := bytes.IndexAny(rest, "<>")
		id := rest
		if end >= 0 {
			id, rest = rest[:end], rest[end:]
		}
		if end >= 0 && rest[0] == '<' {
			continue // the bracket before was none
		}
		if s := messageIDText(id); s != "" {
			out = append(out, s)
		}
		if end < 0 {
			break
		}
	}
	if out == nil && bytes.IndexByte(v, '<') < 0 {
		return bareIDs(v)
	}
	return out
}

// bareIDs returns the words of v if each has an at sign.
func bareIDs(v []byte) []string {
	words := bytes.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == ';' })
	out := make([]string, 0, len(words))
	for _, word := range words {
		if bytes.IndexByte(word, '@') <= 0 {
			return nil
		}
		out = append(out, messageIDText(word))
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// messageID returns the id of a Message-ID field: the first in brackets, or the
// first word.
func messageID(v []byte) string {
	if ids := messageIDs(v); len(ids) > 0 {
		return ids[0]
	}
	if i := bytes.IndexAny(v, "<>"); i >= 0 {
		v = bytes.Trim(v, "<> \t")
	}
	if words := bytes.Fields(v); len(words) > 0 {
		return messageIDText(words[0])
	}
	return ""
}

// messageIDText returns an id as valid text without white space.
func messageIDText(id []byte) string {
	s := cleanLine(guessText(id))
	if strings.ContainsAny(s, " \u00a0") {
		s = strings.Join(strings.Fields(s), "")
	}
	return s
}

// bracketed returns what stands in the last angle brackets of v, or all of v.
func bracketed(v []byte) string {
	if i := bytes.LastIndexByte(v, '<'); i >= 0 {
		v = v[i+1:]
		if j := bytes.IndexByte(v, '>'); j >= 0 {
			v = v[:j]
		}
	}
	return strings.TrimSpace(cleanLine(guessText(v)))
}

// listID returns the identifier of a List-Id (RFC 2919 section 3), which is in
// brackets behind a phrase, or without them the first word.
func listID(v []byte) string {
	if bytes.IndexByte(v, '<') < 0 {
		if i := bytes.IndexAny(v, " \t("); i > 0 {
			v = v[:i]
		}
	}
	return bracketed(v)
}

// threadIndex returns the GUID of a Thread-Index, octets 6 to 21 of at least 22.
// Source: MS-OXOMSG section 2.2.1.3.
func threadIndex(v []byte) []byte {
	b, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(v), nil)))
	if err != nil || len(b) < 22 {
		return nil
	}
	return b[6:22]
}
