package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/imap2api/imap2api/domain"
)

// archives reports whether m is the mailbox of all mail, of which only those messages
// count that are in no other mailbox (api.md 9.3).
func (r *accountRun) archives(m *mailboxRun) bool {
	return m.listed.Role == domain.RoleAll && r.settings.Folders == ""
}

// archived returns the mailbox of all mail, an empty one if it is not synced as such.
func (r *accountRun) archived() *mailboxRun {
	if i := slices.IndexFunc(r.mailboxes, r.archives); i >= 0 {
		return r.mailboxes[i]
	}
	return &mailboxRun{}
}

// keepArchived leaves out of what is to be fetched from the mailbox of all mail what is in another one.
func (r *accountRun) keepArchived(ctx context.Context, m *mailboxRun) error {
	if len(m.todo) == 0 {
		return nil
	}
	heads := map[domain.Key][]domain.UID{}
	err := r.conn.Headers(ctx, m.todo, func(h MessageHead) error {
		if key := domain.MsgKey(h.MsgID); key != (domain.Key{}) {
			heads[key] = append(heads[key], h.UID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var elsewhere []domain.UID
	err = r.knownByKey(ctx, slices.Collect(maps.Keys(heads)), func(k KnownAt) {
		if k.Mailbox != m.state.ID && r.stillThere(k) {
			elsewhere = append(elsewhere, heads[k.MsgKey]...)
		}
	})
	before := m.todo.Count()
	m.elsewhere = domain.UIDs(elsewhere...)
	m.todo = m.todo.Minus(m.elsewhere)
	r.progress.update(func(p *SyncProgress) { p.MessagesTotal -= before - m.todo.Count() })
	return err
}

// knownByKey calls fn with the stored messages that have one of the keys.
func (r *accountRun) knownByKey(ctx context.Context, keys []domain.Key, fn func(KnownAt)) error {
	for batch := range slices.Chunk(keys, 1000) {
		known, err := r.state.KnownByMsgKey(ctx, r.Journal, r.Account, batch)
		if err != nil {
			return fmt.Errorf("messages elsewhere: %w", err)
		}
		for _, k := range known {
			fn(k)
		}
	}
	return nil
}

// stillThere reports whether a stored message is where it was, as far as this run knows.
func (r *accountRun) stillThere(k KnownAt) bool {
	for _, o := range r.mailboxes {
		if o.state.ID == k.Mailbox {
			return o.skip || o.lookedAt == 0 || o.server.Contains(k.UID)
		}
	}
	return !slices.ContainsFunc(r.gone, func(g domain.Mailbox) bool { return g.ID == k.Mailbox })
}

// unarchived adds to gone what is new in m and was stored in the mailbox of all mail:
// there it is still, and does not count any more.
func (r *accountRun) unarchived(ctx context.Context, m *mailboxRun, heads map[trace][]domain.UID, gone map[trace][]left) error {
	all := r.archived()
	if all == m || len(all.known) == 0 {
		return nil
	}
	var keys []domain.Key
	for t := range heads {
		if t.key != (domain.Key{}) && len(gone[t]) == 0 {
			keys = append(keys, t.key)
		}
	}
	return r.knownByKey(ctx, keys, func(k KnownAt) {
		t := trace{k.MsgKey, k.Size, k.InternalDate.UTC()}
		if k.Mailbox == all.state.ID && len(heads[t]) > 0 {
			gone[t] = append(gone[t], left{all.state, k.UID, k.Known})
		}
	})
}
