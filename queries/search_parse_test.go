package queries

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
)

// searchTime is when the searches of these tests are asked.
var searchTime = time.Date(2025, 3, 31, 12, 30, 15, 0, time.UTC)

func word(value string) Text   { return Text{Value: value} }
func phrase(value string) Text { return Text{Value: value, Whole: true} }

// part is a text that is also found inside a word.
func part(in SearchField, value string) Text { return Text{In: in, Value: value, Inside: true} }

func wholly(in SearchField, value string) Text {
	return Text{In: in, Value: value, Whole: true}
}
func subject(value string) Text          { return Text{In: InSubject, Value: value} }
func receivedSince(t time.Time) Received { return Received{From: &t} }
func receivedUntil(t time.Time) Received {
	return Received{Before: &t}
}
func sizeAbove(n int64) Size { return Size{Over: &n} }
func sizeBelow(n int64) Size { return Size{Under: &n} }
func utcDay(year, month, day int) time.Time {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
}

// searchOperands are searches of one term, each operator with each kind of value.
var searchOperands = map[string]Condition{
	"pineapple": word("pineapple"), "orders@shop": word("orders@shop"), "pine*": word("pine*"), "p%apple": word("p%apple"),
	"会議の資料": word("会議の資料"), `"order. It will"`: phrase("order. It will"), `" a  b "`: phrase("a  b"), "a:b": word("a:b"),
	"http://x": word("http://x"), "nosuch:operator": word("nosuch:operator"), "or": word("or"), "--a": Not{word("-a")}, "½": word("½"),
	`"OR"`: phrase("OR"), `"(a)"`: phrase("(a)"), `"-a"`: phrase("-a"), `"from:a"`: phrase("from:a"),

	"from:shop.example": part(InFrom, "shop.example"), `from:"Bob Bauer"`: wholly(InFrom, "Bob Bauer"), "from:me": Me{InFrom}, "FROM:Me": Me{InFrom},
	`from:"me"`: wholly(InFrom, "me"), "from:<bob(x)@a.b>": part(InFrom, "<bob(x)@a.b>"), "from:from:a": part(InFrom, "from:a"), "from:-a": part(InFrom, "-a"),
	"to:bob@example.net": part(InTo, "bob@example.net"), "to:me": Me{InTo}, "cc:carol": part(InCc, "carol"), "cc:me": part(InCc, "me"), "bcc:a": part(InBcc, "a"),
	"subject:budget": subject("budget"), `subject:"budget alpha"`: wholly(InSubject, "budget alpha"), "subject:re:x": subject("re:x"),
	"deliveredto:a@b": part(InDeliveredTo, "a@b"), "list:dev@x.org": part(InList, "dev@x.org"), "filename:pdf": part(InFileName, "pdf"), "filename:.pdf": part(InFileName, ".pdf"),

	"label:Clients,-EU": InLabel{Name: "Clients,-EU"}, `label:"Clients, EU"`: InLabel{Name: "Clients, EU"}, "label:Label_218efad066ae": InLabel{Name: "Label_218efad066ae"},
	"label:INBOX": InLabel{Name: "INBOX"}, "label:UNREAD": Seen{false}, "label:starred": Flagged{true}, "label:Spam": InLabel{"Spam", domain.RoleJunk},
	"label:important": InLabel{"important", domain.RoleImportant}, "label:archive": InLabel{Name: "archive"}, "label:anywhere": InLabel{Name: "anywhere"},
	"in:inbox": InLabel{Name: "inbox"}, "in:sent": InLabel{"sent", domain.RoleSent}, "in:draft": InLabel{"draft", domain.RoleDrafts}, "in:Drafts": InLabel{"Drafts", domain.RoleDrafts},
	"in:trash": InLabel{"trash", domain.RoleTrash}, "in:spam": InLabel{"spam", domain.RoleJunk}, "in:archive": InLabel{"archive", domain.RoleArchive},
	"in:anywhere": InLabel{Role: domain.RoleAll}, "in:work": InLabel{Name: "work"}, "in:%": InLabel{Name: "%"},

	"is:unread": Seen{false}, "is:read": Seen{true}, "is:starred": Flagged{true}, "is:IMPORTANT": InLabel{Role: domain.RoleImportant}, "is:odd": word("is:odd"),
	"has:attachment": HasAttachments{}, "has:userlabels": UserLabels{true}, "has:nouserlabels": UserLabels{false}, "has:odd": word("has:odd"), "has:star": word("has:star"),

	"larger:10": sizeAbove(10), "larger:60K": sizeAbove(61440), "size:61440": sizeAbove(61440), "smaller:10k": sizeBelow(10240), "larger:1M": sizeAbove(1 << 20), "larger:0": sizeAbove(0),
	"larger:9999999999999999999": sizeAbove(math.MaxInt64), "larger:9223372036854775807M": sizeAbove(math.MaxInt64 >> 20 << 20),
	"larger:x": word("larger:x"), "larger:K": word("larger:K"), "larger:-1": word("larger:-1"), "larger:+1": word("larger:+1"), "larger:1.5M": word("larger:1.5M"), "larger:1KB": word("larger:1KB"),

	"after:2025/01/02": receivedSince(utcDay(2025, 1, 2)), "newer:2025-01-02": receivedSince(utcDay(2025, 1, 2)), "before:2025/3/2": receivedUntil(utcDay(2025, 3, 2)), "older:1733385600": receivedUntil(time.Unix(1733385600, 0).UTC()),
	`after:"2025/01/02"`: receivedSince(utcDay(2025, 1, 2)), "after:99999999999999999999": receivedSince(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)), "after:0": receivedSince(utcDay(1970, 1, 1)),
	"after:never": word("after:never"), "after:2025/02/30": word("after:2025/02/30"), "after:2025/01-02": word("after:2025/01-02"), "after:0000/01/01": word("after:0000/01/01"), "before:-5": word("before:-5"),
	"newer_than:2h": receivedSince(searchTime.Add(-2 * time.Hour)), "newer_than:1d": receivedSince(searchTime.AddDate(0, 0, -1)), "older_than:2w": receivedUntil(searchTime.AddDate(0, 0, -14)),
	"older_than:1m": receivedUntil(time.Date(2025, 2, 28, 12, 30, 15, 0, time.UTC)), "newer_than:13m": receivedSince(time.Date(2024, 2, 29, 12, 30, 15, 0, time.UTC)),
	"older_than:1y": receivedUntil(searchTime.AddDate(-1, 0, 0)), "older_than:99999999999999999999y": receivedUntil(utcDay(1, 1, 1)), "newer_than:0d": receivedSince(searchTime),
	"newer_than:2": word("newer_than:2"), "newer_than:d": word("newer_than:d"), "newer_than:2q": word("newer_than:2q"), "older_than:é": word("older_than:é"),

	"rfc822msgid:beta-root@corpus.example": MsgID{"beta-root@corpus.example"}, "rfc822msgid:<beta-root@corpus.example>": MsgID{"beta-root@corpus.example"},
	"rfc822msgid:<{A-(1)}@x>": MsgID{"{A-(1)}@x"}, `rfc822msgid:"<a b@x>"`: MsgID{"a b@x"},
	"thread:thread-17": InThread{17}, "thread:0000000000000011": InThread{17}, "thread:17": word("thread:17"), "thread:thread-x": word("thread:thread-x"), "thread:ffffffffffffffff": word("thread:ffffffffffffffff"),
}

