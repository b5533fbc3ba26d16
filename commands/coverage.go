package commands

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// CoverageCheck is the last check of a mailbox against its server.
type CoverageCheck struct {
	events.CoverageChecked
	At  time.Time
	Due bool // somebody asked for another
}

// coverageRest is how long a mailbox that STATUS shows unchanged is believed to be so. It is less than a
// day, so that a daily run checks each time.
const coverageRest = 20 * time.Hour

// coverageDue reports whether the messages of a mailbox are to be listed whatever STATUS shows.
func (r *accountRun) coverageDue(m *mailboxRun) bool {
	c, checked := r.checks[m.state.ID]
	other := c.OnServer != int(m.state.Messages) || c.UIDValidity != m.state.UIDValidity // than at the checkpoint: the run broke off
	return !checked || other || c.Due || c.Missing > 0 || r.now.Sub(c.At) >= coverageRest
}

// cover accounts for every message that the server listed in this run (api.md 10.13), and records what is
// other than at the last check, or was checked long ago.
func (r *accountRun) cover(ctx context.Context) error {
	checks, err := r.state.Checks(ctx, r.Journal, r.Account) // one may have been asked for since the run began
	if err != nil {
		return fmt.Errorf("last checks of account %d: %w", r.Account, err)
	}
	var found []events.Event
	note := func(now events.CoverageChecked) {
		last, checked := checks[now.Mailbox]
		if !checked || last.Due || r.now.Sub(last.At) >= coverageRest || !sameCoverage(last.CoverageChecked, now) {
			found = append(found, now)
		}
	}
	for _, m := range r.mailboxes {
		if m.lookedAt == 0 {
			if _, checked := checks[m.state.ID]; !checked && m.result.Error != nil && m.listed.Status != nil {
				note(r.coverageUnopened(m))
			}
			continue
		}
		now, err := r.coverageOf(ctx, m)
		if err != nil {
			return err
		}
		note(now)
	}
	for _, m := range r.unselected {
		note(r.coverageUnselected(m))
	}
	return r.record(ctx, found)
}

// sameCoverage reports whether two checks say the same. Mail that came and went between them does not count.
func sameCoverage(a, b events.CoverageChecked) bool {
	a.Sync, a.UIDNext, b.Sync, b.UIDNext = 0, 0, 0, 0
	return reflect.DeepEqual(a, b)
}

// coverageOf accounts for the messages of a mailbox that was looked at, by UID.
func (r *accountRun) coverageOf(ctx context.Context, m *mailboxRun) (events.CoverageChecked, error) {
	known, err := r.state.KnownUIDs(ctx, r.Journal, m.state.ID)
	if err != nil {
		return events.CoverageChecked{}, fmt.Errorf("known uids of mailbox %d: %w", m.state.ID, err)
	}
	truncated, quarantine, err := r.state.Exceptions(ctx, r.Journal, m.state.ID)
	if err != nil {
		return events.CoverageChecked{}, fmt.Errorf("exceptions of mailbox %d: %w", m.state.ID, err)
	}
	stored, rest := m.server.Intersect(known), m.server.Minus(known)
	part := stored.Intersect(truncated)
	limited := rest.Intersect(m.limited)
	elsewhere := rest.Minus(limited).Intersect(m.elsewhere)
	rest = rest.Minus(limited).Minus(elsewhere)
	b := coverageBuilder{server: m.server}
	b.add(events.CoverageMissing, events.ReasonUnknown, msgMissing, rest.Minus(uidsOf(quarantine)))
	b.quarantined(quarantine, rest)
	b.add(events.CoverageExcluded, events.ReasonSyncLimit, limitMessage(r.settings), limited)
	b.add(events.CoverageExcluded, events.ReasonFolder, msgElsewhere, elsewhere)
	b.add(events.CoverageExcluded, events.ReasonSizeLimit, sizeMessage(r.opts.MaxMessage), part)
	b.now.OnServer, b.now.Stored = m.server.Count(), stored.Minus(part).Count()
	return r.checked(b.now, m.state, true, m.status), nil
}

// coverageUnselected accounts for a mailbox that is not synced: all of its messages are left out.
func (r *accountRun) coverageUnselected(m unselectedMailbox) events.CoverageChecked {
	now := coverageAs(m.status, events.CoverageException{
		Kind: events.CoverageExcluded, Reason: events.ReasonFolder, Message: msgUnselected,
	})
	now.Excluded = now.OnServer
	return r.checked(now, m.state, false, m.status)
}

// coverageUnopened accounts for a mailbox that the server has never opened: all of its messages are to be tried again.
func (r *accountRun) coverageUnopened(m *mailboxRun) events.CoverageChecked {
	now := coverageAs(*m.listed.Status, events.CoverageException{
		Kind: events.CoverageQuarantined, Reason: reasonFetchFailed, Message: msgUnopened, LastError: m.result.Error.Message,
	})
	now.Quarantined = now.OnServer
	return r.checked(now, m.state, true, *m.listed.Status)
}

// coverageAs returns a check that says one thing of all messages, which are known from STATUS alone.
func coverageAs(s domain.MailboxStatus, e events.CoverageException) events.CoverageChecked {
	now := events.CoverageChecked{CoverageCounts: events.CoverageCounts{OnServer: int(s.Messages)}, Exceptions: []events.CoverageException{}}
	if s.Messages == 0 {
		return now
	}
	e.Count, e.UIDs = int(s.Messages), "1:*"
	if s.UIDNext > 1 {
		e.UIDs = domain.UIDSet{{Lo: 1, Hi: s.UIDNext - 1}}.String()
	}
	now.Exceptions = append(now.Exceptions, e)
	return now
}

