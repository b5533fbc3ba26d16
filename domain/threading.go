package domain

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of threading.
const (
	// MaxPeople is how many addresses of a message are compared, those of From first.
	MaxPeople = 100
	// MaxReferences is how many ids of References count: the first and the last ones.
	MaxReferences = 101

	subjectWindow   = 14 * 24 * time.Hour // at most so far apart are messages that a subject joins
	minBaseSubject  = 6                   // characters; shorter subjects say too little
	subjectDateSize = 8
)

// HintsOf returns what of a message decides about its thread: raw is the
// SHA-256 of its octets, received stands in for a missing Date. References that
// cannot be the id of another message are left out: the own id, and what is an
// address of From, To or Cc (some programs write that into In-Reply-To).
func HintsOf(c *Content, raw [32]byte, received time.Time) ThreadHints {
	base, reply := BaseSubject(c.Subject)
	h := ThreadHints{
		MsgID: Canonical(c.MsgID), BaseSubject: base, Reply: reply,
		Date: c.Date, ThreadIndex: c.ThreadIndex, Raw: Key(raw[:16]),
	}
	if len(c.From) == 0 && c.Subject == "" && c.Date.IsZero() {
		h.Raw = Key{}
	}
	if h.Date.IsZero() {
		h.Date = received
	}
	people := peopleOf(c)
	h.People = peopleKeys(people)
	slices.Sort(people)
	if isPerson(people, h.MsgID) {
		h.MsgID = ""
	}
	h.Refs = refsOf(c, h.MsgID, people)
	return h
}

// peopleOf returns the addresses of From, To and Cc in lower case, in their order.
func peopleOf(c *Content) []string {
	people := make([]string, 0, len(c.From)+len(c.To)+len(c.Cc))
	for _, field := range [][]Address{c.From, c.To, c.Cc} {
		for _, a := range field {
			if addr := strings.ToLower(strings.TrimSpace(a.Addr)); addr != "" {
				people = append(people, addr)
			}
		}
	}
	return people
}

// isPerson tells whether an id is one of the addresses, which are sorted.
func isPerson(people []string, id CanonicalID) bool {
	_, found := slices.BinarySearch(people, strings.ToLower(string(id)))
	return found
}

func peopleKeys(people []string) []Key {
	keys := make([]Key, 0, min(len(people), MaxPeople))
	for _, addr := range people[:min(len(people), MaxPeople)] {
		keys = append(keys, KeyOf(addr))
	}
	slices.SortFunc(keys, compareKeys)
	return slices.Compact(keys)
}

// refsOf returns the references of a message, each once.
func refsOf(c *Content, own CanonicalID, people []string) []CanonicalID {
	sent := c.References
	if len(sent) > MaxReferences {
		sent = append(sent[:1:1], sent[len(sent)-MaxReferences+1:]...)
	}
	sent = append(slices.Clip(sent), c.InReplyTo[:min(len(c.InReplyTo), MaxReferences)]...)
	refs := make([]CanonicalID, 0, len(sent))
	for _, s := range sent {
		id := Canonical(s)
		if id != "" && id != own && !slices.Contains(refs, id) && !isPerson(people, id) {
			refs = append(refs, id)
		}
	}
	return refs
}

// roles are local parts of addresses. An id that begins so was made by a program
// that took an address for an id, and is the same in all of its mail.
var roles = []string{
	"admin", "do-not-reply", "donotreply", "info", "mailer-daemon", "no-reply", "nobody", "noreply",
	"notifications", "postmaster", "root", "support", "undisclosed-recipients", "webmaster",
}

// isWeak tells whether strangers share an id: it has no @ with something on both
// sides, as the yes that people answer git send-email's question with, or it is
// the address of a role. Such an id counts together with the base subject only.
func isWeak(id CanonicalID) bool {
	at := strings.LastIndexByte(string(id), '@')
	if at <= 0 || at == len(id)-1 {
		return true
	}
	_, found := slices.BinarySearch(roles, strings.ToLower(string(id[:at])))
	return found
}