func TestParseSearchOperands(t *testing.T) {
	t.Parallel()
	for q, want := range searchOperands {
		if diff := cmp.Diff(want, ParseSearch(q, searchTime)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", q, diff)
		}
	}
}

// D70: known operators without a meaning here match nothing.
func TestParseSearchNothing(t *testing.T) {
	t.Parallel()
	for _, q := range []string{
		"category:primary", `category:"a b"`, "category:(a b)", "has:drive", "has:document", "has:spreadsheet", "has:presentation", "has:youtube",
		"has:yellow-star", "has:Red-Bang", "has:orange-guillemet", "has:green-check", "has:blue-info", "has:purple-question", "is:muted", "is:snoozed", "in:chats",
		"budget has:drive", "budget (is:muted -x)", "{has:drive is:muted}", "-(-has:drive)", "a -(-in:chats OR b) has:drive",
	} {
		if diff := cmp.Diff(Condition(Any{}), ParseSearch(q, searchTime)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", q, diff)
		}
	}
}

// What has nothing to search for is left out wherever it is; without anything left, every message matches.
func TestParseSearchEverything(t *testing.T) {
	t.Parallel()
	for _, q := range []string{
		"", "  ", "\t\n\u3000", `"`, `""`, `" "`, "(", ")", "-", "- -", "((((", "()", "{}", "{", "}", "(){}", "%", "*", `\`, "'; --", "-%", "-()", "-(-)",
		`subject:"`, `subject:""`, `label:""`, `label:("")`, `rfc822msgid:" "`, "from:()", "from:%", "% OR *", "-has:drive", "a OR -category:b", "\x00", "\xff",
	} {
		if got := ParseSearch(q, searchTime); got != nil {
			t.Errorf("%q: got %#v", q, got)
		}
	}
}

