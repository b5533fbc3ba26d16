package events

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
)

func TestSummarise(t *testing.T) {
	t.Parallel()
	internal := time.Date(2026, 1, 2, 3, 4, 5, 999, time.FixedZone("", 3600))
	c := &domain.Content{
		Subject: "Hello", From: []domain.Address{{Name: "Ann", Addr: "ann@example.org"}, {Addr: "second@example.org"}},
		To:        []domain.Address{{Addr: "a@example.org"}, {Name: "undisclosed-recipients"}, {Name: "B", Addr: "b@example.org"}},
		InReplyTo: []string{"x@y", "z@y"}, Snippet: "Text", Attachments: []domain.Attachment{{Inline: true}, {FileName: "a.pdf"}},
	}
	want := Summary{
		Subject: "Hello", Sender: "ann@example.org", SenderName: "Ann", Recipient: "a@example.org, b@example.org", InReplyTo: "x@y",
		Snippet: "Text", Date: time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC), HasAttachments: true,
	}
	if diff := cmp.Diff(want, Summarise(c, internal)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.Date, c.Attachments = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), c.Attachments[:1]
	if got := Summarise(c, internal); got.HasAttachments || !got.Date.Equal(c.Date) {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(Summary{Date: want.Date}, Summarise(&domain.Content{}, internal)); diff != "" {
		t.Errorf("of nothing (-want +got):\n%s", diff)
	}
}

// However long the texts of a message are and whatever is in them, its events can be stored.
func TestWorstCaseFits(t *testing.T) {
	t.Parallel()
	const longest = 4000 // octets of the name of a mailbox
	for _, piece := range []string{"x", `"`, `\`, "\u2028", "ü", "𝄞", "\xff", "\x01", "<", "x\u2029"} {
		long := strings.Repeat(piece, 100_000)
		var people []domain.Address
		for range 500 {
			people = append(people, domain.Address{Name: long[:1000], Addr: strings.Repeat(piece, 50)})
		}
		people[0].Addr, people[0].Name = long, long
		c := &domain.Content{
			MsgID: long, InReplyTo: []string{long}, Subject: long, From: people, To: people, Snippet: strings.Repeat(piece, 200),
		}
		var given []domain.Flag
		for i := range 5000 {
			given = append(given, domain.Flag(fmt.Sprintf("%d%s", i, strings.Repeat(`"`, i%250))))
		}
		flags := domain.Flags(given)
		name := domain.MailboxName(strings.Repeat(piece, longest/len(piece)))
		if !utf8.ValidString(piece) || piece < " " {
			name = "INBOX" // such a name is never listed
		}
		place := Place{Mailbox: math.MaxInt64, Folder: name, UIDValidity: math.MaxUint32, UID: math.MaxUint32}
		message := Message{ID: math.MaxInt64, Account: math.MaxInt64, Thread: math.MaxInt64, Place: place, MsgID: MsgIDOf(c)}
		merged := make([]domain.ThreadID, 1000)
		for i := range merged {
			merged[i] = math.MaxInt64
		}
		for _, e := range []Event{
			MessageFetched{
				Message: message, SHA256: bytes.Repeat([]byte{255}, 32), Size: math.MaxInt64, Flags: flags, ModSeq: math.MaxInt64, Merged: merged,
				Summary: Summarise(c, time.Now()), Parser: math.MaxInt32, Truncated: true, Backfill: true, //nolint:forbidigo // any time
			},
			FlagsChanged{Message: message, Added: flags, Removed: flags, Flags: flags, ModSeq: math.MaxInt64},
			MessageMoved{Message: message, From: place, Flags: flags},
		} {
			b, err := Encode(e)
			if err != nil {
				t.Errorf("of %q: %v", piece, err)
			}
			if typ, version := e.EventType(); err == nil {
				if _, err := Decode(typ, version, b); err != nil {
					t.Errorf("of %q: %v", piece, err)
				}
			}
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"aü", 2, "a"},
		{"aü", 3, "aü"},
		{"", 0, ""},
		{"a", 0, ""},
		{`a"b`, 3, `a"`},
		{`a"b`, 2, "a"},
		{"\u2028x", 6, "\u2028"},
		{"\u2028", 5, ""},
		{"\xffx", 6, "\xff"},
		{"𝄞", 3, ""},
	} {
		if got := cut(test.text, test.n); got != test.want {
			t.Errorf("%q cut to %d: got %q, want %q", test.text, test.n, got, test.want)
		}
	}
}
