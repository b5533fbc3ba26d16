package httpapi

import (
	"bytes"
	"strings"
	"testing"

	"github.com/imap2api/imap2api/events/public"
)

var hardTexts = []string{
	"", "a", "plain text of more than eight octets", "line\nline\r\nline\ttab\b\f\v\x00\x1f\x7f",
	`quotes " and \ and / and ' and <b>&amp;</b>`, "exactly8", "seven77\"", "\"12345678", "1234567\\", "wärehouse größe Straße",
	"\u2028 and \u2029, but not \u2027 \u202a \u2603 \u20ac", "日本語のテキスト", "emoji 😀😀", "bad \xff utf-8 \xe2\x80", "\xe2", "\xed\xa0\x80",
	strings.Repeat("long ", 1000) + "\"", `"body_text":""`, `\"body_html\":\"\"`, "\ufffd\ue000",
}

// TestTexts compares texts and shapes with what encoding/json says.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, text := range hardTexts {
		sameText(t, text)
		for _, other := range hardTexts {
			d := emailDetailJSON{
				Subject: other, BodyText: text, BodyHTML: other, Snippet: text, Date: public.Timestamp("2025-03-04T09:30:00Z"),
				ThreadEmails: threadEmails{{Subject: text, BodyText: other}, {Sender: other, BodyHTML: text}},
			}
			for _, v := range []texts{d, d.ThreadEmails, threadEmails{}} {
				var got, want bytes.Buffer
				if err := encodeAny(&got, v); err != nil {
					t.Fatal(err)
				}
				if err := encode(&want, v); err != nil {
					t.Fatal(err)
				}
				if got.String() != want.String() {
					t.Fatalf("got\n%s\nwant\n%s", got.String(), want.String())
				}
			}
			if d.BodyText != text || d.ThreadEmails[0].BodyText != other {
				t.Fatal("the shape itself has changed")
			}
		}
	}
}

func sameText(t *testing.T, text string) {
	t.Helper()
	var want bytes.Buffer
	if err := encode(&want, text); err != nil {
		t.Fatal(err)
	}
	if got := appendText(nil, text); string(got) != want.String() {
		t.Errorf("%q: got %s, want %s", text, got, want.String())
	}
}

func FuzzAppendText(f *testing.F) {
	for _, text := range hardTexts {
		f.Add(text)
	}
	f.Fuzz(sameText)
}

// BenchmarkTexts encodes an email of 16 KB, by appendText and by encoding/json alone.
func BenchmarkTexts(b *testing.B) {
	text := strings.Repeat("Thank you for your \"order\" of today. It will leave our\nwarehouse in Köln as soon as it is packed, which takes a day.\n", 35)
	d := emailDetailJSON{BodyText: text, BodyHTML: text, ThreadEmails: threadEmails{{BodyText: text}, {BodyText: text}}}
	for name, encode := range map[string]func(*bytes.Buffer, any) error{"appendText": encodeAny, "json": encode} {
		b.Run(name, func(b *testing.B) {
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				if err := encode(&out, d); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(out.Len()))
		})
	}
}
