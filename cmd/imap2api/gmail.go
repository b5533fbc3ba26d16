package main

import (
	"context"

	"github.com/imap2api/imap2api/adapters/gmailapi"
	"github.com/imap2api/imap2api/adapters/httpapi"
	"github.com/imap2api/imap2api/commands"
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
	labels := queries.NewListLabels(s.mail, s.mailboxes)
	find := queries.NewFindMessages(s.mail, s.mailboxes, searchNames{s.mailboxes, s.accounts}, now)
	return gmailapi.App{
		FindMailbox:    observe(o, l, "find_mailbox", queries.NewFindMailbox(s.accounts).Handle),
		GetProfile:     observe(o, l, "get_profile", queries.NewGetProfile(s.accounts, s.mail, s.events).Handle),
		ListLabels:     observe(o, l, "list_labels", labels.Handle),
		GetLabel:       observe(o, l, "get_label", labels.Get),
		FindMessages:   observe(o, l, "find_messages", find.Handle),
		GetEntries:     observe(o, l, "get_entries", queries.NewGetEntries(s.mail, s.mailboxes).Handle),
		GetSources:     observe(o, l, "get_sources", queries.NewGetSources(s.raws, s.parser).Handle),
		PlanChanges:    observe(o, l, "plan_changes", queries.NewPlanChanges(s.accounts, s.mail, s.mailboxes, s.events).Handle),
		ChangeMessages: observe(o, l, "change_messages", commands.NewChangeMessages(s.journal, s.journal, s.journal, s.requestSync(), now).Handle),
		WaitFor:        s.waitFor,
		GetHistory:     observe(o, l, "get_history", queries.NewGetHistory(s.events, s.events, s.mail, s.mailboxes).Handle),
	}
}
