package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// RawStore keeps raw messages and what they say, before the log names them.
type RawStore interface {
	// Put stores messages and their contents; those that are there already are left.
	Put(ctx context.Context, journal events.JournalID, msgs []RawMessage) error
}

// RawMessage is a message as it is stored.
type RawMessage struct {
	SHA256  [32]byte
	Octets  []byte
	Content *domain.Content
}

// Parser reads raw messages. It never fails.
type Parser interface {
	// Parse returns what the octets say.
	Parse(ctx context.Context, raw []byte) *domain.Content
	// ParserVersion returns the version that is recorded with what Parse said.
	ParserVersion() int
}

// SyncOptions of a SyncAccountHandler; zero values mean the defaults.
type SyncOptions struct {
	MaxMessage int64 // octets of a message that are fetched at most; 100 MiB
	Parsers    int   // at once; 2
	Now        func() time.Time
	Logger     *slog.Logger
}

// SyncAccountHandler brings an account level with its server.
type SyncAccountHandler struct {
	journal     Journal
	state       SyncState
	connections *Connections
	passwords   Passwords
	raws        RawStore
	parser      Parser
	opts        SyncOptions
	log         *slog.Logger
}

// NewSyncAccount returns the handler.
func NewSyncAccount(journal Journal, state SyncState, connections *Connections, passwords Passwords, raws RawStore, parser Parser, opts SyncOptions) *SyncAccountHandler {
	if opts.MaxMessage == 0 {
		opts.MaxMessage = 100 << 20
	}
	if opts.Parsers == 0 {
		opts.Parsers = 2
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &SyncAccountHandler{journal, state, connections, passwords, raws, parser, opts, opts.Logger}
}

// accountRun is one run while it goes on.
type accountRun struct {
	*SyncAccountHandler
	Run
	settings   events.AccountSettings
	started    events.SyncStarted
	conn       MailConn
	giveBack   func() // the connection
	progress   *progress
	messageID  *idBlock
	threadID   *idBlock
	mailboxes  []*mailboxRun // in the order in which they are synced
	gone       []domain.Mailbox
	goneNow    []domain.MailboxID     // since the list before
	looks      int                    // begun; 1 in the first
	removed    []events.MailboxResult // of those gone that had messages
	unselected []unselectedMailbox
	asked      []*askedChange                     // in the order in which they were
	foretold   []foretold                         // moves that were made for them
	checks     map[domain.MailboxID]CoverageCheck // of the mailboxes, when the run began
	missing    []string                           // warnings of the last list
	warnings   []string
	failures   int
	now        time.Time
}

// Handle carries out a run and records how it ended; what goes wrong with the
// mail server ends the run and is no error. An error means that nothing of the end could be
// recorded: the database is away, the lease is lost, the account erased or ctx has ended.
func (h *SyncAccountHandler) Handle(ctx context.Context, run Run, p *progress) error {
	settings, login, noLogin := h.passwords.AccountLogin(ctx, run.Journal, run.Account)
	r := &accountRun{
		SyncAccountHandler: h, Run: run, settings: settings, progress: p, now: h.opts.Now(),
		giveBack: func() {}, looks: 1, messageID: &idBlock{journal: h.journal, kind: domain.IDMessage},
		threadID: &idBlock{journal: h.journal, kind: domain.IDThread},
	}
	if err := r.recordStart(ctx); err != nil {
		return err
	}
	defer func() { r.giveBack() }() // at last: the watch then asks whether the run goes on
	err := noLogin
	if failed := r.readAsked(ctx); failed != nil {
		err = failed
	}
	if err == nil {
		err = r.run(ctx, login)
	}
	if err != nil && !canEnd(ctx, err) {
		return fmt.Errorf("sync account %d: %w", run.Account, err)
	}
	if told := r.tellThreads(ctx); told != nil {
		return told
	}
	if ctx.Err() == nil { // not cancelled
		if uncovered := r.cover(ctx); uncovered != nil {
			return uncovered
		}
	}
	if unsaid := r.endAsked(ctx, err); unsaid != nil {
		return unsaid
	}
	return r.recordEnd(ctx, err)
}

// canEnd reports whether a run that failed with err ends with it. If the program stops,
// the lease is lost or the database is away, the run is given up and goes on elsewhere or later.
func canEnd(ctx context.Context, err error) bool {
	if errors.Is(context.Cause(ctx), errCancelled) {
		return true
	}
	return ctx.Err() == nil && !errors.Is(err, domain.ErrConflict) && !errors.Is(err, domain.ErrNotFound) && !errors.Is(err, domain.ErrUnavailable)
}

// scope returns the scope of a decision of this run.
func (r *accountRun) scope() Scope {
	return Scope{
		Journal: r.Journal, Append: NewAppendID(), Meta: metaOf(r.Run), Account: r.Account, Lease: r.Lease,
	}
}

func (r *accountRun) recordStart(ctx context.Context) error {
	_, err := r.journal.Update(ctx, r.scope(), func(s State) (Decision, error) {
		if s.Account == nil {
			return Decision{}, domain.ErrNotFound
		}
		r.failures, r.settings = s.Account.Failures, s.Account.Settings
		r.started = events.SyncStarted{
			Sync: r.Sync, Account: r.Account, AccountName: r.settings.Name, Trigger: r.Cause,
			Initial: !s.Account.SyncedOnce, QueuedAt: r.QueuedAt, StartedAt: r.now,
		}
		return Decision{Events: []events.Event{r.started}}, nil
	})
	if err != nil {
		return fmt.Errorf("record start of sync %d: %w", r.Sync, err)
	}
	return nil
}

// run does the work: connect, make what was asked for, list, observe, then what has changed.
func (r *accountRun) run(ctx context.Context, login Login) error {
	conn, giveBack, err := r.connections.borrow(ctx, r.Account, login)
	if err != nil {
		return err
	}
	r.conn, r.giveBack = touching{conn, r.progress}, giveBack
	if r.checks, err = r.state.Checks(ctx, r.Journal, r.Account); err != nil {
		return fmt.Errorf("last checks of account %d: %w", r.Account, err)
	}
	if err := r.makeAsked(ctx); err != nil {
		return err
	}
	if err := r.list(ctx); err != nil {
		return err
	}
	begun := slices.ContainsFunc(r.mailboxes, func(m *mailboxRun) bool { return m.state.WindowKey != "" })
	first := !slices.ContainsFunc(r.mailboxes, func(m *mailboxRun) bool { return m.state.UIDNext > 0 })
	if !begun && len(r.mailboxes) > 0 { // nothing is stored that could have moved there
		if err := r.firstRound(ctx, r.mailboxes[:1]); err != nil {
			return err
		}
	}
	if err := r.observe(ctx); err != nil {
		return err
	}
	if first {
		if err := r.firstRound(ctx, r.mailboxes); err != nil {
			return err
		}
	}
	for _, m := range r.mailboxes {
		if err := r.each(ctx, m, r.level); err != nil {
			return err
		}
	}
	return r.removeGone(ctx)
}

// each runs a step on one mailbox. A fault of the mailbox is noted there and ends its part of
// the run; a fault of the connection or of ours ends the run.
func (r *accountRun) each(ctx context.Context, m *mailboxRun, step func(context.Context, *mailboxRun) error) error {
	if m.result.Error != nil || m.skip {
		return nil
	}
	r.progress.update(func(p *SyncProgress) { p.Current = m.listed.Name })
	m.result.Status = "running"
	err := step(ctx, m)
	var source *SourceError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err
	case !errors.As(err, &source):
		m.result.Status, m.result.Error = "error", &events.SyncError{Code: CodeInternal, Message: internalError}
		return err
	}
	m.result.Status, m.result.Error = "error", &events.SyncError{Code: source.Code, Message: source.Message}
	r.log.Info("mailbox not synced", slog.Int64("account", int64(r.Account)), slog.String("mailbox", string(m.listed.Name)), slog.Any("err", err))
	if source.Code == CodeProtocolError || source.Code == CodeFolderMissing {
		return nil
	}
	return err
}

// idBlock draws ids in blocks.
type idBlock struct {
	journal Journal
	kind    domain.IDKind
	ids     []int64
}

// idBlockSize is how many ids are drawn at once at the least.
const idBlockSize = 500

// peek returns the next n ids, ascending; those that are used must be said so.
func (b *idBlock) peek(ctx context.Context, n int) ([]int64, error) {
	if len(b.ids) < n {
		ids, err := b.journal.NextIDs(ctx, b.kind, max(n, idBlockSize))
		if err != nil {
			return nil, fmt.Errorf("draw %s ids: %w", b.kind, err)
		}
		b.ids = ids
	}
	return b.ids[:n], nil
}

// used takes the next n ids away.
func (b *idBlock) used(n int) { b.ids = b.ids[n:] }