func TestParseSearchSyntax(t *testing.T) {
	t.Parallel()
	a, b, c, d := word("a"), word("b"), word("c"), word("d")
	for q, want := range map[string]Condition{
		"a b": All{a, b}, "a AND b": All{a, b}, "a  AND\tb AND c": All{a, b, c}, "a b OR c d": All{a, Any{b, c}, d}, "a OR b OR c": Any{a, b, c},
		"a or b": All{a, word("or"), b}, "a\u3000b\u00a0c": All{a, b, c}, "a\x00b": All{a, b},
		"(a)": a, "(a b) c": All{a, b, c}, "(a b) OR c": Any{All{a, b}, c}, "(a) OR (b)": Any{a, b}, "a OR(b c)": Any{a, All{b, c}}, "a(b)c": All{a, b, c},
		"{a b}": Any{a, b}, "{a OR b c}": Any{a, b, c}, "{a AND b}": Any{a, b}, "{a (b c)}": Any{a, All{b, c}}, "{a {b} {c d}}": Any{a, b, c, d},
		"-a": Not{a}, "a -b": All{a, Not{b}}, "a OR -b": Any{a, Not{b}}, "-(a b)": Not{All{a, b}}, "-{a b}": Not{Any{a, b}}, "-(-a)": a, `-"a b"`: Not{phrase("a b")},
		"-from:a": Not{part(InFrom, "a")}, "a - b": All{a, b}, "a-b": word("a-b"), "-(a OR -(b c))": Not{Any{a, Not{All{b, c}}}}, "-OR": Not{word("OR")},
		"a-": word("a-"), "(a -)": a, `"a"-b`: All{phrase("a"), Not{b}},

		// Values.
		"subject:(a b)": All{subject("a"), subject("b")}, "from:(a OR b)": Any{part(InFrom, "a"), part(InFrom, "b")}, `from:(me OR "b c" -d)`: All{Any{Me{InFrom}, wholly(InFrom, "b c")}, Not{part(InFrom, "d")}},
		"subject:{a b}": Any{subject("a"), subject("b")}, "subject:((a) -b)": All{subject("a"), Not{subject("b")}}, "subject:(a from:b) c": All{subject("a"), part(InFrom, "b"), c},
		"subject:(a after:never)": All{subject("a"), subject("after:never")}, "is:(unread starred)": All{Seen{false}, Flagged{true}}, "label:(a OR b)": Any{InLabel{Name: "a"}, InLabel{Name: "b"}},
		"larger:(1K x)": All{sizeAbove(1024), word("x")}, "subject:(from:(a) b)": All{part(InFrom, "a"), subject("b")}, "-from:(a b)": Not{All{part(InFrom, "a"), part(InFrom, "b")}},

		// What is no operator stays text.
		"re: a": All{word("re:"), a}, "from:": word("from:"), "from: a": All{word("from:"), a}, "(from:)": word("from:"), "from:)a": All{word("from:"), a}, "x-from:a": word("x-from:a"),
		"from::a": part(InFrom, ":a"), `after:"a b`: word(`after:"a b`), "from OR to": Any{word("from"), word("to")}, "deliveredtoo:a": word("deliveredtoo:a"),

		// Broken.
		"OR": word("OR"), "AND": word("AND"), "a OR": All{a, word("OR")}, "OR a": All{word("OR"), a}, "a AND": All{a, word("AND")}, "AND a": All{word("AND"), a}, "(a OR) b": All{a, word("OR"), b},
		"a OR OR b": All{a, Any{word("OR"), b}}, "a OR %": a, "% OR a": a, "a OR () b": All{a, b}, "a AND OR b": All{a, Any{word("AND"), b}}, "ORa ANDb": All{word("ORa"), word("ANDb")},
		`"a b`: word("a b"), `a "b (c`: All{a, word("b (c")}, `from:"a b`: part(InFrom, "a b"), `5" disk`: All{word("5"), word("disk")}, `subject:"a b`: subject("a b"),
		"(a": a, "a)": a, ")a( b": All{a, b}, "(a (b": All{a, b}, "-(a": Not{a}, "a } b": All{a, b}, "(a {b c) d": All{a, Any{b, c}, d}, "{a (b c} d": All{Any{a, All{b, c}}, d},
		"(a} b)": All{a, b}, "a\xffb": word("a\ufffdb"), "<a b": All{word("<a"), b},
	} {
		if diff := cmp.Diff(want, ParseSearch(q, searchTime)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", q, diff)
		}
	}
}

