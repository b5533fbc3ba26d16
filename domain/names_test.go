package domain

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	long := Flag(strings.Repeat("x", 256))
	for name, test := range map[string]struct{ given, want []Flag }{
		"none":            {nil, []Flag{}},
		"spelling":        {[]Flag{`\SEEN`, `\flagged`, "$Junk"}, []Flag{"$Junk", FlagFlagged, FlagSeen}},
		"each once":       {[]Flag{"b", `\Seen`, "B", `\seen`, "b"}, []Flag{"B", FlagSeen}},
		"others between":  {[]Flag{"$junk", "$MDNSent", "$Junk"}, []Flag{"$Junk", "$MDNSent"}},
		"of the session":  {[]Flag{`\Recent`, `\RECENT`}, []Flag{}},
		"what is no flag": {[]Flag{"", "a\x00b", "a\nb", "\x7f", "bad\xff", long, long[1:], "é"}, []Flag{long[1:], "é"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, Flags(test.given)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			slices.Reverse(test.given)
			if diff := cmp.Diff(test.want, Flags(test.given)); diff != "" {
				t.Errorf("in another order (-want +got):\n%s", diff)
			}
		})
	}
	var many []Flag
	for i := range 1000 {
		many = append(many, Flag(fmt.Sprintf("flag%04d", i)))
	}
	got := Flags(many)
	if len(got) != maxFlags/(8+3) || !slices.Equal(got, Flags(got)) {
		t.Errorf("%d of 1000 flags", len(got))
	}
}

func TestDiffFlags(t *testing.T) {
	t.Parallel()
	added, removed := DiffFlags([]Flag{FlagSeen, "$Junk", "a"}, []Flag{`\SEEN`, "b", "A"})
	if diff := cmp.Diff([][]Flag{{"b"}, {"$Junk"}}, [][]Flag{added, removed}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	added, removed = DiffFlags(nil, nil)
	if diff := cmp.Diff([][]Flag{nil, nil}, [][]Flag{added, removed}, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if HasFlag([]Flag{"$junk"}, `\Junk`) || !HasFlag([]Flag{`\sEEN`}, FlagSeen) {
		t.Error("flags compare without regard to case, and as a whole")
	}
}

func TestNormalName(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]MailboxName{
		"inbox": "INBOX", "InBoX": "INBOX", "INBOX": "INBOX", "Inbox/Work": "Inbox/Work", "INBOXES": "INBOXES", "": "", "Entwürfe": "Entwürfe",
	} {
		if got := NormalName(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func TestRoleNamed(t *testing.T) {
	t.Parallel()
	got := map[string]Role{}
	for _, word := range []string{"Sent", "Drafts", "Trash", "Spam", "Junk", "Archive", "All", "Important", "Flagged", "sent", "INBOX", ""} {
		if role := RoleNamed(word); role != "" {
			got[word] = role
		}
	}
	want := map[string]Role{
		"Sent": `\Sent`, "Drafts": `\Drafts`, "Trash": `\Trash`, "Spam": `\Junk`, "Junk": `\Junk`, "Archive": `\Archive`, "All": `\All`,
		"Important": `\Important`, "Flagged": `\Flagged`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{{"INBOX", "inbox"}, {"GRÜSSE", "grüsse"}, {"ΣΊΣΥΦΟΣ", "Σίσυφος"}, {"СПАМ", "спам"}, {"ſ", "S"}, {"K", "k"}} {
		if Fold(same[0]) != Fold(same[1]) {
			t.Errorf("%q is folded to %q, %q to %q", same[0], Fold(same[0]), same[1], Fold(same[1]))
		}
	}
	if Fold("ß") == Fold("ss") || Fold("é") == Fold("e") {
		t.Error("folding is of case, rune by rune")
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]CanonicalID{
		"<a@b.c>": "a@b.c", "a@b.c": "a@b.c", " <A@Example.ORG>\r\n": "A@example.org", "<a@B@C>": "a@B@c", "<a\r\n b@c>": "ab@c",
		"<no-at>": "no-at", "": "", "<>": "", " ": "", "<<a@b>>": "<a@b>",
	} {
		if got := Canonical(sent); got != want {
			t.Errorf("%q: got %q, want %q", sent, got, want)
		}
	}
	sum := sha256.Sum256([]byte("A@example.org"))
	if got := MsgKey("<A@EXAMPLE.org>"); got != Key(sum[:16]) || MsgKey("<a@example.org>") == got {
		t.Errorf("key %x", got)
	}
	if MsgKey("<>") != (Key{}) || MsgKey("") != (Key{}) {
		t.Error("no message-id has a key")
	}
}

// A canonical form is its own.
func FuzzCanonical(f *testing.F) {
	f.Add("<a@B.c>")
	f.Add("< a @ B >")
	f.Fuzz(func(t *testing.T, sent string) {
		if !utf8.ValidString(sent) {
			return
		}
		id := Canonical(sent)
		if strings.ContainsAny(string(id), " \t\r\n") {
			t.Errorf("%q: %q has white space", sent, id)
		}
		if MsgKey(sent) != MsgKey(string("<"+id+">")) {
			t.Errorf("%q: %q is another with brackets", sent, id)
		}
	})
}
