package queries

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// operator makes a condition of a value that is not empty: nil to leave it out, false if it cannot be read.
type operator func(operand) (Condition, bool)

// operand is a word or a phrase.
type operand struct {
	text   string
	quoted bool
	whole  bool // with both quotation marks
	now    time.Time
}

// operators are all names by which an operator is recognised (api.md section 12, D70).
var operators = map[string]operator{
	"from":        inPeople(InFrom),
	"to":          inPeople(InTo),
	"cc":          inField(InCc),
	"bcc":         inField(InBcc),
	"subject":     inField(InSubject),
	"deliveredto": inField(InDeliveredTo),
	"list":        inField(InList),
	"filename":    inField(InFileName),
	"label":       inLabel,
	"in":          inPlace,
	"is":          isState,
	"has":         hasThing,
	"larger":      sizeOver,
	"size":        sizeOver,
	"smaller":     sizeUnder,
	"after":       receivedFrom,
	"newer":       receivedFrom,
	"before":      receivedBefore,
	"older":       receivedBefore,
	"newer_than":  youngerThan,
	"older_than":  olderThan,
	"rfc822msgid": byMsgID,
	"thread":      byThread,
	"category":    func(operand) (Condition, bool) { return Any{}, true },
}

// in returns the text in a field, nil if it has no letters or digits.
func (v operand) in(where SearchField) Condition {
	if !strings.ContainsFunc(v.text, isLetter) {
		return nil
	}
	inside := !v.whole && where != InAnywhere && where != InSubject
	return Text{In: where, Value: v.text, Whole: v.whole, Inside: inside}
}

// inAnywhere reads what has no operator.
func inAnywhere(v operand) (Condition, bool) { return v.in(InAnywhere), true }

func inField(where SearchField) operator {
	return func(v operand) (Condition, bool) { return v.in(where), true }
}

func inPeople(where SearchField) operator {
	return func(v operand) (Condition, bool) {
		if !v.quoted && strings.EqualFold(v.text, "me") {
			return Me{where}, true
		}
		return v.in(where), true
	}
}

func inLabel(v operand) (Condition, bool) {
	switch strings.ToLower(v.text) {
	case "unread":
		return Seen{false}, true
	case "starred":
		return Flagged{true}, true
	case "important":
		return InLabel{v.text, domain.RoleImportant}, true
	case "sent":
		return InLabel{v.text, domain.RoleSent}, true
	case "draft", "drafts":
		return InLabel{v.text, domain.RoleDrafts}, true
	case "trash":
		return InLabel{v.text, domain.RoleTrash}, true
	case "spam":
		return InLabel{v.text, domain.RoleJunk}, true
	}
	return InLabel{Name: v.text}, true
}

func inPlace(v operand) (Condition, bool) {
	switch strings.ToLower(v.text) {
	case "anywhere":
		return InLabel{Role: domain.RoleAll}, true
	case "archive":
		return InLabel{v.text, domain.RoleArchive}, true
	case "chats":
		return Any{}, true
	}
	return inLabel(v)
}

func isState(v operand) (Condition, bool) {
	switch strings.ToLower(v.text) {
	case "unread":
		return Seen{false}, true
	case "read":
		return Seen{true}, true
	case "starred":
		return Flagged{true}, true
	case "important":
		return InLabel{Role: domain.RoleImportant}, true
	case "muted", "snoozed":
		return Any{}, true
	}
	return nil, false
}

func hasThing(v operand) (Condition, bool) {
	what := strings.ToLower(v.text)
	switch what {
	case "attachment":
		return HasAttachments{}, true
	case "userlabels":
		return UserLabels{true}, true
	case "nouserlabels":
		return UserLabels{false}, true
	case "drive", "document", "spreadsheet", "presentation", "youtube":
		return Any{}, true
	}
	_, mark, ok := strings.Cut(what, "-")
	switch mark {
	case "star", "bang", "guillemet", "check", "info", "question":
		return Any{}, ok
	}
	return nil, false
}

func sizeOver(v operand) (Condition, bool) {
	n, ok := octets(v.text)
	return Size{Over: &n}, ok
}

func sizeUnder(v operand) (Condition, bool) {
	n, ok := octets(v.text)
	return Size{Under: &n}, ok
}

// octets reads a number with K or M, of 1024; one that is too large is the largest.
func octets(text string) (int64, bool) {
	unit := int64(1)
	switch digits := text[:max(0, len(text)-1)]; {
	case digits == "":
	case strings.HasSuffix(text, "K") || strings.HasSuffix(text, "k"):
		text, unit = digits, 1<<10
	case strings.HasSuffix(text, "M") || strings.HasSuffix(text, "m"):
		text, unit = digits, 1<<20
	}
	n, ok := natural(text, math.MaxInt64/unit)
	return n * unit, ok
}

// natural reads decimal digits; a number above most is most.
func natural(text string, most int64) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil { // out of range
		return most, true
	}
	return min(n, most), true
}

func receivedFrom(v operand) (Condition, bool) {
	t, ok := moment(v.text)
	return Received{From: &t}, ok
}

func receivedBefore(v operand) (Condition, bool) {
	t, ok := moment(v.text)
	return Received{Before: &t}, ok
}

// moment reads a day, which is its start in UTC (D50), or seconds since 1970.
func moment(text string) (time.Time, bool) {
	end := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	if seconds, ok := natural(text, end.Unix()); ok {
		return time.Unix(seconds, 0).UTC(), true
	}
	for _, layout := range []string{"2006/1/2", "2006-1-2"} {
		if day, err := time.Parse(layout, text); err == nil && day.Year() > 0 {
			return day, true
		}
	}
	return time.Time{}, false
}

func youngerThan(v operand) (Condition, bool) {
	t, ok := v.ago()
	return Received{From: &t}, ok
}

func olderThan(v operand) (Condition, bool) {
	t, ok := v.ago()
	return Received{Before: &t}, ok
}

// ago reads an age and returns the moment at which it began.
func (v operand) ago() (time.Time, bool) {
	last := len(v.text) - 1
	many, ok := natural(v.text[:last], 1_000_000)
	n := int(many)
	var t time.Time
	switch v.text[last] {
	case 'h':
		t = v.now.Add(-time.Duration(n) * time.Hour)
	case 'd':
		t = v.now.AddDate(0, 0, -n)
	case 'w':
		t = v.now.AddDate(0, 0, -7*n)
	case 'm':
		t = monthsBefore(v.now, n)
	case 'y':
		t = monthsBefore(v.now, 12*n)
	default:
		return t, false
	}
	if t.Year() < 1 {
		t = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t, ok
}

// monthsBefore returns the same day n months before t, or the last one of a month that is too short.
func monthsBefore(t time.Time, n int) time.Time {
	day := t.Day()
	if t = t.AddDate(0, -n, 0); t.Day() != day {
		t = t.AddDate(0, 0, -t.Day())
	}
	return t
}

func byMsgID(v operand) (Condition, bool) {
	id := strings.TrimSuffix(strings.TrimPrefix(v.text, "<"), ">")
	return MsgID{id}, id != ""
}

// byThread reads the id of a thread as /api/ shows it, or as the Gmail surface does (api.md 11.4).
func byThread(v operand) (Condition, bool) {
	digits, ok := strings.CutPrefix(v.text, "thread-")
	base := 10
	if !ok && len(digits) == 16 {
		base, ok = 16, true
	}
	id, err := strconv.ParseUint(digits, base, 63)
	return InThread{domain.ThreadID(id)}, ok && err == nil
}