// nodes returns the nodes of a message but for that of its subject. There is
// nothing to them that depends on other messages: that is why threads do not
// depend on the order in which messages come.
func (h *ThreadHints) nodes() []Node {
	nodes := make([]Node, 0, len(h.Refs)+3)
	subject := Key{}
	if h.BaseSubject != "" {
		subject = KeyOf(h.BaseSubject)
	}
	add := func(id CanonicalID) {
		switch {
		case !isWeak(id):
			nodes = append(nodes, Node{Kind: NodeMsgID, Key: KeyOf(string(id))})
		case h.BaseSubject != "" && id != "":
			nodes = append(nodes, Node{Kind: NodeWeakID, Key: KeyOf(string(id)), Sub: subject})
		}
	}
	add(h.MsgID)
	for _, id := range h.Refs {
		add(id)
	}
	if isWeak(h.MsgID) && h.Raw != (Key{}) {
		nodes = append(nodes, Node{Kind: NodeRaw, Key: h.Raw})
	}
	if len(h.ThreadIndex) > 0 && h.BaseSubject != "" {
		nodes = append(nodes, Node{Kind: NodeIndex, Key: KeyOf(string(h.ThreadIndex)), Sub: subject})
	}
	return nodes
}

// subjectNode returns the node by which a message is found by its subject.
func (h *ThreadHints) subjectNode() (Node, bool) {
	if len(h.People) == 0 || utf8.RuneCountInString(h.BaseSubject) < minBaseSubject {
		return Node{}, false
	}
	sub := subjectSub(h.repliesBlindly(), h.Date.Unix())
	copy(sub[1+subjectDateSize:], h.Raw[:])
	return Node{Kind: NodeSubject, Key: KeyOf(h.BaseSubject), Sub: sub}, true
}

// repliesBlindly tells whether a message is a reply that does not say to what.
func (h *ThreadHints) repliesBlindly() bool {
	return h.Reply && !slices.ContainsFunc(h.Refs, func(id CanonicalID) bool { return !isWeak(id) })
}

// subjectSub returns the least Sub of subject nodes of a kind and second.
func subjectSub(reply bool, seconds int64) (sub Key) {
	if reply {
		sub[0] = 1
	}
	binary.BigEndian.PutUint64(sub[1:], uint64(seconds)^1<<63)
	return sub
}

// readSubjectSub is the inverse of subjectSub.
func readSubjectSub(sub Key) (reply bool, seconds int64) {
	return sub[0] == 1, int64(binary.BigEndian.Uint64(sub[1:]) ^ 1<<63)
}

// LookupFor returns what NewThreadIndex needs to know to place messages.
func LookupFor(hints []ThreadHints) ThreadLookup {
	var l ThreadLookup
	for i := range hints {
		h := &hints[i]
		l.Nodes = append(l.Nodes, h.nodes()...)
		n, ok := h.subjectNode()
		if !ok {
			continue
		}
		l.Nodes = append(l.Nodes, n)
		l.Ranges = append(l.Ranges, subjectRange(n, true))
		if n.Sub[0] == 1 { // only replies look for messages that are none
			l.Ranges = append(l.Ranges, subjectRange(n, false))
		}
	}
	slices.SortFunc(l.Nodes, compareNodes)
	l.Nodes = slices.Compact(l.Nodes)
	l.Ranges = joinRanges(l.Ranges)
	return l
}

func subjectRange(n Node, replies bool) NodeRange {
	const window = int64(subjectWindow / time.Second)
	_, seconds := readSubjectSub(n.Sub)
	to := subjectSub(replies, seconds+window)
	for i := 1 + subjectDateSize; i < len(to); i++ {
		to[i] = 0xff
	}
	return NodeRange{Kind: n.Kind, Key: n.Key, From: subjectSub(replies, seconds-window), To: to}
}

func joinRanges(ranges []NodeRange) []NodeRange {
	slices.SortFunc(ranges, func(a, b NodeRange) int {
		return cmp.Or(compareKeys(a.Key, b.Key), compareKeys(a.From, b.From), compareKeys(a.To, b.To))
	})
	out := ranges[:0]
	for _, r := range ranges {
		last := len(out) - 1
		if last < 0 || out[last].Key != r.Key || compareKeys(r.From, out[last].To) > 0 {
			out = append(out, r)
		} else if compareKeys(r.To, out[last].To) > 0 {
			out[last].To = r.To
		}
	}
	return out
}

func compareKeys(a, b Key) int { return bytes.Compare(a[:], b[:]) }

func compareNodes(a, b Node) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), compareKeys(a.Key, b.Key), compareKeys(a.Sub, b.Sub))
}
