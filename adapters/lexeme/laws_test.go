package lexeme

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
)

// everyRune is each character that Unicode has given a meaning, of the tens of
// thousands that are all alike some.
var everyRune = sync.OnceValue(func() (all []rune) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		alike := unicode.In(r, unicode.Unified_Ideograph, unicode.Tangut, unicode.Egyptian_Hieroglyphs) || r >= 0xAC00 && r <= 0xD7A3
		if alike && r%101 != 0 {
			continue
		}
		if unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf) {
			all = append(all, r)
		}
	}
	return all
})

func TestSpellEnds(t *testing.T) {
	t.Parallel()
	most := 0
	for _, r := range everyRune() {
		s := string(r)
		for n := 0; ; n++ {
			next := respell(s)
			if next == s {
				most = max(most, n)
				break
			}
			if s = next; n == maxSpellings {
				t.Errorf("%U has no end", r)
				break
			}
		}
	}
	if most > 3 {
		t.Errorf("a character needs %d rounds", most)
	}
}

// What an entry says is final: each character of it stands for itself.
func TestEntriesAreFinal(t *testing.T) {
	t.Parallel()
	for _, r := range everyRune() {
		p := pageOf(r)
		e := p.entries[r&0xFF]
		if e.class() == ignored {
			continue
		}
		parts := string(e.rune())
		if e.several() {
			parts = p.several[e.rune()]
		}
		if c, text := explain(r); isOneOfMany(r) && (c != packed || text != string(r)) {
			t.Errorf("%U is not as the others", r)
		}
		for _, x := range parts {
			y := pageOf(x).entries[x&0xFF]
			if y.several() || y.rune() != x {
				t.Errorf("%U has %U, which is not final", r, x)
			}
			base := y.class() == letter || y.class() == spelled || y.class() == packed
			if base && !norm.NFC.PropertiesString(string(x)).BoundaryBefore() {
				t.Errorf("%U composes with what is before it", x)
			}
		}
	}
}

// Marks that are not looked at by norm have no business with it.
func TestQuietMarks(t *testing.T) {
	t.Parallel()
	for _, r := range everyRune() {
		decomposed := []rune(norm.NFD.String(string(r)))
		if norm.NFC.String(string(decomposed)) != string(r) {
			continue
		}
		for _, x := range decomposed[1:] {
			if c := classOf(x); c == markPlain || c == markPlaced {
				t.Errorf("%U is composed with %U", r, x)
			}
		}
	}
}

// Composed, decomposed and compatible text is cut alike, and what has been cut is
// cut no further.
func TestEveryCharacter(t *testing.T) {
	t.Parallel()
	for _, r := range everyRune() {
		for _, text := range []string{string(r), "क" + string(r) + "か", "a" + string(r) + "и\u0306", "한" + string(r) + "ไ"} {
			words := wordsOf(text)
			others := []string{norm.NFD.String(text), norm.NFC.String(text)}
			if unicode.ToLower(unicode.ToUpper(r)) == r { // some capitals stand for two letters
				others = append(others, norm.NFD.String(strings.ToUpper(norm.NFC.String(text))))
			}
			for _, other := range others {
				if got := wordsOf(other); !slices.Equal(words, got) {
					t.Errorf("%U as %+q: %s", r, other, cmp.Diff(words, got))
				}
			}
			checkText(t, text)
		}
	}
}

// checkText checks what holds for every text.
func checkText(t *testing.T, text string) {
	t.Helper()
	var before int
	for w := range Words(text) {
		if w.Start < before || w.Start >= w.End || w.End > len(text) {
			t.Fatalf("%+q: octets %d to %d", text, w.Start, w.End)
		}
		before = w.Start
		if w.Text == "" || len(w.Text) > MaxWord || !utf8.ValidString(w.Text) {
			t.Fatalf("%+q: word %+q", text, w.Text)
		}
		if r, _ := utf8.DecodeRuneInString(text[w.Start:]); r == utf8.RuneError {
			t.Fatalf("%+q: a word begins inside a character", text)
		}
		if q := Query(w.Text, false); !finds(w.Text, q) || !prefixOf(w.Text, q) {
			t.Fatalf("%+q: word %+q is not found as %+q", text, w.Text, q.Words)
		}
	}
	if words := wordsOf(text); len(words) > 0 {
		if q := Query(text, true); !finds(text, q) {
			t.Fatalf("%+q is not found as %+q", text, q.Words)
		}
	}
	folded := Fold(text)
	if !utf8.ValidString(folded) || Fold(folded) != folded {
		t.Fatalf("%+q: folds to %+q, then to %+q", text, folded, Fold(folded))
	}
}

