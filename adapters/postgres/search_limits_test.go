package postgres_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// distinct returns n different words of length letters, joined.
func distinct(n, length int, with string) string {
	var out strings.Builder
	word := make([]byte, length)
	for i := range n {
		for k, rest := length-1, i; k >= 0; k-- {
			word[k] = "abcdefghijklmnopqrstuvwxyz"[rest%26]
			rest /= 26
		}
		out.Write(word)
		out.WriteString(with)
	}
	return out.String()
}

func in(field queries.SearchField, value string) queries.Condition {
	return queries.Text{In: field, Value: value, Inside: field != queries.InSubject}
}

// TestSearchLimits stores messages beyond each limit, all in one batch: none fails, and what is within
// the limits is found.
func TestSearchLimits(t *testing.T) {
	t.Parallel()
	many := make([]domain.Address, 6_000)
	for i := range many {
		many[i] = domain.Address{Name: fmt.Sprint("Person P", i), Addr: fmt.Sprintf("p%d@example.org", i)}
	}
	numbers := func(from, to int) string {
		var out strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&out, "w%d ", i)
		}
		return out.String()
	}
	checkLimits(t, 1, map[string]large{
		"nothing":          {domain.Content{}, nil, []queries.Condition{word("a")}},
		"no words":         {domain.Content{Subject: "--", Text: "👍\x00\x1f'\\", From: []domain.Address{{}}}, nil, []queries.Condition{word("a")}},
		"quotes":           {domain.Content{Text: `it's a 'quote\' \\ of "sorts`}, []queries.Condition{word("it's"), phrase(`quote\' \\ of`), word("s")}, nil},
		"600,000 letters":  {domain.Content{Text: "begin " + strings.Repeat("été ", 149_990) + "within   " + strings.Repeat("x", 50) + " beyond"}, []queries.Condition{word("begin"), word("within")}, []queries.Condition{word("beyond")}},
		"20,000 words":     {domain.Content{Text: numbers(0, 20_000)}, []queries.Condition{word("w0"), word("w19999"), phrase("w16381 w16382")}, []queries.Condition{phrase("w16381 w19000"), phrase("w19000 w16382"), phrase("w16381 w16383")}},
		"300 times a word": {domain.Content{Text: strings.Repeat("again and ", 300) + "end"}, []queries.Condition{word("again"), phrase("again and again"), word("end")}, []queries.Condition{phrase("again again"), phrase("end again")}},
		"a long word":      {domain.Content{Text: strings.Repeat("a", 3000) + " " + strings.Repeat("é", 3000)}, []queries.Condition{word(strings.Repeat("a", 3000)), word("aaaa"), phrase(strings.Repeat("a", 2500)), word("eee")}, nil},
		"one run":          {domain.Content{Text: strings.Repeat("会議の資料", 60_000)}, []queries.Condition{word("資料会議"), word("会")}, []queries.Condition{word("議会")}},
		"many recipients":  {domain.Content{To: many, Cc: many[:10], Text: "text"}, []queries.Condition{in(queries.InTo, "p2000@exam"), word("p2000"), in(queries.InCc, "erson p9"), word("text")}, nil},
		"a long name":      {domain.Content{From: []domain.Address{{Name: "first " + distinct(200_000, 5, " ")}}, Text: "text"}, []queries.Condition{in(queries.InFrom, "irst aa"), word("first")}, nil},
		"a long subject":   {domain.Content{Subject: "first " + strings.Repeat("again ", 500_000), Text: "text"}, []queries.Condition{in(queries.InSubject, "first"), word("again")}, nil},
		"many files":       {domain.Content{Attachments: slices.Repeat([]domain.Attachment{{FileName: "file name.pdf"}}, 20_000)}, []queries.Condition{in(queries.InFileName, "ile na")}, nil},
		"a long list":      {domain.Content{ListID: strings.Repeat("a.", 1_000_000), DeliveredTo: distinct(300_000, 4, "@")}, []queries.Condition{in(queries.InList, "a.a"), in(queries.InDeliveredTo, "aaa@aaab")}, nil},
	})
}

// TestSearchLexemesBeyondLimits: a tsvector has 1 MB at most, however long its words are.
func TestSearchLexemesBeyondLimits(t *testing.T) {
	t.Parallel()
	words := func(length int) large {
		content := domain.Content{Subject: "subject", Text: distinct(600_000/(length+1), length, " ")}
		return large{content, []queries.Condition{word("subject"), phrase(strings.Repeat("a", length))}, nil}
	}
	places := domain.Content{Text: strings.Repeat(distinct(26*26, 2, " "), 290)} // 255 of each
	checkLimits(t, 12, map[string]large{
		"words of 5":  words(5),
		"many places": {places, []queries.Condition{word("aa"), phrase("az ba"), word("zz")}, nil},
	})
	checkLimits(t, math.MaxInt64, map[string]large{"words of 6": words(6), "words of 255": words(255)})
}

// large is a message beyond limits, and what finds it and does not.
type large struct {
	content     domain.Content
	found, lost []queries.Condition
}

// checkLimits stores messages in one batch, and a small one with them.
func checkLimits(t *testing.T, journal events.JournalID, messages map[string]large) {
	t.Helper()
	pool := open(t)
	schema := live(t, pool, "search", 1)
	live(t, pool, "mail", 1)
	texts := said{}
	var batch []events.Event
	ids := map[string]domain.MessageID{}
	for name, m := range messages {
		e := fetched(int64(16 * (len(ids) + 1)))
		texts.says(&e, &m.content)
		batch, ids[name] = append(batch, e), e.ID
	}
	small := fetched(1)
	texts.says(&small, &domain.Content{Text: "small"})
	foldSearch(t, pool, schema, journal, texts, recorded(1, append(batch, small)...))
	reader := postgres.NewSearchReader(pool, 1, 1, lexer)
	if got := find(t, reader, journal, word("small")); !slices.Equal(got, []domain.MessageID{1}) {
		t.Errorf("the small message: got %v", got)
	}
	for name, m := range messages {
		for _, c := range m.found {
			if got := find(t, reader, journal, c); !slices.Contains(got, ids[name]) {
				t.Errorf("%s: not found by %.100q", name, c)
			}
		}
		for _, c := range m.lost {
			if got := find(t, reader, journal, c); slices.Contains(got, ids[name]) {
				t.Errorf("%s: found by %.100q", name, c)
			}
		}
	}
	var octets int
	err := pool.QueryRow(t.Context(), `SELECT max(octet_length(array_to_string(parts, ''))) FROM `+schema+`.document`).Scan(&octets)
	if err != nil || octets > 300_000 {
		t.Errorf("%d octets of parts, error %v", octets, err)
	}
}
