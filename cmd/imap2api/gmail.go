package main

import (
	"context"
	"errors"
	"slices"

	"github.com/imap2api/imap2api/adapters/gmailapi"
	"github.com/imap2api/imap2api/adapters/httpapi"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// gmail wires the Gmail surface into the API.
func (s *system) gmail() httpapi.Gmail {
	h := gmailapi.NewHandler(s.gmailApp())
	return httpapi.Gmail{
		Route: h.Route,
		Serve: func(ctx context.Context, r httpapi.GmailRequest) (httpapi.GmailAnswer, error) {
			answer, err := h.Serve(ctx, gmailapi.Request(r))
			return httpapi.GmailAnswer(answer), err
		},
		Fail: func(f httpapi.GmailFailure) httpapi.GmailAnswer {
			return httpapi.GmailAnswer(h.Fail(gmailapi.Failure(f)))
		},
	}
}

func (s *system) gmailApp() gmailapi.App {
	o, l := s.metrics, s.log
	watch := commands.NewWatchMailbox(postgres.NewMailWatches(s.db.pool, now), s.webhooks.queue, now)
	labels := queries.NewListLabels(s.mail, s.mailboxes)
	find := queries.NewFindMessages(s.mail, s.mailboxes, searchNames{s.mailboxes, s.accounts}, now)
	return gmailapi.App{
		FindMailbox:    observe(o, l, "find_mailbox", queries.NewFindMailbox(s.accounts).Handle),
		GetProfile:     observe(o, l, "get_profile", queries.NewGetProfile(s.accounts, s.mail, s.events).Handle),
		ListLabels:     observe(o, l, "list_labels", labels.Handle),
		GetLabel:       observe(o, l, "get_label", labels.Get),
		FindMessages:   observe(o, l, "find_messages", find.Handle),
		OpenMessage:    observe(o, l, "open_message", queries.NewOpenMessage(postgres.NewMessageOpener(s.db.pool, s.tasks[0].Version, s.tasks[1].Version), s.parser).Handle),
		GetEntries:     observe(o, l, "get_entries", queries.NewGetEntries(s.mail, s.mailboxes).Handle),
		GetSources:     observe(o, l, "get_sources", queries.NewGetSources(s.raws, s.parser).Handle),
		PlanChanges:    observe(o, l, "plan_changes", queries.NewPlanChanges(s.accounts, s.mail, s.mailboxes, s.events).Handle),
		ChangeMessages: observe(o, l, "change_messages", commands.NewChangeMessages(s.journal, s.journal, s.journal, s.requestSync(), now).Handle),
		WatchMailbox:   observe(o, l, "watch_mailbox", watch.Handle),
		StopWatching:   observe(o, l, "stop_watching", watch.Stop),
		WaitFor:        s.waitFor,
		GetHistory:     observe(o, l, "get_history", s.gmailHistory().Handle),
	}
}

// mailTeller returns what tells webhooks of mailboxes that are watched.
func (s *system) mailTeller() *commands.MailTeller {
	news := mailNews{s.webhooks.public, s.gmailHistory()}
	return commands.NewMailTeller(postgres.NewMailWatches(s.db.pool, now), s.webhooks.queue, s.webhooks.sender, news, now, s.log)
}

func (s *system) gmailHistory() *queries.GetHistoryHandler {
	return queries.NewGetHistory(s.events, s.events, s.mail, s.mailboxes)
}

// mailNews looks for changes in the histories of mailboxes.
type mailNews struct {
	publicEvents
	history *queries.GetHistoryHandler
}

// newsAtOnce is how many changes are looked at in a step.
const newsAtOnce = 100

// News reports whether something has changed that a watch is about, and up to which position it has looked: where the read model is.
func (n mailNews) News(ctx context.Context, w commands.MailWatch) (changed bool, until events.Position, err error) {
	asked := []string{""}
	if len(w.Labels) > 0 && !w.Excluded {
		asked = w.Labels
	}
	for _, label := range asked {
		q := queries.GetHistory{Journal: w.Journal, Accounts: w.Accounts, After: w.Told, Until: until, Label: label, Limit: newsAtOnce}
		for q.After < until || until == 0 {
			history, err := n.history.Handle(ctx, q)
			if errors.Is(err, domain.ErrNotFound) { // the read model is not there yet
				return false, w.Told, nil
			}
			if err != nil {
				return false, 0, err
			}
			until = history.Until
			if slices.ContainsFunc(history.Changes, func(c queries.Change) bool { return !w.Excluded || !hasLabel(c, w.Labels) }) {
				return true, until, nil
			}
			if history.Next == 0 {
				break
			}
			q.After, q.Until = history.Next, until
		}
	}
	return false, until, nil
}

// hasLabel reports whether a message has, or had before the change, one of some labels.
func hasLabel(c queries.Change, labels []string) bool {
	return slices.ContainsFunc(slices.Concat(c.Labels, c.Removed), func(l string) bool { return slices.Contains(labels, l) })
}
