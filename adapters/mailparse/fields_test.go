package mailparse

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	type as = []domain.Address
	tests := []struct {
		name, field string
		want        as
	}{
		{"plain", "a@b.example", as{{Addr: "a@b.example"}}},
		{"name", "Ann B <a@b.example>", as{{Name: "Ann B", Addr: "a@b.example"}}},
		{"quoted", `"Berg, Bea (Office)" <b@c>, "a \"b\" \\c" <d@e>`, as{{Name: "Berg, Bea (Office)", Addr: "b@c"}, {Name: `a "b" \c`, Addr: "d@e"}}},
		{"name with a comma, unquoted", "Doe, John <j@d>", as{{Name: "Doe, John", Addr: "j@d"}}},
		{"address, then a name", "a@b, C <d@e>", as{{Addr: "a@b"}, {Name: "C", Addr: "d@e"}}},
		{"semicolons", "a@b; c@d;", as{{Addr: "a@b"}, {Addr: "c@d"}}},
		{"no separator", "a@b c@d", as{{Addr: "a@b"}, {Addr: "c@d"}}},
		{"no separator between angles", "A <a@b> C <c@d>", as{{Name: "A", Addr: "a@b"}, {Name: "C", Addr: "c@d"}}},
		{"bare word", "MAILER-DAEMON", as{{Addr: "MAILER-DAEMON"}}},
		{"bare words", "root, a@b", as{{Addr: "root"}, {Addr: "a@b"}}},
		{"name only", "Nobody in Particular", as{{Name: "Nobody in Particular"}}},
		{"empty", " , ;", nil},
		{"null", "<>", nil},
		{"name and null", "Mail System <>", as{{Name: "Mail System"}}},
		{"group", "Team: a@b, C <c@d>;, e@f", as{{Addr: "a@b"}, {Name: "C", Addr: "c@d"}, {Addr: "e@f"}}},
		{"empty group", "undisclosed-recipients:;", nil},
		{"quoted group", `"The Team": a@b;`, as{{Addr: "a@b"}}},
		{"name behind", "<a@b> Ann", as{{Name: "Ann", Addr: "a@b"}}},
		{"comments", "(x) Ann (y (z)) <a@b> (q), c@d (D E)", as{{Name: "Ann", Addr: "a@b"}, {Addr: "c@d"}}},
		{"comments inside", "<pete(his)@silly.test(host)>", as{{Addr: "pete@silly.test"}}},
		{"unclosed comment", "Ann (x <a@b>, c@d", as{{Name: "Ann (x", Addr: "a@b"}, {Addr: "c@d"}}},
		{"unclosed quote", `"Ann <a@b>, c@d`, as{{Name: "Ann", Addr: "a@b"}, {Addr: "c@d"}}},
		{"unclosed angle", "Ann <a@b, C <c@d>", as{{Name: "Ann", Addr: "a@b"}, {Name: "C", Addr: "c@d"}}},
		{"double angle", "Ann <<a@b>>", as{{Name: "Ann", Addr: "a@b"}}},
		{"raw latin-1", "J\xfcrgen <j@b>", as{{Name: "Jürgen", Addr: "j@b"}}},
		{"raw utf-8", "Jürgen <jürgen@exämple.com>", as{{Name: "Jürgen", Addr: "jürgen@exämple.com"}}},
		{"encoded", "=?koi8-r?B?8NLJ18XU?= <p@b>", as{{Name: "Привет", Addr: "p@b"}}},
		{"encoded in quotes", `"=?utf-8?Q?Gr=C3=BC=C3=9Fe?= x" <p@b>`, as{{Name: "Grüße x", Addr: "p@b"}}},
		{"encoded, two words", "=?utf-8?B?w6Q=?= =?utf-8?B?w7Y=?= <p@b>", as{{Name: "äö", Addr: "p@b"}}},
		{"encoded with a comma", "=?utf-8?Q?Doe,_J=C3=BC?= <p@b>", as{{Name: "Doe, Jü", Addr: "p@b"}}},
		{"encoded comma", "=?utf-8?Q?Doe=2C_J?= <p@b>", as{{Name: "Doe, J", Addr: "p@b"}}},
		{"encoded, then angle", "=?utf-8?Q?J=C3=BC?=<p@b>", as{{Name: "Jü", Addr: "p@b"}}},
		{"encoded address", "=?utf-8?Q?a=40b?=", as{{Addr: "a@b"}}},
		{"encoded whole", "=?utf-8?Q?Ann_=3Ca=40b=3E?=", as{{Name: "Ann", Addr: "a@b"}}},
		{"unknown charset in one", "=?x-no?Q?a?= <b@c>, D <d@e>", as{{Name: "a", Addr: "b@c"}, {Name: "D", Addr: "d@e"}}},
		{"address as a name", "a@b <a@b>", as{{Name: "a@b", Addr: "a@b"}}},
		{"route", "<@x,@y:a@b>", as{{Addr: "a@b"}}},
		{"spaces", "Ann < a @ b >, c @ d . e", as{{Name: "Ann", Addr: "a@b"}, {Addr: "c@d.e"}}},
		{"word before an address", "<sender a@b>", as{{Addr: "a@b"}}},
		{"dots apart", "<a@b . c>, <a . b@c>", as{{Addr: "a@b.c"}, {Addr: "a.b@c"}}},
		{"quoted local part", `"a b"@c, <"d e"@f>`, as{{Addr: `"a b"@c`}, {Addr: `"d e"@f`}}},
		{"domain literal", "a@[IPv6:::1], <b@[1.2.3.4]>", as{{Addr: "a@[IPv6:::1]"}, {Addr: "b@[1.2.3.4]"}}},
		{"mailto", "<mailto:a@b>", as{{Addr: "a@b"}}},
		{"single quotes", "'a@b' <a@b>", as{{Name: "'a@b'", Addr: "a@b"}}},
		{"folded", "Ann\r\n B <a@b>,\r\n\tc@d", as{{Name: "Ann B", Addr: "a@b"}, {Addr: "c@d"}}},
		{"controls", "An\x07n <a\x00@b>", as{{Name: "Ann", Addr: "a@b"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := parse(t, "From: "+test.field+"\r\n\r\n")
			if diff := cmp.Diff(test.want, c.From); diff != "" {
				t.Errorf("%s", diff)
			}
		})
	}
	if c := parse(t, "To: Undisclosed Recipients\nCc: a@b\nCc: c@d\n\n"); c.To != nil || len(c.Cc) != 2 {
		t.Errorf("to %v, cc %v", c.To, c.Cc)
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	tests := []struct{ field, want string }{
		{"Sat, 1 Mar 2025 09:06:56 +0100", "2025-03-01T08:06:56Z"},
		{"1 Mar 2025 09:06 -0030", "2025-03-01T09:36:00Z"},
		{"Thu, 6 Mar 25 01:02:03 EST", "2025-03-06T06:02:03Z"},
		{"Thu, 6 Mar 99 01:02:03 pdt", "1999-03-06T08:02:03Z"},
		{"Thu, 6 Mar 102 01:02:03 GMT", "2002-03-06T01:02:03Z"},
		{"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T15:55:06Z"},
		{"Fri,\r\n 21\r\n Nov 1997 09:55:06 -0600 (CST (x))", "1997-11-21T15:55:06Z"},
		{"Sat, 01 Mar 2025 09:06:56 GMT+0100", "2025-03-01T08:06:56Z"},
		{"Sat, 01 Mar 2025 09:06:56 +01:00", "2025-03-01T08:06:56Z"},
		{"Sat, 01 Mar 2025 09:06:56 -0800 PST", "2025-03-01T17:06:56Z"},
		{"Sat, 01 Mar 2025 09:06:56 XYZ", "2025-03-01T09:06:56Z"},
		{"Sat, 01 Mar 2025 09:06:56 A", "2025-03-01T09:06:56Z"},
		{"Sat, 01 Mar 2025 09:06:56 +9999", "2025-03-01T09:06:56Z"},
		{"Sat, 01 Mar 2025 09:06:56", "2025-03-01T09:06:56Z"},
		{"Sat Mar  1 09:06:56 2025", "2025-03-01T09:06:56Z"},
		{"Sat Mar  1 09:06:56 EST 2025", "2025-03-01T14:06:56Z"},
		{"Saturday, March 1, 2025 9:06:56 PM", "2025-03-01T21:06:56Z"},
		{"1-Mar-2025 09:06:56 +0000", "2025-03-01T09:06:56Z"},
		{"2025-03-01 10:00", "2025-03-01T10:00:00Z"},
		{"2025-03-01T10:00:00.123+01:00", "2025-03-01T09:00:00Z"},
		{"2025-03-01T10:00:00Z", "2025-03-01T10:00:00Z"},
		{"Sat, 01 Mar 2025 09.06.56 +0100", "2025-03-01T08:06:56Z"},
		{"Sat, 01 Mar 2025", "2025-03-01T00:00:00Z"},
		{"Sat, 31 Dec 2016 23:59:60 +0000", "2016-12-31T23:59:59Z"},
		{"Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59Z"},
		{"Thu, 29 Feb 2024 12:00:00 +0000", "2024-02-29T12:00:00Z"},
		{"Fri, 31 Dec 9999 23:59:59 -0100", ""},
		{"Thu, 1 Jan 1970 00:00:00 +0100", ""},
		{"Wed, 31 Dec 1969 12:00:00 +0000", ""},
		{"Wed, 29 Feb 2025 12:00:00 +0000", ""},
		{"Mon, 00 Jan 0000 00:00:00 GMT", ""},
		{"32 Foo 2025 25:61", ""},
		{"Tomorrow", ""},
		{"yesterday, after lunch", ""},
		{"1 Mar 99999999999999999999 10:00:00", ""},
		{"1 Mar 2025 24:00:00 +0000", ""},
		{"((((", ""},
	}
	for _, test := range tests {
		c := parse(t, "Date: "+test.field+"\r\n\r\n")
		got := ""
		if !c.Date.IsZero() {
			got = c.Date.Format(time.RFC3339)
		}
		if got != test.want || (got == "") != cmp.Equal(c.Defects, []string{"bad-date"}) {
			t.Errorf("%s: %q, want %q, %v", test.field, got, test.want, c.Defects)
		}
	}
}

func TestMessageIDs(t *testing.T) {
	t.Parallel()
	type ids = []string
	tests := []struct {
		field string
		want  ids
		own   string // if the field is Message-ID
	}{
		{"<a@b>", ids{"a@b"}, "a@b"},
		{"<a@b> <c@d>", ids{"a@b", "c@d"}, "a@b"},
		{"<a@b>,<c@d>\r\n\t<e@f>", ids{"a@b", "c@d", "e@f"}, "a@b"},
		{"<a@\r\n b>", ids{"a@b"}, "a@b"},
		{"<a>", ids{"a"}, "a"},
		{"<a@b@c> <a:b@c>", ids{"a@b@c", "a:b@c"}, "a@b@c"},
		{"a@b", ids{"a@b"}, "a@b"},
		{"a@b c@d", ids{"a@b", "c@d"}, "a@b"},
		{"word", nil, "word"},
		{`"a phrase" <a@b>`, ids{"a@b"}, "a@b"},
		{"Your message of Saturday <a@b> and so on", ids{"a@b"}, "a@b"},
		{"Your message of Saturday from c@d", nil, "Your"},
		{`Message from "A" <a@example.org> of "Fri..." <id@example.org>`, ids{"a@example.org", "id@example.org"}, "a@example.org"},
		{"<<a@b>>", ids{"a@b"}, "a@b"},
		{"<broken <a@b>", ids{"a@b"}, "a@b"},
		{"<a@b", ids{"a@b"}, "a@b"},
		{"<>", nil, ""},
		{"< >", nil, ""},
		{"", nil, ""},
		{"<\"a b\"@c>", ids{`"ab"@c`}, `"ab"@c`},
		{"<a\xe4@b>", ids{"aä@b"}, "aä@b"},
		{"<a\x00b@c>", ids{"ab@c"}, "ab@c"},
		{"(comment) <a@b>", ids{"a@b"}, "a@b"},
	}
	for _, test := range tests {
		c := parse(t, "Message-ID: "+test.field+"\r\nIn-Reply-To: "+test.field+"\r\nReferences: "+test.field+"\r\n\r\n")
		if !cmp.Equal(c.References, test.want) || !cmp.Equal(c.InReplyTo, test.want) || c.MsgID != test.own {
			t.Errorf("%q: %q, %q, own %q", test.field, c.References, c.InReplyTo, c.MsgID)
		}
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	tests := []struct{ field, want string }{
		{"plain", "plain"},
		{"  a\r\n  b\r\n\tc  ", "a b c"},
		{"first\r\n \r\n\t\r\n second", "first second"},
		{"a\tb", "a b"},
		{"=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?=\r\n =?UTF-8?B?IEvDtmxu?= =?iso-8859-1?Q?=2C_sch=F6n?=", "Grüße aus Köln, schön"},
		{"=?utf-8?B?ww==?= =?utf-8?B?pA==?=", "ä"},
		{"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=", "ä"},
		{"=?utf-8*en?q?a=20b?=", "a b"},
		{"=?utf-8?Q?with space?=", "with space"},
		{"=?utf-8?Q?what??=", "what?"},
		{"=?utf-8?Q??= x", "x"},
		{"=?utf-8?Q?a=0D=0AB: c=00?=", "a  B: c"},
		{"x=?utf-8?Q?=C3=A4?=y", "xäy"},
		{"=?utf-8?X?abc?= =?utf-8?Q?half", "=?utf-8?X?abc?= =?utf-8?Q?half"},
		{"=?utf-8?Q?half =?utf-8?Q?=C3=A4?=", "=?utf-8?Q?half ä"},
		{"=?utf-8?Q?=ZZ=4?=", "=ZZ=4"},
		{"=?iso-2022-jp?B?GyRCMnE1RBsoQg==?=", "会議"},
		{"\x1b$B2q5D\x1b(B", "会議"},
		{"Gr\xfc\xdfe", "Grüße"},
		{"Grüße", "Grüße"},
		{"Bell\x07 and escape\x1b[31m\x7f", "Bell and escape[31m"},
		{"\xc2\x85next", "next"},
	}
	for _, test := range tests {
		if c := parse(t, "Subject: "+test.field+"\r\n\r\n"); c.Subject != test.want {
			t.Errorf("%q: %q, want %q", test.field, c.Subject, test.want)
		}
	}
}

func TestOtherFields(t *testing.T) {
	t.Parallel()
	c := parse(t, "Thread-Index: AQHbGUID1234567890ABCDEFGHIJ=\r\nList-ID: A list <team.lists.example.org>\r\n"+
		"Delivered-To: <me@example.org>\r\nDelivered-To: other@example.org\r\n\r\n")
	if len(c.ThreadIndex) != 0 || c.ListID != "team.lists.example.org" || c.DeliveredTo != "me@example.org" {
		t.Errorf("%x %q %q", c.ThreadIndex, c.ListID, c.DeliveredTo)
	}
	c = parse(t, "Thread-Index: AQAAAAAAQUJDREVGR0hJSktMTU5PUA==\r\nList-ID: team.lists.example.org (x)\r\n\r\n")
	if string(c.ThreadIndex) != "ABCDEFGHIJKLMNOP" || c.ListID != "team.lists.example.org" {
		t.Errorf("%q %q", c.ThreadIndex, c.ListID)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := New(Options{}).Parse(ctx, []byte("Subject: kept\r\n\r\nBody.\r\n"))
	if c.Subject != "kept" || !cmp.Equal(c.Defects, []string{"deadline"}) {
		t.Errorf("%q %v", c.Subject, c.Defects)
	}
}