func TestParseSearchBounds(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("(", 500_000) + "a OR b" + strings.Repeat(")", 500_000) + " c"
	if diff := cmp.Diff(Condition(All{Any{word("a"), word("b")}, word("c")}), ParseSearch(deep, searchTime)); diff != "" {
		t.Errorf("deep (-want +got):\n%s", diff)
	}
	for _, many := range []string{"a ", "a OR ", "-a ", "from:a ", "(a) ", "% a * ", "is:important "} {
		if got := leaves(ParseSearch(strings.Repeat(many, 1000), searchTime)); got != maxTerms {
			t.Errorf("%q repeated: %d terms", many, got)
		}
	}
	terms := strings.Repeat("a ", maxTerms-1)
	for q, want := range map[string]Condition{"OR b c": Any{word("a"), word("b")}, "b OR c": word("b"), "(b -(c) OR d": word("b"), "-(b) c": Not{word("b")}, "% OR b c": word("b")} {
		got, _ := ParseSearch(terms+q, searchTime).(All)
		if diff := cmp.Diff(want, got[len(got)-1]); diff != "" {
			t.Errorf("a ... %s: last (-want +got):\n%s", q, diff)
		}
	}
	for _, hostile := range []string{"(", "-(", "(-{", "from:<", "from:<(", "a:", `"`, "OR ", "AND(", ")", "{)", "- ", "\xff"} {
		_ = ParseSearch(strings.Repeat(hostile, 1<<18/len(hostile)), searchTime) // in time that grows with its length
	}
}

func TestTerms(t *testing.T) {
	t.Parallel()
	for q, want := range map[string][]Text{
		"": nil, "is:read": nil, "a b": {word("a"), word("b")}, `a -b "c d" OR from:e a`: {word("a"), phrase("c d"), part(InFrom, "e")}, "-(a -b)": {word("b")}, "{a (b -c)}": {word("a"), word("b")},
	} {
		if diff := cmp.Diff(want, Terms(ParseSearch(q, searchTime))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", q, diff)
		}
	}
}

func TestTextBegins(t *testing.T) {
	t.Parallel()
	for text, want := range map[Text]bool{
		word("pin"): true, word("pi"): false, word("p*n%"): false, word("o'n"): false, word("on-a"): true, phrase("pineapple"): false, word("e\u0301a"): false, word("229"): true,
		part(InFrom, "pin"): true,
	} {
		if got := text.Begins(); got != want {
			t.Errorf("%+v: got %v", text, got)
		}
	}
}
