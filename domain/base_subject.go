package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPrefix is the length in octets of the longest word of replyPrefixes.
const maxPrefix = 24

// replyPrefixes are the words that mail programs put before the subject of a
// reply or forward, in lower case. A colon follows.
var replyPrefixes = func() map[string]bool {
	words := `re fw fwd
		aw wg antw antwort wtr doorst sv vs vb vl svar vidarebefordrat
		tr rép réf rv res enc rif r i ynt ilt atb yml bls trs odp pd odg odpověď ats
		fs vá továbbítás ответ отв пересл ha на відп απ σχετ πρθ
		回复 回覆 答复 答覆 转发 轉寄 轉發 转寄 返信 転送 回信 답장 회신 전달 رد تحويل השב הועבר תשובה ตอบ`
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = len(w) <= maxPrefix
	}
	return set
}()

// BaseSubject returns the base subject of a decoded subject as RFC 5256 section
// 2.1 extracts it, in lower case and with single spaces: without prefixes of
// replies and forwards in the languages that mail programs speak, with counters
// as in Re[2] and Re(2), without leading tags of lists and a trailing (fwd).
// Reply tells whether there was such a prefix or (fwd). It takes time linear in
// the length of the subject.
func BaseSubject(subject string) (base string, reply bool) {
	s := foldSubject(subject)
	for {
		s = cutTrailingFwd(s, &reply)
		s = cutLeaders(s, &reply)
		inner, ok := strings.CutPrefix(s, "[fwd:")
		if !ok || !strings.HasSuffix(inner, "]") {
			return s, reply
		}
		s, reply = strings.Trim(inner[:len(inner)-1], " "), true
	}
}

// foldSubject returns s in lower case, without characters that are not seen, and
// with one space in place of any white space.
func foldSubject(s string) string {
	visible := strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf && unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
	return strings.Join(strings.Fields(visible), " ")
}

func cutTrailingFwd(s string, reply *bool) string {
	for strings.HasSuffix(s, "(fwd)") {
		s, *reply = strings.TrimRight(s[:len(s)-len("(fwd)")], " "), true
	}
	return s
}

// cutLeaders removes reply prefixes and tags from the front of s. A tag that is
// all there is stays (step 4 of RFC 5256 section 2.1).
func cutLeaders(s string, reply *bool) string {
	last := "" // s before the last tag, if nothing but a tag came after the last prefix
	for {
		if n := prefixLen(s); n > 0 {
			s, last, *reply = strings.TrimLeft(s[n:], " "), "", true
			continue
		}
		n := tagLen(s)
		if n == 0 {
			break
		}
		last, s = s, strings.TrimLeft(s[n:], " ")
	}
	if s == "" {
		return last
	}
	return s
}

// tagLen returns the length of a tag such as [list] at the front of s, 0 if there is none.
func tagLen(s string) int {
	if !strings.HasPrefix(s, "[") {
		return 0
	}
	n := strings.IndexAny(s[1:], "[]")
	if n < 0 || s[1+n] == '[' {
		return 0
	}
	return n + 2
}

// prefixLen returns the length of a reply prefix at the front of s, with its
// counter and colon, 0 if there is none.
func prefixLen(s string) int {
	n := 0
	for n < len(s) && n <= maxPrefix {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !unicode.IsLetter(r) && !unicode.IsMark(r) {
			break
		}
		n += size
	}
	if !replyPrefixes[s[:n]] {
		return 0
	}
	rest := strings.TrimLeft(s[n:], " ")
	rest = strings.TrimLeft(rest[counterLen(rest):], " ")
	for _, colon := range []string{":", "："} {
		if after, ok := strings.CutPrefix(rest, colon); ok {
			return len(s) - len(after)
		}
	}
	return 0
}

// counterLen returns the length of what may stand between a prefix and its
// colon: a tag, (2), ^2, 0 if there is nothing of the kind.
func counterLen(s string) int {
	if n := tagLen(s); n > 0 {
		return n
	}
	digits := 0
	for digits+1 < len(s) && s[digits+1] >= '0' && s[digits+1] <= '9' {
		digits++
	}
	switch {
	case digits == 0:
		return 0
	case s[0] == '^':
		return digits + 1
	case s[0] == '(' && strings.HasPrefix(s[digits+1:], ")"):
		return digits + 2
	}
	return 0
}
