package adaptertest

import (
	"testing"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

type ids = []domain.MessageID

// languageCases are searches in the words of people. Those that are marked every engine answers.
var languageCases = []struct {
	q     string
	want  ids
	every bool
}{
	// Words, by their beginning from three letters on.
	{"pineapples", ids{1}, true},
	{"pine", ids{9, 1}, true},
	{"PINE", ids{9, 1}, true},
	{"pine*", ids{9, 1}, true},
	{"pin", ids{9, 1}, true},
	{"pi", nil, true},
	{"apples", nil, true},
	{"re", ids{8, 2}, true},
	{"4711", ids{1}, true},
	{"47", nil, true},
	{"Orders", ids{9, 1}, true},
	{"nowhere", nil, true},
	// In every field.
	{"confirmed", ids{1}, true},
	{"lee", ids{1}, true},
	{"bob", ids{2, 1}, true},
	{"carla", ids{2}, true},
	{"hidden", ids{6}, true},
	{"invoice", ids{6}, true},
	{"docx", ids{6}, true},
	{"york", ids{6}, true},
	{"stop", ids{8}, true},
	// Accents and case.
	{"grusse", ids{2}, true},
	{"GRÜSSE", ids{2}, true},
	{"Grüße", ids{2}, true},
	{"gru\u0308sse", ids{2}, true},
	{"koln", ids{2}, true},
	{"strasse", ids{2}, true},
	{"nass", ids{2}, true},
	{"cafe", ids{2}, true},
	{"muller", ids{2}, true},
	{"märz", ids{6}, true},
	{"marz", ids{6}, true},
	// Scripts without spaces: a run wherever it occurs.
	{"订单", ids{3}, false},
	{"清华", ids{3}, false},
	{"华大", ids{3}, false},
	{"单", ids{3}, false},
	{"清华大学", ids{3}, false},
	{"大清", nil, false},
	{"会议", ids{3}, false},
	{"王", ids{3}, false},
	{"กิน", ids{4}, false},
	{"ปลาที่", ids{4}, false},
	{"勉強", ids{5}, false},
	{"学校", ids{5}, false},
	{"します", ids{5}, false},
	{"학교", ids{10}, false},
	{"학교에서", ids{10}, false},
	// Phrases, whole and in one field.
	{`"new york"`, ids{6}, true},
	{`"york new"`, ids{6}, true},
	{`"new new"`, ids{6}, true},
	{`"NEW YORK"`, ids{6}, true},
	{`"brown fox"`, ids{8, 7}, true},
	{`"fox quick"`, ids{7}, true},
	{`"quick fox"`, nil, true},
	{`"quick brown fox"`, ids{8}, false},
	{`"new yor"`, nil, true},
	{`"pine"`, nil, true},
	{`"pines"`, ids{9}, true},
	{`"confirmed thank"`, nil, true},
	{`"lee ann"`, nil, true},
	{`"ann lee"`, ids{1}, true},
	{`"the"`, ids{8}, true},
	// Punctuation joins.
	{"orders.shop", ids{9, 1}, false},
	{"ann.lee@ord", ids{1}, false},
	{"don't", ids{8}, false},
	{"re-ent", ids{8}, false},
	{"foo_bar", ids{8}, false},
	{"foo_bart", nil, false},
	{"10:30", ids{8}, false},
	{"invoice-2025", ids{6}, false},
	// Several.
	{"order confirmed", ids{1}, false},
	{"tomor purch", ids{1}, false},
	{"purchase nowhere", nil, false},
	{`"new york" times`, ids{6}, true},
	{`"fox" "brown dog" stop`, nil, true},
	{`re quick`, ids{8}, true},
	{"pineapples OR köln", ids{2, 1}, false},
	{"{stop york}", ids{8, 6}, false},
	{"quick -dog", ids{8}, false},
	{`quick -"brown fox"`, nil, false},
	{"-quick pine", ids{9, 1}, false},
	{"(quick OR pine) -fox", ids{9, 1}, false},
	// Operators.
	{"subject:order", ids{9, 1}, false},
	{"subject:(quick fox)", ids{8}, false},
	{"from:ann", ids{1}, false},
	{"from:rders.sh", ids{1}, false},
	{"to:bob", ids{2, 1}, false},
	{"to:hidden", ids{6}, false},
	{"cc:carla", ids{2}, false},
	{"cc:bob", nil, false},
	{"bcc:hidden", ids{6}, false},
	{"filename:pdf", ids{6}, false},
	{"filename:voice", ids{6}, false},
	{"-from:ann pine", ids{9}, false},
	{"has:attachment", ids{6}, true},
	{"is:starred", ids{2}, true},
	{"is:read", ids{2, 1}, true},
	{"is:unread pine", ids{9}, true},
	{"larger:1M", ids{6}, true},
	{"larger:2999 smaller:3001", ids{9, 8, 7}, true},
	{"smaller:501", ids{10}, true},
	{"after:2025/06/11", ids{10}, true},
	{"after:2025-06-10 pine", ids{9}, true},
	{"before:2025-06-03", ids{1}, true},
	{"before:2025-06-03 OR larger:1M", ids{6, 1}, true},
	{"-is:read -larger:2500", ids{10, 5, 4, 3}, true},
	{"(is:starred OR has:attachment) -larger:1M", ids{2}, true},
	{"new york is:starred", nil, false},
	{"newer_than:20d", ids{10, 9}, true},
}

func testLanguage(t *testing.T, e Engine) {
	index(t, e, journal, corpus()...)
	left := 0
	for _, c := range languageCases {
		t.Run(c.q, func(t *testing.T) {
			f := word(journal, c.q)
			switch {
			case c.every:
				must(t, e, f, c.want...)
			case !find(t, e, f, c.want...):
				left++
			}
		})
	}
	t.Logf("%d of %d searches are left to another engine", left, len(languageCases))
}

func testFilters(t *testing.T, e Engine) {
	index(t, e, journal, corpus()...)
	yes, no := true, false
	at := func(t time.Time) *time.Time { return &t }
	folders := func(names ...domain.MailboxName) []domain.MailboxName {
		return append([]domain.MailboxName{}, names...)
	}
	for name, c := range map[string]struct {
		f    queries.MessageFilter
		want ids
	}{
		"all":                 {queries.MessageFilter{}, ids{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}},
		"folder":              {queries.MessageFilter{Folders: folders("Work")}, ids{6}},
		"folder, other case":  {queries.MessageFilter{Folders: folders("work")}, ids{7}},
		"folder, odd name":    {queries.MessageFilter{Folders: folders("Archive/2025")}, ids{2}},
		"folder, not there":   {queries.MessageFilter{Folders: folders(`a" OR journal = 1`, `\Seen`, "'")}, nil},
		"folders":             {queries.MessageFilter{Folders: folders("work", "Work", "Work")}, ids{7, 6}},
		"no folders":          {queries.MessageFilter{Folders: folders()}, nil},
		"seen":                {queries.MessageFilter{Seen: &yes}, ids{2, 1}},
		"unseen":              {queries.MessageFilter{Seen: &no}, ids{10, 9, 8, 7, 6, 5, 4, 3}},
		"flagged":             {queries.MessageFilter{Flagged: &yes}, ids{2}},
		"not flagged, seen":   {queries.MessageFilter{Flagged: &no, Seen: &yes}, ids{1}},
		"attachments":         {queries.MessageFilter{Attachments: &yes}, ids{6}},
		"no attachments":      {queries.MessageFilter{Attachments: &no, Folders: folders("Work", "work")}, ids{7}},
		"from":                {queries.MessageFilter{From: at(day(9))}, ids{10, 9}},
		"after":               {queries.MessageFilter{From: at(day(9).Add(time.Microsecond))}, ids{10}},
		"to":                  {queries.MessageFilter{To: at(day(2))}, ids{2, 1}},
		"before":              {queries.MessageFilter{To: at(day(2).Add(-time.Nanosecond))}, ids{1}},
		"from and to":         {queries.MessageFilter{From: at(day(4)), To: at(day(5))}, ids{5, 4}},
		"nothing between":     {queries.MessageFilter{From: at(day(5)), To: at(day(4))}, nil},
		"accounts":            {queries.MessageFilter{Accounts: []domain.AccountID{2}}, ids{10, 9}},
		"ids":                 {queries.MessageFilter{IDs: ids{3, 9, 99}}, ids{9, 3}},
		"no ids":              {queries.MessageFilter{IDs: ids{}}, nil},
		"word and all filter": {queries.MessageFilter{Accounts: []domain.AccountID{2}, Seen: &no, From: at(day(1)), Search: queries.ParseSearch("pine", now)}, ids{9}},
		"flag in any case":    {queries.MessageFilter{Search: queries.HasFlag{Flag: "$LABEL1"}}, ids{6}},
		"flag \\draft":        {queries.MessageFilter{Search: queries.HasFlag{Flag: `\draft`}}, ids{8}},
		"not a flag":          {queries.MessageFilter{Search: queries.Not{Of: queries.Any{queries.HasFlag{Flag: "$label1"}, queries.Seen{Is: false}}}}, ids{2, 1}},
		"received, inclusive": {queries.MessageFilter{Search: queries.Received{From: at(day(10).Add(90 * time.Minute))}}, ids{10}},
		"received, exclusive": {queries.MessageFilter{Search: queries.Received{Before: at(day(1).Add(90 * time.Minute))}}, nil},
		"received, unbounded": {queries.MessageFilter{Search: queries.All{queries.Received{}, queries.OfAccounts{IDs: []domain.AccountID{2}}}}, ids{10, 9}},
		"in folders":          {queries.MessageFilter{Search: queries.InFolders{Names: folders("Work", "Archive/2025")}}, ids{6, 2}},
		"in no folders":       {queries.MessageFilter{Search: queries.InFolders{}}, nil},
		"any of nothing":      {queries.MessageFilter{Search: queries.Any{}}, nil},
		"all of nothing":      {queries.MessageFilter{Accounts: []domain.AccountID{2}, Search: queries.All{}}, ids{10, 9}},
	} {
		t.Run(name, func(t *testing.T) {
			c.f.Journal = journal
			must(t, e, c.f, c.want...)
		})
	}
}
