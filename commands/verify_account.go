package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// VerifyAccount asks for what the log says of an account to be compared with its server. Nothing is
// recorded or fetched for good.
type VerifyAccount struct {
	Journal events.JournalID
	Account domain.AccountID
	Content bool                                          // fetch what is stored, and compare the octets
	Finding func(mailbox domain.MailboxName, what string) // "": of the account
}

// AccountVerified sums up a comparison.
type AccountVerified struct {
	events.CoverageCounts
	Mailboxes int
	Findings  int
	New, Gone int // on the server since the last sync, which is no finding
	Compared  int // messages whose octets are equal
}

// VerifyAccountHandler carries out VerifyAccount.
type VerifyAccountHandler struct{ sync *SyncAccountHandler }

// NewVerifyAccount returns the handler. It looks at a server with the eyes of sync.
func NewVerifyAccount(sync *SyncAccountHandler) *VerifyAccountHandler {
	return &VerifyAccountHandler{sync}
}

// verification is one comparison while it goes on.
type verification struct {
	*accountRun
	cmd VerifyAccount
	out AccountVerified
}

// Handle compares. What the mail server refuses is a finding; an error means that we could not look.
func (h *VerifyAccountHandler) Handle(ctx context.Context, cmd VerifyAccount) (AccountVerified, error) {
	settings, login, err := h.sync.passwords.AccountLogin(ctx, cmd.Journal, cmd.Account)
	if err != nil {
		return AccountVerified{}, fmt.Errorf("login of account %d: %w", cmd.Account, err)
	}
	v := &verification{cmd: cmd, accountRun: &accountRun{
		SyncAccountHandler: h.sync, Run: Run{Journal: cmd.Journal, Account: cmd.Account}, settings: settings,
		progress: &progress{}, now: h.sync.opts.Now(),
	}}
	err = v.compare(ctx, login)
	var source *SourceError
	if errors.As(err, &source) {
		v.find("", source.Message)
		err = nil
	}
	if err != nil {
		return v.out, fmt.Errorf("verify account %d: %w", cmd.Account, err)
	}
	return v.out, nil
}

func (v *verification) find(mailbox domain.MailboxName, what string) {
	v.out.Findings++
	v.cmd.Finding(mailbox, what)
}

func (v *verification) compare(ctx context.Context, login Login) error {
	conn, giveBack, err := v.connections.borrow(ctx, v.Account, login)
	if err != nil {
		return err
	}
	defer giveBack()
	v.conn = conn
	listed, err := conn.List(ctx)
	if err != nil {
		return err
	}
	stored, err := v.state.Mailboxes(ctx, v.Journal, v.Account)
	if err != nil {
		return fmt.Errorf("mailboxes of account %d: %w", v.Account, err)
	}
	byName := map[domain.MailboxName]domain.Mailbox{}
	for _, m := range stored {
		byName[m.Name] = m
	}
	listed = domain.WithRoles(v.fit(listed))
	selected, _ := domain.Selection{Names: v.settings.Folders, NoTrash: v.settings.ExcludeTrash}.Select(listed)
	for _, l := range listed {
		if l.NoSelect || !selected[l.Name] {
			continue
		}
		err := v.mailbox(ctx, &mailboxRun{listed: l, state: byName[l.Name]})
		var source *SourceError
		if errors.As(err, &source) && (source.Code == CodeProtocolError || source.Code == CodeFolderMissing) {
			v.find(l.Name, source.Message)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mailbox compares one mailbox.
func (v *verification) mailbox(ctx context.Context, m *mailboxRun) error {
	status, err := v.conn.Examine(ctx, m.listed.Name)
	if err != nil {
		return err
	}
	if m.server, err = v.conn.UIDs(ctx, time.Time{}); err != nil {
		return err
	}
	m.status = status
	v.out.Mailboxes++
	switch {
	case m.state.UIDNext == 0 && len(m.server) == 0:
		return nil
	case m.state.UIDNext == 0:
		v.find(m.listed.Name, fmt.Sprintf("%d messages, never synced", m.server.Count()))
		return nil
	case status.UIDValidity != m.state.UIDValidity:
		v.find(m.listed.Name, fmt.Sprintf("UIDVALIDITY is %d, stored under %d; the next sync heals it", status.UIDValidity, m.state.UIDValidity))
		return nil
	}
	if m.known, err = v.state.KnownUIDs(ctx, v.Journal, m.state.ID); err != nil {
		return fmt.Errorf("known uids of mailbox %d: %w", m.state.ID, err)
	}
	since := m.server.Minus(m.known).Intersect(domain.NewUIDSet(domain.UIDRange{Lo: m.state.UIDNext, Hi: maxUID}))
	m.server = m.server.Minus(since)
	v.out.New += since.Count()
	v.out.Gone += m.known.Minus(m.server).Count()
	if err := v.plan(ctx, m, m.state.UIDNext); err != nil {
		return err
	}
	if v.archives(m) {
		if err := v.keepArchived(ctx, m); err != nil {
			return err
		}
	}
	checked, err := v.coverageOf(ctx, m)
	if err != nil {
		return err
	}
	v.account(m, checked)
	if !v.cmd.Content {
		return nil
	}
	return v.content(ctx, m)
}

// account adds a mailbox to the sums.
func (v *verification) account(m *mailboxRun, c events.CoverageChecked) {
	v.out.CoverageCounts = v.out.Plus(c.CoverageCounts)
	for _, e := range c.Exceptions {
		switch e.Kind {
		case events.CoverageMissing:
			v.find(m.listed.Name, fmt.Sprintf("%d messages are missing: UID %s", e.Count, e.UIDs))
		case events.CoverageQuarantined:
			v.cmd.Finding(m.listed.Name, fmt.Sprintf("%d messages in quarantine, tried again: UID %s: %s", e.Count, e.UIDs, e.LastError))
		}
	}
}

// contentBatch is how many messages are compared at once.
const contentBatch = 1000

// content fetches what is stored and compares the octets by their hashes.
func (v *verification) content(ctx context.Context, m *mailboxRun) error {
	both := m.known.Intersect(m.server)
	for _, part := range both {
		for lo := part.Lo; ; lo += contentBatch {
			hi := min(part.Hi, lo+contentBatch-1)
			if err := v.octets(ctx, m, lo, hi); err != nil {
				return err
			}
			if hi == part.Hi {
				break
			}
		}
	}
	return nil
}

func (v *verification) octets(ctx context.Context, m *mailboxRun, lo, hi domain.UID) error {
	known, err := v.state.Known(ctx, v.Journal, m.state.ID, lo, hi)
	if err != nil {
		return fmt.Errorf("known messages of mailbox %d: %w", m.state.ID, err)
	}
	stored := make(map[domain.UID]domain.Known, len(known))
	for _, k := range known {
		stored[k.UID] = k
	}
	missing, err := v.conn.Fetch(ctx, domain.UIDSet{{Lo: lo, Hi: hi}}, v.opts.MaxMessage, func(f FetchedMessage) error {
		k, ok := stored[f.UID]
		switch {
		case !ok: // expunged meanwhile
		case k.SHA256 == sumOf(f.Raw) && k.Size == f.Size:
			v.out.Compared++
		default:
			v.find(m.listed.Name, fmt.Sprintf("UID %d has other octets on the server", f.UID))
		}
		return nil
	})
	for _, miss := range missing {
		if !miss.Gone {
			v.find(m.listed.Name, fmt.Sprintf("UID %d is not delivered: %s", miss.UID, miss.Reason))
		}
	}
	return err
}
