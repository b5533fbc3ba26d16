package lexeme

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
)

func wordsOf(text string) []string {
	var out []string
	for w := range Words(text) {
		out = append(out, w.Text)
	}
	return out
}

func TestWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"punctuation only", " ...!? 👍 \t", ""},
		{"ascii", "Goes on, and ON over 2 lines", "goes on and on over 2 lines"},
		{"addresses", "Orders <orders@shop.example>", "orders orders shop example"},
		{"apostrophes of all kinds", "don't don’t donʼt", "don t don t don t"},
		{"underscore", "foo_bar-baz", "foo bar baz"},

		{"french", "CRÈME brûlée, l’été à Noël", "creme brulee l ete a noel"},
		{"german", "Maß STRAẞE Köln", "mass strasse koln"},
		{"turkish", "İSTANBUL ISTANBUL ılık ILIK", "istanbul istanbul ilik ilik"},
		{"polish", "Łódź zażółć gęślą jaźń", "lodz zazolc gesla jazn"},
		{"nordic", "smørrebrød Ångström Þór ÆSIR ðð", "smorrebrod angstrom thor aesir dd"},
		{"croatian and ligatured letters", "Đorđe ǆ Ǆ", "dorde dz dz"},
		{"vietnamese", "Nguyễn Đức Phở", "nguyen duc pho"},
		{"romanian, both commas", "ș ş ț ţ", "s s t t"},
		{"hausa", "Ɓaƙi", "baki"},
		{"long s and ligatures", "ſoft ﬁnal oﬃce ǉ", "soft final office lj"},

		{"greek", "Ἀθῆναι ΌΔΥΣΣΕΎΣ ὁδός ᾳ ΐ", "αθηναι οδυσσευσ οδοσ α ι"},
		{"russian", "ПРИВЕТ Ёлка ещё Мой МОЙ", "привет елка еще мой мой"},
		{"russian with stress", "за́мок", "замок"},
		{"ukrainian", "Їжак об’єкт №5", "іжак об єкт no 5"},
		{"georgian and armenian", "ᲗᲑᲘᲚᲘᲡᲘ Երևան ԵՐԵՒԱՆ", "თბილისი երեւան երեւան"},

		{"hebrew points", "שָׁלוֹם עֲלֵיכֶם", "שלום עליכם"},
		{"hebrew presentation forms", "שּׁ", "ש"},
		{"arabic points and tatweel", "مُحَمَّد الســـلام", "محمد السلام"},
		{"arabic hamza, ta marbuta, yeh", "أحمد إلى آخر مدرسة", "احمد الي اخر مدرسه"},
		{"persian", "می\u200Cخواهم کتاب ۱۴۰۲", "ميخواهم كتاب 1402"},
		{"arabic presentation forms", "ﻻ", "لا"},
		{"arabic ligature of four words", "ﷺ", "صلي الله عليه وسلم"},

		{"hindi", "हिन्दी में क़लम", "हिन्दी में क\u093cलम"},
		{"bengali", "কো", "কো"},
		{"tamil", "தமிழ் கொ", "தமிழ் கொ"},
		{"tibetan", "བོད་ཡིག", "བོད ཡིག"},
		{"amharic", "ሰላም፡ዓለም", "ሰላም ዓለም"},

		{"chinese", "星期三见", "星期 期三 三见 见"},
		{"one character", "会", "会"},
		{"japanese", "会議の資料。", "会議 議の の資 資料 料"},
		{"long vowel and repeat marks", "サーバー人々", "サー ーバ バー ー人 人々 々"},
		{"half-width katakana", "ｶﾞｰﾄﾞ", "ガー ード ド"},
		{"kana keep their marks", "がパ", "がパ パ"},
		{"kana, decomposed", "か\u3099は\u309A", "がぱ ぱ"},
		{"full-width", "ＡＢＣ１２３", "abc123"},
		{"script changes", "第3回AWS会議", "第 3 回 aws 会議 議"},
		{"katakana dot separates", "ジョン・ス", "ジョ ョン ン ス"},
		{"variation selector of Han", "葛\U000E0100城", "葛城 城"},
		{"compatibility ideograph and radical", "\uF9DC⼀", "隆一 一"},
		{"han beyond the first plane", "𠮷野家", "𠮷野 野家 家"},
		{"square words", "㍿日立 5㎏", "株式 式会 会社 社日 日立 立 5kg"},
		{"korean", "회의자료 준비", "회의 의자 자료 료 준비 비"},
		{"korean, decomposed", norm.NFD.String("회의자료"), "회의 의자 자료 료"},
		{"jamo alone", "ㅋㅋㅠ ﾻ", "ㅋㅋ ㅋㅠ ㅠ ㅋ"},
		{"old hangul", "ᄒᆞᆫ글", "ᄒᆞᆫ글 글"},
		{"thai", "ภาษาไทย", "ภา าษ ษา าไ ไท ทย ย"},
		{"thai marks", "ที่นี่", "ที่นี่ นี่"},
		{"thai digits", "ปี๒๕๖๗", "ปี 2567"},
		{"lao", "ພາສາ", "ພາ າສ ສາ າ"},
		{"khmer", "ខ្មែរ", "ខ្មែ មែរ រ"},
		{"khmer with zero-width spaces", "ខ្មែ\u200Bរ", "ខ្មែ មែរ រ"},
		{"burmese", "မြန်မာ", "မြန် န်မာ မာ"},

		{"soft hyphen, joiners, direction marks", "Donau\u00ADdampf fo\u200Do b\u200Ear\u200F x\uFEFFy\u2060z", "donaudampf foo bar xyz"},
		{"invisible before and behind", "\u200Bfoo\u200B", "foo"},
		{"emoji between words", "ok👍🏽yes 👨‍👩‍👧 1️⃣", "ok yes 1"},
		{"circled and fractions", "①Foo 5½ Ⅷ x² 20℃", "1 foo 5 1 2 viii x2 20 c"},
		{"trademarks", "Foo™ Bar® Baz℠", "foo bar baz"},
		{"mathematical letters", "𝐇𝐞𝐥𝐥𝐨 𝟙𝟚", "hello 12"},
		{"mark without a letter", "\u0301 \u093E ้a", "a"},
		{"not UTF-8", "foo\xffbar\xc3", "foo bar"},
		{"separators beyond ASCII", "foo—bar\u00A0baz…", "foo bar baz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(strings.Fields(c.want), wordsOf(c.text), cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOffsets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"Crème, brûlée!", "Crème|brûlée"},
		{"e\u0301te\u0301 x", "e\u0301te\u0301|x"},
		{"\u200Bfo\u00ADo\u200B.", "fo\u00ADo"},
		{"会議の", "会議|議の|の"},
		{"x会議y", "x|会議|議|y"},
		{"ｶﾞｰ", "ｶﾞｰ|ｰ"},
		{"ที่นี่", "ที่นี่|นี่"},
		{"aﷺb", "aﷺ|ﷺ|ﷺ|ﷺb"},
		{"①a", "①|a"},
	} {
		var got []string
		for w := range Words(c.text) {
			got = append(got, c.text[w.Start:w.End])
		}
		if diff := cmp.Diff(strings.Split(c.want, "|"), got); diff != "" {
			t.Errorf("%q: %s", c.text, diff)
		}
	}
}

