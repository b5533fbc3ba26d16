package lexeme

import (
	"html"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const story = `The long quiet hills of the north were seen by few, and those who saw them kept what they knew.

> Zoë served Crème brûlée at the café, said the order. It will be
> served again, with pineapples, on the 3rd of May at noon sharp.

Nothing more was heard for years; the winters went by, one very much like another, until somebody came down the road with a cart.
There was pineapple on it and the whole town gathered to see what had come over those long quiet hills from the other side.`

func TestHighlight(t *testing.T) {
	t.Parallel()
	phrase := func(s string) Term { return Query(s, true) }
	word := func(s string) Term { return Query(s, false) }
	for _, c := range []struct {
		name, text string
		terms      []Term
		marks      Marks
		want       []string
	}{
		{"no match", story, []Term{word("banana")}, Marks{}, nil},
		{"no terms", story, nil, Marks{}, nil},
		{"empty term", story, []Term{word("--")}, Marks{}, nil},
		{"no text", "", []Term{word("banana")}, Marks{}, nil},
		{"all of a short text", " Crème\n brûlée ", []Term{word("creme")}, Marks{}, []string{"[Crème] brûlée"}},
		{"both ends cut", story, []Term{word("order")}, Marks{Around: 20}, []string{"…the café, said the [order]. It will be >…"}},
		{"prefix marks the word", story, []Term{word("pineap")}, Marks{Around: 15}, []string{"…again, with [pineapples], on the 3rd of…", "…There was [pineapple] on it and the…"}},
		{"short words are whole", "or orders or", []Term{word("or")}, Marks{}, []string{"[or] orders [or]"}},
		{"a phrase marks its words", story, []Term{phrase("order it will be served")}, Marks{Around: 8}, []string{"…aid the [order]. [It] [will] [be] > [served] again,…"}},
		{"a phrase that does not occur", story, []Term{phrase("will it be")}, Marks{}, nil},
		{"overlapping phrases", "a b c d", []Term{phrase("a b c"), phrase("b c d")}, Marks{}, []string{"[a] [b] [c] [d]"}},
		{"repeated words", "a a b a a a b", []Term{phrase("a a b")}, Marks{}, []string{"[a] [a] [b] a [a] [a] [b]"}},
		{"address", "to orders@shop.example now", []Term{word("orders@shop")}, Marks{}, []string{"to [orders]@[shop].example now"}},
		{"one pair", "次の会議の資料です", []Term{word("会議")}, Marks{}, []string{"次の[会議]の資料です"}},
		{"a run", "次の会議の資料です", []Term{phrase("会議の資料")}, Marks{}, []string{"次の[会議の資料]です"}},
		{"one character", "次の会議の資料", []Term{word("議")}, Marks{}, []string{"次の会[議]の資料"}},
		{"the last character", "次の会議", []Term{word("議")}, Marks{}, []string{"次の会[議]"}},
		{"thai", "ภาษาไทย", []Term{word("ไทย")}, Marks{}, []string{"ภาษา[ไทย]"}},
		{"thai without the tone", "ที่นี่", []Term{word("ที")}, Marks{}, []string{"[ที่]นี่"}},
		{"korean", "새 회의자료입니다", []Term{word("자료")}, Marks{}, []string{"새 회의[자료]입니다"}},
		{"mixed scripts", "次の第3回会議", []Term{word("第3回")}, Marks{}, []string{"次の[第3回]会議"}},
		{"decomposed", "un cafe\u0301 noir", []Term{word("CAFÉ")}, Marks{}, []string{"un [cafe\u0301] noir"}},
		{"escaped", `a <b> & "foo"`, []Term{word("foo")}, Marks{Escape: html.EscapeString}, []string{"a &lt;b&gt; &amp; &#34;[foo]&#34;"}},
		{"no spaces to cut at", strings.Repeat("会", 50) + "議" + strings.Repeat("会", 50), []Term{word("議")}, Marks{Around: 3}, []string{"…会会会[議]会会会…"}},
		{"most terms win", story, []Term{word("hills"), word("cart"), word("town")}, Marks{Around: 60, Max: 1}, []string{"…much like another, until somebody came down the road with a [cart]. There was pineapple on it and the whole [town] gathered to…"}},
		{"every term is shown", story, []Term{word("the"), word("winters")}, Marks{Around: 12, Max: 2}, []string{"[The] long quiet…", "…years; [the] [winters] went by,…"}},
		{"touching fragments are one", "one two three four five six", []Term{word("two"), word("five")}, Marks{Around: 6}, []string{"one [two] three four [five] six"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.marks.Open, c.marks.Close = "[", "]"
			if diff := cmp.Diff(c.want, Highlight(c.text, c.terms, c.marks)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHighlightIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		terms []Term
	}{
		"frequent word":      {strings.Repeat("the ", 10000), []Term{Query("the", false)}},
		"frequent and rare":  {strings.Repeat("the ", 10000) + "end", []Term{Query("the", false), Query("end", false)}},
		"word without end":   {strings.Repeat("a", 100000), []Term{Query("aaaa", false)}},
		"phrase far apart":   {"foo" + strings.Repeat("-", 100000) + "bar", []Term{Query("foo bar", true)}},
		"phrase of one word": {strings.Repeat("a ", 10000), []Term{Query(strings.Repeat("a ", 900), true)}},
		"marks":              {"x" + strings.Repeat("\u0301", 10000) + " " + strings.Repeat("か\u3099\u3099", 5000), []Term{Query("x", false), Query("が", false)}},
	} {
		out := Highlight(c.text, c.terms, Marks{Open: "[", Close: "]"})
		total := 0
		for _, fragment := range out {
			total += utf8.RuneCountInString(fragment)
		}
		if len(out) == 0 || len(out) > defaultMax || total > 5000 {
			t.Errorf("%s: %d fragments of %d characters", name, len(out), total)
		}
	}
}