// prefixOf tells whether a query of one word matches the word.
func prefixOf(word string, q Term) bool {
	return len(q.Words) == 1 && (q.Words[0] == word || q.Prefix && strings.HasPrefix(word, q.Words[0]))
}

// alphabets of the laws: letters, and marks that follow some of them.
var alphabets = []struct {
	name, letters, marks string
}{
	{"chinese", "星期三会議資料𠮷々", "\U000E0100\u200B"},
	{"japanese", "かがハバｶﾊー会議のゝ", "\u3099\u309A"},
	{"korean", "회의자료한글ㅋㅠᄀ", "ᆨ"},
	{"thai", "ภาษไทยนเแกขำๆ", "ิีึืุู่้๊์"},
	{"lao", "ພາສາລາວຳໜ", "ິີ່້"},
	{"khmer", "ខមរកសឥ", "្ែាុំ\u200B"},
	{"burmese", "မရနကတသ", "ြ်ာ့္ု"},
	{"mixed", "会ไ한ខကか", "่ា်\u3099\u0301"},
}

// Any piece of a run, cut between characters, is found in it.
func TestAnyPartOfARunIsFound(t *testing.T) {
	t.Parallel()
	for _, a := range alphabets {
		rng := rand.New(rand.NewPCG(1, 2))
		for range 3000 {
			characters := randomCharacters(rng, []rune(a.letters), []rune(a.marks))
			from := rng.IntN(len(characters))
			to := from + 1 + rng.IntN(len(characters)-from)
			text, part := strings.Join(characters, ""), strings.Join(characters[from:to], "")
			for _, form := range []func(string) string{norm.NFC.String, norm.NFD.String} {
				if q := Query(form(part), rng.IntN(2) == 0); !finds(text, q) {
					t.Fatalf("%s: %+q is not found in %+q: %+q in %+q", a.name, part, text, q.Words, wordsOf(text))
				}
			}
			if !strings.Contains(Fold(text), Fold(part)) {
				t.Fatalf("%s: %+q does not contain %+q", a.name, Fold(text), Fold(part))
			}
		}
	}
}

func randomCharacters(rng *rand.Rand, letters, marks []rune) []string {
	out := make([]string, 1+rng.IntN(9))
	for i := range out {
		c := string(letters[rng.IntN(len(letters))])
		for rng.IntN(3) == 0 {
			c += string(marks[rng.IntN(len(marks))])
		}
		out[i] = c
	}
	return out
}

// Sixteen times a text that is made to cost time or memory costs about sixteen times as much;
// what compares each character with each costs 256 times as much. Nothing else runs beside this
// test, so that no load of the machine counts.
func TestHostileText(t *testing.T) {
	const size = 2 << 10
	fill := func(s string) func(int) string {
		return func(n int) string { return strings.Repeat(s, n/len(s)) }
	}
	after := func(first string, rest func(int) string) func(int) string {
		return func(n int) string { return first + rest(n) }
	}
	for name, text := range map[string]func(octets int) string{
		"accents":            after("a", fill("\u0301")),
		"kept marks":         after("か", fill("\u3099\u0301")),
		"marks out of order": after("क", fill("\u093c\u0951\u0323")),
		"marks alone":        fill("\u0301"),
		"no separator":       fill("a"),
		"no separator, é":    fill("aé"),
		"one run":            fill("会議"),
		"jamo":               after("ᄀ", fill("ᅡ")),
		"ligatures":          fill("\uFDFA"),
		"short words":        fill("a é "),
		"invisible":          after("a", fill("\u200B")),
		"not UTF-8":          fill("\xff"),
		"cut characters":     fill("\xe4\xbc"),
	} {
		t.Run(name, func(t *testing.T) {
			short, long := cost(t, text(size)), cost(t, text(16*size))
			if long > 64*short+50*time.Millisecond {
				t.Errorf("computed for %v, for sixteen times as much text for %v", short, long)
			}
		})
	}
}

// cost returns how long the processors work on a text, the least of three tries.
func cost(t *testing.T, text string) time.Duration {
	t.Helper()
	computed := func() time.Duration {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			t.Fatal(err)
		}
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	least := time.Hour
	for range 3 {
		n, start := 0, computed()
		for w := range Words(text) {
			n += len(w.Text)
		}
		terms := []Term{Query("a a a", true), Query("会", false), {Words: []string{"missing"}}}
		Highlight(text, terms, Marks{})
		Trigrams(text)
		least = min(least, computed()-start)
		if n > 12*len(text) {
			t.Errorf("%d octets of words in %d of text", n, len(text))
		}
	}
	return least
}
