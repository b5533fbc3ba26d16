package domain

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func boxes(delimiter string, names ...string) []Listed {
	out := make([]Listed, len(names))
	for i, n := range names {
		out[i] = Listed{Name: MailboxName(n), Delimiter: delimiter}
	}
	return out
}

// rolesOf returns the roles by the names of the mailboxes that have one.
func rolesOf(listed []Listed) map[string]Role {
	out := map[string]Role{}
	for _, l := range listed {
		if l.Role != "" {
			out[string(l.Name)] = l.Role
		}
	}
	return out
}

func TestWithRoles(t *testing.T) {
	t.Parallel()
	special := boxes("/", "INBOX", "Trash", "Odd")
	special[2].Role = RoleSent
	closed := boxes("/", "Trash", "Old/Trash")
	closed[0].NoSelect = true
	for name, test := range map[string]struct {
		listed []Listed
		want   map[string]Role
	}{
		"by name":                {boxes("/", "INBOX", "TRASH", "Junk E-mail"), map[string]Role{"TRASH": RoleTrash, "Junk E-mail": RoleJunk}},
		"any case of any tongue": {boxes("/", "GELÖSCHTE ELEMENTE", "СПАМ"), map[string]Role{"GELÖSCHTE ELEMENTE": RoleTrash, "СПАМ": RoleJunk}},
		"top level first":        {boxes("/", "Old/Trash", "Bin"), map[string]Role{"Bin": RoleTrash}},
		"one for each":           {boxes("/", "Bin", "Trash"), map[string]Role{"Bin": RoleTrash}},
		"below INBOX":            {boxes(".", "INBOX.a.Trash", "inbox.Trash"), map[string]Role{"inbox.Trash": RoleTrash}},
		"below [Gmail]":          {boxes("/", "x/Spam", "[Gmail]/Spam"), map[string]Role{"[Gmail]/Spam": RoleJunk}},
		"no hierarchy":           {boxes("", "a/Trash", "Spam"), map[string]Role{"Spam": RoleJunk}},
		"a special use is there": {special, map[string]Role{"Odd": RoleSent}},
		"cannot be opened":       {closed, map[string]Role{"Old/Trash": RoleTrash}},
		"only a part":            {boxes("/", "Trashcan", "Trash/2025"), map[string]Role{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := rolesOf(test.listed)
			if diff := cmp.Diff(test.want, rolesOf(WithRoles(test.listed))); diff != "" {
				t.Errorf("roles (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, rolesOf(test.listed)); diff != "" {
				t.Errorf("the list that was given changed:\n%s", diff)
			}
		})
	}
	for _, names := range [][]string{trashNames, junkNames} {
		for _, n := range names {
			if n != Fold(n) {
				t.Errorf("name %q is never found", n)
			}
		}
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	listed := boxes("/", "INBOX", "Sent", "[Gmail]", "[Gmail]/Trash", "[Gmail]/Spam", "[Gmail]/Starred", "[Gmail]/Important", "Clients, EU")
	listed[2].NoSelect = true
	for i, role := range map[int]Role{1: RoleSent, 3: RoleTrash, 4: RoleJunk, 5: RoleFlagged, 6: RoleImportant} {
		listed[i].Role = role
	}
	for name, test := range map[string]struct {
		selection Selection
		want      string
		missing   []string
	}{
		"all":                    {Selection{}, "Clients, EU|INBOX|Sent|[Gmail]/Spam|[Gmail]/Trash", nil},
		"all but trash and junk": {Selection{NoTrash: true}, "Clients, EU|INBOX|Sent", nil},
		"blank":                  {Selection{Names: " , ", NoTrash: true}, "Clients, EU|INBOX|Sent", nil},
		"by name":                {Selection{Names: `inbox,"Clients, EU",Nowhere`}, "Clients, EU|INBOX", []string{"Nowhere"}},
		"by special use":         {Selection{Names: "Spam,Flagged,Archive"}, "[Gmail]/Spam|[Gmail]/Starred", []string{"Archive"}},
		"junk if it is named":    {Selection{Names: "Junk,Trash", NoTrash: true}, "[Gmail]/Spam", nil},
		"trash by its own name":  {Selection{Names: "[Gmail]/Trash", NoTrash: true}, "", nil},
		"trash":                  {Selection{Names: "Trash"}, "[Gmail]/Trash", nil},
		"no mailbox":             {Selection{Names: "[Gmail]"}, "", nil},
		"another case":           {Selection{Names: "sent"}, "", []string{"sent"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			selected, missing := test.selection.Select(listed)
			var got []string
			for _, n := range slices.Sorted(maps.Keys(selected)) {
				got = append(got, string(n))
			}
			if strings.Join(got, "|") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if diff := cmp.Diff(test.missing, missing); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"": nil, " ,, ": nil, "INBOX, Sent": {"INBOX", "Sent"}, `INBOX,"Clients, EU"`: {"INBOX", "Clients, EU"},
		"a,b,a": {"a", "b"}, "inbox,INBOX,Inbox/a": {"INBOX", "Inbox/a"}, `"say ""hi""",x`: {`say "hi"`, "x"}, `a"b`: {`a"b`},
		`"a" ignored,b`: {"a", "b"}, `"open, to the end`: {"open, to the end"}, `" a ",""`: {"a"}, `"`: nil,
	} {
		if diff := cmp.Diff(want, ParseFolders(text), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	if got := FormatFolders([]string{"INBOX", "Clients, EU", `say "hi"`}); got != `INBOX,"Clients, EU","say ""hi"""` {
		t.Errorf("got %s", got)
	}
}

// A list that was read is written as what is read the same again.
func FuzzFolders(f *testing.F) {
	for _, text := range []string{"INBOX, Sent", `a,"b, c","d ""e"""`, `"`, "inbox,,", "\u00a0a\u2003,b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names := ParseFolders(text)
		written := FormatFolders(names)
		if again := ParseFolders(written); !slices.Equal(names, again) {
			t.Errorf("%q: %q is written as %q and read as %q", text, names, written, again)
		}
		if again := FormatFolders(ParseFolders(written)); again != written {
			t.Errorf("%q: written as %q, then as %q", text, written, again)
		}
	})
}