// checked fills in what a check is about.
func (r *accountRun) checked(now events.CoverageChecked, m domain.Mailbox, selected bool, s domain.MailboxStatus) events.CoverageChecked {
	now.Account, now.Mailbox, now.Sync, now.Name, now.Selected = r.Account, m.ID, r.Sync, m.Name, selected
	now.UIDValidity, now.UIDNext = s.UIDValidity, s.UIDNext
	return now
}

// Sentences of exceptions.
const (
	msgMissing     = "Not stored, and nothing says why. The next sync fetches it."
	msgUnselected  = "This folder is not synced."
	msgUnopened    = "The mail server does not open this folder."
	msgElsewhere   = "Stored in another folder."
	msgFetchFailed = "The mail server does not deliver this message."
	msgStoreFailed = "This message could not be stored."
)

// limitMessage says what a sync limit leaves out.
func limitMessage(s events.AccountSettings) string {
	if s.LimitValue == nil {
		return ""
	}
	n := *s.LimitValue
	if s.LimitType == events.LimitLastN {
		return fmt.Sprintf("Not among the newest %d messages.", n)
	}
	if n == 1 {
		return fmt.Sprintf("Older than the last %s.", strings.TrimSuffix(string(s.LimitType), "s"))
	}
	return fmt.Sprintf("Older than the last %d %s.", n, s.LimitType)
}

// sizeMessage says what the limit of octets leaves out.
func sizeMessage(octets int64) string {
	switch {
	case octets%(1<<20) == 0:
		return fmt.Sprintf("Larger than %d MiB.", octets>>20)
	case octets%(1<<10) == 0:
		return fmt.Sprintf("Larger than %d KiB.", octets>>10)
	}
	return fmt.Sprintf("Larger than %d bytes.", octets)
}

// Bounds of what an event says of exceptions, so that it fits into events.MaxPayload.
const (
	octetsOfUIDs  = 2048
	octetsOfError = 500
	maxQuarantine = 12 // exceptions; the last one is of all the others
)

// coverageBuilder counts the messages of a mailbox and names the exceptions.
type coverageBuilder struct {
	server domain.UIDSet
	now    events.CoverageChecked
}

func (b *coverageBuilder) add(kind, reason, message string, uids domain.UIDSet) {
	b.exception(events.CoverageException{Kind: kind, Reason: reason, Message: message}, uids)
}

func (b *coverageBuilder) exception(e events.CoverageException, uids domain.UIDSet) {
	if b.now.Exceptions == nil {
		b.now.Exceptions = []events.CoverageException{}
	}
	if len(uids) == 0 {
		return
	}
	e.Count, e.UIDs = uids.Count(), setText(uids, b.server)
	switch e.Kind {
	case events.CoverageExcluded:
		b.now.Excluded += e.Count
	case events.CoverageQuarantined:
		b.now.Quarantined += e.Count
	default:
		b.now.Missing += e.Count
	}
	b.now.Exceptions = append(b.now.Exceptions, e)
}

// quarantined names the messages in quarantine that are in a set, those alike together.
func (b *coverageBuilder) quarantined(all []QuarantineRow, in domain.UIDSet) {
	type likeness struct {
		reason, err string
		next        time.Time
	}
	groups := map[likeness][]domain.UID{}
	for _, q := range all {
		if in.Contains(q.UID) {
			like := likeness{q.Reason, cutText(q.LastError, octetsOfError), q.NextAt.UTC()}
			groups[like] = append(groups[like], q.UID)
		}
	}
	keys := make([]likeness, 0, len(groups))
	for like := range groups {
		keys = append(keys, like)
	}
	slices.SortFunc(keys, func(a, b likeness) int {
		return cmp.Or(a.next.Compare(b.next), cmp.Compare(a.reason, b.reason), cmp.Compare(a.err, b.err))
	})
	for i, like := range keys {
		if i >= maxQuarantine {
			groups[keys[maxQuarantine-1]] = append(groups[keys[maxQuarantine-1]], groups[like]...)
		}
	}
	for _, like := range keys[:min(len(keys), maxQuarantine)] {
		e := events.CoverageException{
			Kind: events.CoverageQuarantined, Reason: like.reason, Message: msgFetchFailed, LastError: like.err, NextAt: &like.next,
		}
		if e.Reason == reasonStoreFailed {
			e.Message = msgStoreFailed
		}
		b.exception(e, domain.UIDs(groups[like]...))
	}
}

// cutText returns at most n octets of a text, whole characters.
func cutText(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

func uidsOf(rows []QuarantineRow) domain.UIDSet {
	uids := make([]domain.UID, len(rows))
	for i, q := range rows {
		uids[i] = q.UID
	}
	return domain.UIDs(uids...)
}

// setText writes a set of UIDs. One that is too long spans UIDs which the server does not list; if that
// does not do, its highest are left out.
func setText(set, server domain.UIDSet) string {
	text := set.String()
	if len(text) <= octetsOfUIDs {
		return text
	}
	others := server.Minus(set)
	span := domain.UIDSet{set[0]}
	for _, next := range set[1:] {
		last := &span[len(span)-1]
		for len(others) > 0 && others[0].Hi < last.Lo {
			others = others[1:]
		}
		if len(others) == 0 || others[0].Lo > next.Hi { // nothing between them
			last.Hi = next.Hi
		} else {
			span = append(span, next)
		}
	}
	if text = span.String(); len(text) <= octetsOfUIDs {
		return text
	}
	return text[:strings.LastIndexByte(text[:octetsOfUIDs+1], ',')]
}
