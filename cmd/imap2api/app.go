package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/imap2api/imap2api/adapters/httpapi"
	"github.com/imap2api/imap2api/adapters/mailparse"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// app wires the API.
func (s *system) app() httpapi.App {
	app := httpapi.App{
		Sanitize: mailparse.Sanitize,
		WaitFor:  s.waitFor,
		Grown:    s.events.Grown,
		Ready:    s.ready,
		Metrics:  s.metrics.text,
	}
	s.wireTokens(&app)
	s.wireAccounts(&app)
	s.wireMail(&app)
	s.wireHistory(&app)
	s.wireEvents(&app)
	app.Gmail = s.gmail()
	s.wireWebhooks(&app)
	return app
}

func (s *system) wireTokens(app *httpapi.App) {
	o, l := s.metrics, s.log
	login := commands.NewLogIn(s.journal, s.users, now)
	app.Authenticate = observe(o, l, "authenticate", queries.NewAuthenticate(s.principals).Handle)
	app.LogIn = observe(o, l, "log_in", login.Handle)
	app.ListTokens = observe(o, l, "list_tokens", queries.NewListTokens(s.tokens).Handle)
	app.GetToken = observe(o, l, "get_token", queries.NewGetToken(s.tokens).Handle)
	app.CreateToken = observe(o, l, "create_token", commands.NewCreateToken(s.journal, now).Handle)
	app.ChangeToken = observe(o, l, "change_token", commands.NewChangeToken(s.journal, s.principals).Handle)
	app.RevokeToken = observe(o, l, "revoke_token", commands.NewRevokeToken(s.journal, s.principals).Handle)
	app.ListUsers = observe(o, l, "list_users", queries.NewListUsers(s.users).Handle)
}

func (s *system) wireAccounts(app *httpapi.App) {
	o, l := s.metrics, s.log
	app.ListAccounts = observe(o, l, "list_accounts", queries.NewListAccounts(s.accounts).Handle)
	app.GetAccount = observe(o, l, "get_account", queries.NewGetAccount(s.accounts).Handle)
	add := commands.NewAddAccount(s.journal, s.secrets, now)
	app.AddAccount = observe(o, l, "add_account", func(ctx context.Context, cmd commands.AddAccount) (commands.AccountRecorded, error) {
		defer s.queue.Notify() // the first sync may begin
		return add.Handle(ctx, cmd)
	})
	app.ChangeAccount = observe(o, l, "change_account", commands.NewChangeAccount(s.journal, s.secrets, now).Handle)
	app.EraseAccount = observe(o, l, "erase_account", commands.NewEraseAccount(s.journal, s.eraser).Handle)
	app.AccountFolders = observe(o, l, "account_folders", queries.NewAccountFolders(s.mailboxes).Handle)
	app.TestConnection = observe(o, l, "test_connection", commands.NewTestConnection(s.source, s.passwords).Handle)
	app.RequestSync = observe(o, l, "request_sync", s.requestSync().Handle)
	app.CancelSync = observe(o, l, "cancel_sync", commands.NewCancelSync(s.queue).Handle)
	app.ListSyncRuns = observe(o, l, "list_sync_runs", queries.NewListSyncRuns(s.accounts).Handle)
	app.GetSyncRun = observe(o, l, "get_sync_run", queries.NewGetSyncRun(s.accounts).Handle)
	app.RunningSyncs = observe(o, l, "list_running_syncs", queries.NewListRunningSyncs(s.accounts).Handle)
	s.wireSignIns(app)
	app.AccountCoverage = observe(o, l, "account_coverage", queries.NewGetAccountCoverage(s.accounts, now).Handle)
	app.CheckCoverage = observe(o, l, "check_coverage", commands.NewCheckCoverage(s.journal, s.requestSync()).Handle)
}

func (s *system) wireMail(app *httpapi.App) {
	o, l := s.metrics, s.log
	raw := queries.NewGetRaw(s.mail, s.raws)
	app.ListMessages = observe(o, l, "list_messages", queries.NewListMessages(s.mail, s.mailboxes, s.engines(), searchNames{s.mailboxes, s.accounts}, marker{}, now).Handle)
	app.GetMessage = observe(o, l, "get_message", queries.NewGetMessage(s.mail).Handle)
	app.GetThread = observe(o, l, "get_thread", queries.NewGetThread(s.mail).Handle)
	app.GetRaw = observe(o, l, "get_raw", raw.Handle)
	app.GetAttachment = observe(o, l, "get_attachment", queries.NewGetAttachment(raw, parts{s.parser}).Handle)
	app.ListFolders = observe(o, l, "list_folders", queries.NewListFolders(s.mailboxes).Handle)
	app.GetStatistics = observe(o, l, "get_statistics", queries.NewGetStatistics(s.mail).Handle)
}

func (s *system) wireEvents(app *httpapi.App) {
	o, l := s.metrics, s.log
	models := queries.NewListModels(s.events)
	app.ListEvents = observe(o, l, "list_events", queries.NewListEvents(s.events).Handle)
	app.GetEvent = observe(o, l, "get_event", queries.NewGetEvent(s.events).Handle)
	app.GetPositions = observe(o, l, "get_positions", queries.NewGetPositions(s.events).Handle)
	app.GetHead = observe(o, l, "get_head", queries.NewGetHead(s.events, s.secrets).Handle)
	app.ListModels = observe(o, l, "list_models", models.Handle)
	app.GetModel = observe(o, l, "get_model", models.Get)
	app.RebuildModel = observe(o, l, "rebuild_model", commands.NewRebuildModel(s.events).Handle)
	app.RollBackModel = observe(o, l, "roll_back_model", commands.NewRollBackModel(s.events).Handle)
}

// waitFor blocks until the read models contain a position, at most two seconds.
func (s *system) waitFor(ctx context.Context, journal events.JournalID, pos events.Position) {
	var names []string
	for _, t := range s.tasks {
		if t.Name != historyModel { // waited for by who asks as of a moment
			names = append(names, t.Name)
		}
	}
	if err := s.events.WaitFor(ctx, journal, pos, names); err != nil && ctx.Err() == nil {
		s.log.Debug("read models lag behind an answer", slog.Int64("journal", int64(journal)), slog.Any("err", err))
	}
}

// lagging is how old an event that is not applied may be before readiness says so.
const lagging = 60.0 // seconds

// ready reports what is not ready.
func (s *system) ready(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	checks := map[string]string{"event_store": "ok", "projections": "ok", "migrations": "ok"}
	models, err := queries.NewListModels(s.events).Handle(ctx, queries.ListModels{})
	if err != nil {
		checks["event_store"], checks["projections"] = "failed", "failed"
	}
	if err := postgres.CheckSchema(ctx, s.db.pool); err != nil {
		checks["migrations"] = "failed"
	}
	for _, m := range models {
		switch {
		case m.Generation == 0:
			checks["projections"] = "failed"
		case m.LagSeconds > lagging && checks["projections"] == "ok":
			checks["projections"] = "lagging"
		}
	}
	return checks
}
