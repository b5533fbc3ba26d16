package projections

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ContentReader gives what stored messages say, read by the parser of this
// program: from the cache, or parsed now.
type ContentReader interface {
	// Contents returns the content of each raw message by its SHA-256; one whose
	// octets are gone (its account is being erased) is left out.
	Contents(ctx context.Context, journal events.JournalID, sums [][]byte) (map[[32]byte]*domain.Content, error)
	// ParserVersion returns the version of the parser.
	ParserVersion() int
}

// Mail keeps one row for each message and each thread: what the lists, the
// single message, threads and statistics show.
//
// Tables: message, thread, thread_alias, tally. Reader: queries.MailReader.
func Mail(contents ContentReader) Projection[MailStore] {
	return Projection[MailStore]{
		Name:    "mail",
		Version: 2,
		Handles: []events.Type{
			events.TypeMessageFetched, events.TypeFlagsChanged, events.TypeMessageMoved, events.TypeMessageExpunged,
		},
		Apply: func(ctx context.Context, store MailStore, batch []events.Recorded) error {
			return applyMail(ctx, store, contents, batch)
		},
	}
}

// Message is one row of message.
type Message struct {
	ID           domain.MessageID
	Account      domain.AccountID
	Mailbox      domain.MailboxID
	Folder       domain.MailboxName
	Thread       domain.ThreadID
	MsgID        string
	SHA256       []byte
	Size         int64
	Flags        []domain.Flag
	InternalDate time.Time
	Summary      events.Summary
	Parser       int             // version that made Summary
	Position     events.Position // of the last event that changed the message
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Merge is a thread that became part of another.
type Merge struct {
	Account    domain.AccountID
	From, Into domain.ThreadID
	Position   events.Position
	At         time.Time
}

// Tally is what a mailbox gained, or lost if negative.
type Tally struct {
	Messages, Unseen int
	Size             int64
}

// TallyKey names the tally of a mailbox under one of its names.
type TallyKey struct {
	domain.MailboxKey
	Folder domain.MailboxName
}

// MailChanges is what a batch does to the rows of Mail.
type MailChanges struct {
	Save   []*Message         // new and changed
	Delete []domain.MessageID // gone
	// Threads are those whose members changed; their rows follow from the messages.
	Threads []domain.ThreadID
	Tallies map[TallyKey]Tally
}

// MailStore holds the rows of Mail.
type MailStore interface {
	Store
	// Journal returns the journal the store is of.
	Journal() events.JournalID
	// MergeThreads moves all messages and aliases of each From to its Into, in order,
	// and keeps From as an alias.
	MergeThreads(ctx context.Context, merges []Merge) error
	// Load returns the rows with the given ids; an unknown id is left out.
	Load(ctx context.Context, ids []domain.MessageID) (map[domain.MessageID]*Message, error)
	// Save writes the changes and makes the rows of the named threads anew from their messages.
	Save(ctx context.Context, changes MailChanges) error
}

// applyMail merges threads, loads the rows that the batch touches, folds and saves them.
func applyMail(ctx context.Context, store MailStore, contents ContentReader, batch []events.Recorded) error {
	merges := mergesIn(batch)
	if len(merges) > 0 {
		if err := store.MergeThreads(ctx, merges); err != nil {
			return fmt.Errorf("merge threads: %w", err)
		}
	}
	rows, err := store.Load(ctx, changedIn(batch))
	if err != nil {
		return fmt.Errorf("load messages: %w", err)
	}
	reread, err := contents.Contents(ctx, store.Journal(), outdatedIn(batch, contents.ParserVersion()))
	if err != nil {
		return fmt.Errorf("read contents: %w", err)
	}
	fold := newMailFold(rows, merges)
	for _, rec := range batch {
		fold.evolve(rec, reread, contents.ParserVersion())
	}
	if err := store.Save(ctx, fold.changes()); err != nil {
		return fmt.Errorf("save messages: %w", err)
	}
	return nil
}

func mergesIn(batch []events.Recorded) []Merge {
	var out []Merge
	for _, rec := range batch {
		if e, ok := rec.Event.(events.MessageFetched); ok {
			for _, from := range e.Merged {
				out = append(out, Merge{e.Account, from, e.Thread, rec.Position, rec.RecordedAt})
			}
		}
	}
	return out
}

// changedIn returns the ids of messages that were there before the batch, or may have been.
func changedIn(batch []events.Recorded) []domain.MessageID {
	var out []domain.MessageID
	for _, rec := range batch {
		switch e := rec.Event.(type) {
		case events.FlagsChanged:
			out = append(out, e.ID)
		case events.MessageMoved:
			out = append(out, e.ID)
		case events.MessageExpunged:
			out = append(out, e.ID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// outdatedIn returns the raw messages whose Summary another parser made.
func outdatedIn(batch []events.Recorded, parser int) [][]byte {
	var out [][]byte
	for _, rec := range batch {
		if e, ok := rec.Event.(events.MessageFetched); ok && e.Parser != parser {
			out = append(out, e.SHA256)
		}
	}
	return out
}

// mailFold is the state of a fold over one batch.
type mailFold struct {
	rows    map[domain.MessageID]*Message // nil: deleted in this batch
	changed map[domain.MessageID]bool
	threads map[domain.ThreadID]bool
	merges  map[domain.ThreadID]Merge
	tallies map[TallyKey]Tally
}

func newMailFold(rows map[domain.MessageID]*Message, merges []Merge) *mailFold {
	f := &mailFold{
		rows:    rows,
		changed: map[domain.MessageID]bool{},
		threads: map[domain.ThreadID]bool{},
		merges:  map[domain.ThreadID]Merge{},
		tallies: map[TallyKey]Tally{},
	}
	if f.rows == nil {
		f.rows = map[domain.MessageID]*Message{}
	}
	for _, m := range merges {
		f.merges[m.From] = m
		f.threads[m.From], f.threads[m.Into] = true, true
	}
	return f
}

// evolve is the fold of one event. A fact about a message that is not there
// (its account is being erased) changes nothing.
func (f *mailFold) evolve(rec events.Recorded, reread map[[32]byte]*domain.Content, parser int) {
	switch e := rec.Event.(type) {
	case events.MessageFetched:
		f.fetched(rec, e, reread, parser)
	case events.FlagsChanged:
		f.change(rec, e.ID, func(m *Message) { m.Flags = e.Flags })
	case events.MessageMoved:
		f.change(rec, e.ID, func(m *Message) { m.Mailbox, m.Folder = e.Mailbox, e.Folder })
	case events.MessageExpunged:
		if m := f.rows[e.ID]; m != nil {
			f.tally(m, -1)
			f.threads[m.Thread] = true
			f.rows[e.ID] = nil
			f.changed[e.ID] = true
		}
	}
}

func (f *mailFold) fetched(rec events.Recorded, e events.MessageFetched, reread map[[32]byte]*domain.Content, parser int) {
	m := messageOf(rec, e, reread, parser)
	f.rows[e.ID] = m
	f.changed[e.ID] = true
	f.threads[m.Thread] = true
	f.tally(m, 1)
}

// messageOf is the row of a message that was fetched: summed up anew if another parser did it.
func messageOf(rec events.Recorded, e events.MessageFetched, reread map[[32]byte]*domain.Content, parser int) *Message {
	m := &Message{
		ID: e.ID, Account: e.Account, Mailbox: e.Mailbox, Folder: e.Folder, Thread: e.Thread, MsgID: e.MsgID,
		SHA256: e.SHA256, Size: e.Size, Flags: e.Flags, InternalDate: e.InternalDate,
		Summary: e.Summary, Parser: e.Parser,
		Position: rec.Position, CreatedAt: rec.RecordedAt, UpdatedAt: rec.RecordedAt,
	}
	if c := reread[[32]byte(e.SHA256)]; e.Parser != parser && c != nil {
		m.Summary, m.MsgID, m.Parser = events.Summarise(c, e.InternalDate), events.MsgIDOf(c), parser
	}
	return m
}

func (f *mailFold) change(rec events.Recorded, id domain.MessageID, set func(*Message)) {
	m := f.rows[id]
	if m == nil {
		return
	}
	f.tally(m, -1)
	set(m)
	f.tally(m, 1)
	if rec.Position > m.Position { // a merge later in the batch may have come first
		m.Position, m.UpdatedAt = rec.Position, rec.RecordedAt
	}
	f.threads[m.Thread] = true
	f.changed[id] = true
}

func (f *mailFold) tally(m *Message, sign int) {
	key := TallyKey{domain.MailboxKey{Account: m.Account, Mailbox: m.Mailbox}, m.Folder}
	t := f.tallies[key]
	t.Messages += sign
	t.Size += int64(sign) * m.Size
	if !domain.HasFlag(m.Flags, domain.FlagSeen) {
		t.Unseen += sign
	}
	f.tallies[key] = t
}

// changes returns what to write. A merge is a change of its messages too, wherever
// the batch was cut: of rows that came earlier MergeThreads has seen to it.
func (f *mailFold) changes() MailChanges {
	out := MailChanges{Tallies: f.tallies}
	for id := range f.changed {
		m := f.rows[id]
		if m == nil {
			out.Delete = append(out.Delete, id)
			continue
		}
		for merge, ok := f.merges[m.Thread]; ok; merge, ok = f.merges[m.Thread] {
			m.Thread = merge.Into
			if merge.Position > m.Position {
				m.Position, m.UpdatedAt = merge.Position, merge.At
			}
		}
		f.threads[m.Thread] = true
		out.Save = append(out.Save, m)
	}
	slices.SortFunc(out.Save, func(a, b *Message) int { return int(a.ID - b.ID) })
	slices.Sort(out.Delete)
	for t := range f.threads {
		out.Threads = append(out.Threads, t)
	}
	slices.Sort(out.Threads)
	return out
}
