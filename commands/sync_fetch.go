package commands

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// fetch fetches, stores and records messages of the examined mailbox. What the
// server does not give is put into quarantine, never forgotten.
func (r *accountRun) fetch(ctx context.Context, m *mailboxRun, uids domain.UIDSet) error {
	if len(uids) == 0 {
		return nil
	}
	line, within := newPipeline(ctx, r, m)
	missing, err := r.conn.Fetch(within, uids, r.opts.MaxMessage, line.push)
	if failed := line.close(); failed != nil {
		return failed
	}
	got := line.stored
	m.known = m.known.Union(got)
	m.come, m.todo = m.come.Minus(got), m.todo.Minus(got)
	if noted := r.quarantine(ctx, m, missing); noted != nil {
		return noted
	}
	return err
}

// quarantine notes what did not come. A message that the server does not list any
// more is no loss; the next run sees that it is gone.
func (r *accountRun) quarantine(ctx context.Context, m *mailboxRun, missing []Missing) error {
	var rows []Row
	for _, miss := range missing {
		m.todo = m.todo.Minus(domain.UIDs(miss.UID))
		if miss.Gone {
			m.short = true // EXISTS was counted with it
			m.server = m.server.Minus(domain.UIDs(miss.UID))
			continue
		}
		m.settled = m.settled.Minus(domain.UIDs(miss.UID))
		r.log.Warn("message not delivered by the server", slog.Int64("account", int64(r.Account)),
			slog.String("mailbox", string(m.listed.Name)), slog.Uint64("uid", uint64(miss.UID)), slog.String("err", miss.Reason))
		rows = append(rows, QuarantineRow{
			Mailbox: m.state.ID, UID: miss.UID, Attempts: -1, Reason: reasonFetchFailed, LastError: miss.Reason,
			NextAt: r.nextTry(m, miss.UID),
		})
	}
	if len(rows) > 0 {
		r.warnings = append(r.warnings, fmt.Sprintf("The mail server does not deliver %d messages of %q; they are tried again.", len(rows), m.listed.Name))
	}
	r.progress.update(func(p *SyncProgress) { p.MessagesDone += len(missing) })
	return r.record(ctx, nil, rows...)
}

// Reasons of a quarantine (api.md 10.13).
const (
	reasonFetchFailed = "fetch_failed"
	reasonStoreFailed = "store_failed"
)

// retryPause is how long a message rests that did not come when it was asked for again.
const retryPause = 6 * time.Hour

// nextTry returns when a message that did not come is asked for again: in the next
// run if it is the first time.
func (r *accountRun) nextTry(m *mailboxRun, uid domain.UID) time.Time {
	if m.retried.Contains(uid) {
		return r.now.Add(retryPause)
	}
	return r.now
}

// incoming is a message on its way into the log.
type incoming struct {
	FetchedMessage
	sum     [32]byte
	content *domain.Content
	summary events.Summary
	hints   domain.ThreadHints
}

// says returns about how many octets an event says of the message.
func (in *incoming) says() int {
	s := &in.summary
	n := 1000 + len(s.Subject) + len(s.Sender) + len(s.SenderName) + len(s.Recipient) + len(s.InReplyTo) + len(s.Snippet)
	for _, f := range in.Flags {
		n += len(f)
	}
	return n
}

// read parses a message and finds what decides about its thread.
func (r *accountRun) read(ctx context.Context, in *incoming) {
	in.InternalDate = in.InternalDate.UTC().Truncate(time.Second)
	in.content = r.parser.Parse(ctx, in.Raw)
	if in.InternalDate.Unix() <= 0 { // none that can be read: the Date field says more than now
		in.InternalDate = in.content.Date
		if in.InternalDate.IsZero() {
			in.InternalDate = r.now.UTC().Truncate(time.Second)
		}
	}
	in.summary = events.Summarise(in.content, in.InternalDate)
	in.hints = domain.HintsOf(in.content, in.sum, in.InternalDate)
}

// append records a batch of stored messages; what the log has already is left out.
func (r *accountRun) append(ctx context.Context, m *mailboxRun, batch []*incoming) error {
	msgIDs, err := r.messageID.peek(ctx, len(batch))
	if err != nil {
		return err
	}
	threadIDs, err := r.threadID.peek(ctx, len(batch))
	if err != nil {
		return err
	}
	hints := make([]domain.ThreadHints, len(batch))
	uids := make([]domain.UID, len(batch))
	for i, in := range batch {
		hints[i], uids[i] = in.hints, in.UID
	}
	scope := r.scope()
	scope.UIDs = map[domain.MailboxID]domain.UIDSet{m.state.ID: domain.UIDs(uids...)}
	scope.Threads = domain.LookupFor(hints)
	var made fetchedDecision
	_, err = r.journal.Update(ctx, scope, func(s State) (Decision, error) {
		made = r.decideFetched(s, m, batch, msgIDs, threadIDs)
		return made.Decision, nil
	})
	if err != nil {
		return fmt.Errorf("record %d messages of mailbox %d: %w", len(batch), m.state.ID, err)
	}
	r.messageID.used(made.messages)
	r.threadID.used(made.threads)
	m.result.Received += made.messages
	m.bytes += made.bytes
	r.progress.update(func(p *SyncProgress) { p.MessagesDone += len(batch) })
	return nil
}

// fetchedDecision is a decision about messages and how many ids it used.
type fetchedDecision struct {
	Decision
	messages, threads int
	bytes             int64
}

// maxMerged is how many threads one message joins at most, so that an event can name
// them. Only a reply without references, to thousands of alarms of one subject, finds more:
// the rest stays apart until another message finds it.
const maxMerged = 1000

// decideFetched decides about a batch of messages: their ids, and their threads by the index.
func (r *accountRun) decideFetched(s State, m *mailboxRun, batch []*incoming, msgIDs, threadIDs []int64) fetchedDecision {
	var d fetchedDecision
	index := domain.NewThreadIndex(s.Threads)
	nextThread := func() domain.ThreadID {
		d.threads++
		return domain.ThreadID(threadIDs[d.threads-1])
	}
	known := s.Known[m.state.ID]
	place := events.Place{Mailbox: m.state.ID, Folder: m.state.Name, UIDValidity: m.status.UIDValidity}
	for _, in := range batch {
		if _, ok := known[in.UID]; ok {
			continue
		}
		p := index.Place(in.hints, nextThread)
		place.UID = in.UID
		d.Events = append(d.Events, events.MessageFetched{
			Message: events.Message{
				ID: domain.MessageID(msgIDs[d.messages]), Account: r.Account, Place: place, Thread: p.Thread,
				MsgID: events.MsgIDOf(in.content),
			},
			SHA256: in.sum[:], Size: in.Size, InternalDate: in.InternalDate,
			Flags: domain.Flags(in.Flags), ModSeq: in.ModSeq, Merged: p.Merged[:min(len(p.Merged), maxMerged)],
			Summary: in.summary, Parser: r.parser.ParserVersion(),
			Truncated: in.Truncated,
			Backfill:  r.started.Initial || in.UID < m.state.UIDNext && m.state.UIDValidity == m.status.UIDValidity,
		})
		d.Nodes = append(d.Nodes, p.Nodes...)
		d.messages++
		d.bytes += in.Size
	}
	return d
}
