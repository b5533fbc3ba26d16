package main

import (
	"context"
	"time"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/adapters/httpapi"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

const (
	historyModel     = "history"
	historyPatience  = time.Minute     // lets a sync go first: what was is asked for later than what is
	historyStillness = 3 * time.Second // after the search
)

func (s *system) historyTask() projections.Task {
	history := projections.History(s.contents)
	task := projections.Bind(history, eventlog.NewReadModel(s.events, eventlog.ModelOptions[projections.HistoryStore]{
		Name: historyModel, Tables: postgres.HistoryTables, Indexes: postgres.HistoryIndexes,
		HashTables: postgres.HistoryTableNames, NewStore: postgres.NewHistoryStore, Aside: true,
	}))
	task.Patience, task.Stillness = historyPatience, historyStillness
	return task
}

// wireHistory lets the queries of mail and accounts be asked as of a moment: the same handlers,
// over readers of the history.
func (s *system) wireHistory(app *httpapi.App) {
	o, l := s.metrics, s.log
	app.FindMoment = observe(o, l, "find_moment", queries.NewFindMoment(s.events, historyModel, now).Handle)
	app.AsOf = func(pos events.Position) httpapi.Views {
		mail, boxes, accounts := s.history.Mail(pos), s.history.Mailboxes(pos), s.history.Accounts(pos)
		return httpapi.Views{
			GetAccount:    observe(o, l, "get_account_as_of", queries.NewGetAccount(accounts).Handle),
			GetMessage:    observe(o, l, "get_message_as_of", queries.NewGetMessage(mail).Handle),
			GetThread:     observe(o, l, "get_thread_as_of", queries.NewGetThread(mail).Handle),
			ListMessages:  observe(o, l, "list_messages_as_of", queries.NewListMessages(mail, boxes, s.engines(), searchNames{s.mailboxes, s.accounts}, marker{}, now).Handle),
			GetStatistics: observe(o, l, "get_statistics_as_of", queries.NewGetStatistics(mail).Handle),
			ListFolders:   observe(o, l, "list_folders_as_of", queries.NewListFolders(foldersOf{mail}).Handle),
		}
	}
}

// foldersOf knows the folders that hold emails from the totals of the emails.
type foldersOf struct{ *postgres.MailReader }

// FolderCounts answers queries.ListFolders.
func (f foldersOf) FolderCounts(ctx context.Context, q queries.ListFolders) ([]queries.FolderCount, error) {
	totals, err := f.Statistics(ctx, queries.GetStatistics(q))
	return totals.Folders, err
}