func TestWordsStop(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a b c", "é è à", "会議の資料", "a会é", "ﷺ ﷺ"} {
		n := 0
		for range Words(text) {
			n++
			break
		}
		if n != 1 {
			t.Errorf("%q: %d words after a stop", text, n)
		}
	}
}

func TestLongWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, unit string }{
		{"ascii", "a"}, {"capitals", "A"}, {"two octets", "ж"}, {"accents", "é"}, {"marks", "क़ि"}, {"mixed", "aж"},
	} {
		long := strings.Repeat(c.unit, 300)
		words := slices.Collect(Words(long))
		if len(words) != 1 || words[0].End != len(long) {
			t.Fatalf("%s: %d words", c.name, len(words))
		}
		text := words[0].Text
		if len(text) > MaxWord || len(text) < MaxWord-3 {
			t.Errorf("%s: %d octets", c.name, len(text))
		}
		if !finds(long, Query(long, false)) || !finds(long, Query(text, true)) || !finds(norm.NFD.String(long), Query(long, true)) {
			t.Errorf("%s: not found by itself", c.name)
		}
	}
}

// The words of plain small letters take no memory, nor do letters that stay as they are.
func TestWordsDoNotAllocate(t *testing.T) {
	text := strings.Repeat("the quick brown fox 42, привет мир, 会議の資料 ", 20)
	wordsOf(text) // pages
	n := 0
	allocs := testing.AllocsPerRun(10, func() {
		for range Words(text) {
			n++
		}
	})
	if allocs > 4 { // the buffer, as it grows
		t.Errorf("%v allocations", allocs)
	}
}
