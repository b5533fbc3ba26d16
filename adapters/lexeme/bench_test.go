package lexeme

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/htmlindex"
)

// shared returns a path below the directory of shared test material, which a benchmark of real
// mail cannot do without.
func shared(b *testing.B, elem ...string) string {
	b.Helper()
	root := os.Getenv("IMAP2API_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{root}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		b.Fatalf("the shared material is not there, IMAP2API_SHARED says where it is: %v", err)
	}
	return path
}

// latinMail is up to 8 MB of mail as it was sent, mostly English.
func latinMail(t *testing.B) []string {
	t.Helper()
	f, err := os.Open(shared(t, "corpora", "lists", "spamassassin-ham.maildir.tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out []string
	size := 0
	for archive := tar.NewReader(z); size < 8<<20; {
		if _, err := archive.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
		size += len(b)
	}
	return out
}

// japaneseMail is a megabyte of the text of a Japanese mail, without what else is in it.
func japaneseMail(t *testing.B) []string {
	t.Helper()
	b, err := os.ReadFile(shared(t, "corpora", "mime", "datasets-spam-assassin__00042.5b7f2a0e87c853e8c8e13d556c1320d2.eml"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := htmlindex.Get("iso-2022-jp")
	if err != nil {
		t.Fatal(err)
	}
	text, err := e.NewDecoder().String(string(b))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`.*\p{Han}{2}.*`).FindAllString(text, -1)
	one := strings.Join(lines, "\n")
	return []string{strings.Repeat(one, 1<<20/len(one)+1)}
}

func written(text string) func(*testing.B) []string {
	return func(*testing.B) []string { return []string{strings.Repeat(text, 1<<20/len(text))} }
}

var samples = []struct {
	name string
	text func(*testing.B) []string
}{
	{"latin_mail", latinMail},
	{"japanese_mail", japaneseMail},
	{"french", written("Les œufs à la crème brûlée étaient déjà servis, mais l’hôte préféra attendre la fin de l’été.\n")},
	{"russian", written("Встреча переносится на среду, ещё раз проверьте, пожалуйста, приложенные документы.\n")},
	{"arabic", written("السلام عليكم ورحمة الله وبركاته، نرجو إرسال التقرير قبل نهاية الأسبوع.\n")},
	{"hindi", written("कृपया बैठक की कार्यसूची और संलग्न दस्तावेज़ समय से पहले पढ़ लें।\n")},
	{"chinese", written("请在下周三之前确认会议资料，如有问题请直接回复本邮件，谢谢大家的配合。\n")},
	{"japanese", written("明日の会議の資料を添付しました。ご確認のうえ、コメントをお願いいたします。\n")},
	{"korean", written("내일 회의자료를 첨부하였습니다. 확인하신 후 의견을 보내 주시기 바랍니다.\n")},
	{"thai", written("กรุณาตรวจสอบเอกสารที่แนบมาก่อนการประชุมในวันพรุ่งนี้\n")},
	{"half_width", written("ｺﾚﾊﾊﾝｶｸｶﾀｶﾅﾉﾒｰﾙﾃﾞｽ ")},
}

func BenchmarkWords(b *testing.B) {
	for _, s := range samples {
		b.Run(s.name, func(b *testing.B) {
			run(b, s.text(b), func(text string) {
				n := 0
				for w := range Words(text) {
					n += len(w.Text)
				}
			})
		})
	}
}

func BenchmarkFold(b *testing.B) {
	for _, s := range samples[:2] {
		b.Run(s.name, func(b *testing.B) { run(b, s.text(b), func(text string) { Fold(text) }) })
	}
}

func BenchmarkHighlight(b *testing.B) {
	for _, s := range samples[:2] {
		terms := []Term{Query("pineapple", false), Query("nobody knows", true), Query("会议资料", false)}
		b.Run(s.name, func(b *testing.B) { run(b, s.text(b), func(text string) { Highlight(text, terms, Marks{}) }) })
	}
}

func BenchmarkTrigrams(b *testing.B) {
	value := "Re: [imap2api] Protokoll der Besprechung über Müllers Entwurf"
	run(b, []string{value}, func(text string) { Trigrams(text) })
}

// BenchmarkPages is what the first text of a script costs.
func BenchmarkPages(b *testing.B) {
	for b.Loop() {
		makePage('a' >> 8)
		makePage('会' >> 8)
		makePage('한' >> 8)
		makePage('ﷺ' >> 8)
	}
}

func run(b *testing.B, texts []string, do func(string)) {
	size := 0
	for _, text := range texts {
		do(text)
		size += len(text)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			do(text)
		}
	}
}
