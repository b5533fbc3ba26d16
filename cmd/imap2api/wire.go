package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/adapters/httpapi"
	"github.com/imap2api/imap2api/adapters/imapsource"
	"github.com/imap2api/imap2api/adapters/lexeme"
	"github.com/imap2api/imap2api/adapters/mailparse"
	"github.com/imap2api/imap2api/adapters/meili"
	"github.com/imap2api/imap2api/adapters/oauth"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/adapters/sampleserver"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// parser gives the mail parser the shape that commands want.
type parser struct{ *mailparse.Parser }

// ParserVersion returns the version of the parser.
func (parser) ParserVersion() int { return mailparse.Version }

// parts gives it the shape that queries want.
type parts struct{ *mailparse.Parser }

// Part returns an attachment of a raw message.
func (p parts) Part(ctx context.Context, raw []byte, section string) (queries.Part, bool) {
	part, ok := p.Parser.Part(ctx, raw, section)
	return queries.Part{FileName: part.FileName, ContentType: part.ContentType, Octets: part.Octets}, ok
}

// system is everything the program is made of, wired top to bottom.
type system struct {
	config  *config
	log     *slog.Logger
	db      *database
	metrics *metrics

	events     *eventlog.Log
	journal    *eventlog.Journal
	tasks      []projections.Task
	contents   *postgres.Contents
	raws       *postgres.RawStore
	secrets    *postgres.Secrets
	principals *postgres.Principals
	users      *postgres.Users
	queue      *postgres.Queue
	tokens     *postgres.Tokens
	passwords  *commands.AccessTokens
	grants     *postgres.Grants
	grantBook  *commands.GrantWriter
	oauth      *oauth.Service
	parser     *mailparse.Parser
	source     *imapsource.Source
	lines      *commands.Connections
	watches    *postgres.Watches
	eraser     *eraser
	sessions   *postgres.Sessions
	proxies    httpapi.Proxies
	limits     *httpapi.Limits
	traffic    *traffic
	witness    *witness
	sample     *sampleserver.Server // nil: no demonstration
	webhooks   *webhooks

	mail      *postgres.MailReader
	search    *postgres.SearchReader
	meili     *meili.Engine // nil: not used
	mailboxes *postgres.MailboxReader
	accounts  *postgres.AccountReader
	history   *postgres.HistoryReader
}

// build wires the system over an open database.
func build(c *config, db *database, log *slog.Logger) (*system, error) {
	s := &system{config: c, log: log, db: db, metrics: newMetrics()}
	roots, err := certificates(c.imapCAFile)
	if err != nil {
		return nil, err
	}
	if s.secrets, err = postgres.OpenKeyset(c.keyFile(), log); err != nil {
		return nil, fmt.Errorf("open secret key: %w", err)
	}
	s.events = eventlog.New(db.pool, eventlog.Options{
		Logger: log, Compress: c.payloadCompression == "zstd", Appended: s.metrics.wasAppended,
	})
	s.journal = s.events.Journal()
	s.parser = mailparse.New(mailparse.Options{})
	s.raws = postgres.NewRawStore(db.pool, mailparse.Version, now)
	s.contents = postgres.NewContents(db.pool, s.raws, parser{s.parser})
	s.principals = postgres.NewPrincipals(db.pool, now, log)
	s.users = postgres.NewUsers(db.pool, s.secrets)
	s.queue = postgres.NewQueue(db.pool, postgres.QueueOptions{Now: now})
	s.tokens = postgres.NewTokens(db.pool)
	s.grants = postgres.NewGrants(db.pool, s.secrets)
	if s.oauth, err = c.oauthService(); err != nil {
		return nil, err
	}
	s.grantBook = commands.NewGrantWriter(s.journal, s.grants, now)
	s.passwords = commands.NewAccessTokens(postgres.NewAccountPasswords(db.pool, s.secrets), s.grants, s.grantBook, s.oauth, now, log)
	s.source = imapsource.New(imapsource.Options{BlockedNetworks: c.blocked, RootCAs: roots, Logger: log, Version: version()})
	s.sessions = postgres.NewSessions(db.pool, now)
	s.proxies = httpapi.NewProxies(splitList(c.trustedProxies))
	s.limits = httpapi.NewLimits(time.Now)
	s.traffic = newTraffic(time.Now)
	s.lines = commands.NewConnections(s.source)
	s.watches = postgres.NewWatches(s.queue)
	s.eraser = newEraser(s.events.Erase, log)
	s.witness = newWitness(s)
	s.tasks = []projections.Task{
		s.mailTask(),
		projections.Bind(projections.Mailboxes, eventlog.NewReadModel(s.events, eventlog.ModelOptions[projections.MailboxStore]{
			Name: projections.Mailboxes.Name, Tables: postgres.MailboxesTables, Indexes: postgres.MailboxesIndexes,
			HashTables: postgres.MailboxesTableNames, NewStore: postgres.NewMailboxStore,
		})),
		projections.Bind(projections.Accounts, eventlog.NewReadModel(s.events, eventlog.ModelOptions[projections.AccountStore]{
			Name: projections.Accounts.Name, Tables: postgres.AccountsTables, Indexes: postgres.AccountsIndexes,
			HashTables: postgres.AccountsTableNames, NewStore: postgres.NewAccountStore,
		})),
		s.searchTask(),
		s.historyTask(),
	}
	if err := s.preferMeilisearch(); err != nil {
		return nil, err
	}
	s.events.Register(s.tasks...)
	s.search = postgres.NewSearchReader(db.pool, s.tasks[3].Version, s.tasks[0].Version, lexer)
	s.mail = postgres.NewMailReader(db.pool, s.tasks[0].Version, s.contents, s.search)
	s.mailboxes = postgres.NewMailboxReader(db.pool, s.tasks[1].Version)
	s.accounts = postgres.NewAccountReader(db.pool, s.tasks[2].Version)
	s.metrics.watches.all = s.watches.All
	s.history = postgres.NewHistoryReader(db.pool, s.tasks[4].Version, s.contents)
	s.metrics.models = queries.NewListModels(s.events).Handle
	s.buildWebhooks()
	s.metrics.lags = queries.NewListWebhookLags(s.webhooks.reader).Handle
	return s, nil
}

// readsMail is what messages are read with for the read models, readsWords for what is searched.
var (
	readsMail  = fmt.Sprintf("parser %d", mailparse.Version)
	readsWords = fmt.Sprintf("%s, words %d", readsMail, lexeme.Version)
)

func (s *system) mailTask() projections.Task {
	mail := projections.Mail(s.contents)
	return projections.Bind(mail, eventlog.NewReadModel(s.events, eventlog.ModelOptions[projections.MailStore]{
		Name: mail.Name, Reads: readsMail, Tables: postgres.MailTables, Indexes: postgres.MailIndexes,
		HashTables: postgres.MailTableNames, NewStore: postgres.NewMailStore,
	}))
}

// certificates returns the system's authorities and those of a file; nil: the system's.
func certificates(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{fmt.Errorf("imap-ca-file: %w", err)}
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, usageError{fmt.Errorf("imap-ca-file: no certificate in %s", file)}
	}
	return roots, nil
}

// consumer returns what keeps the read models up to date.
func (s *system) consumer() *eventlog.Consumer {
	return eventlog.NewConsumer(s.events, s.tracedTasks(), eventlog.ConsumerOptions{
		Shards: s.config.projectionShards, Observe: s.metrics.caughtUp,
		Reactions: []eventlog.Reaction{s.webhooks.reaction(s.events)},
	})
}

// syncAccount returns what carries out one sync run.
func (s *system) syncAccount() *commands.SyncAccountHandler {
	return commands.NewSyncAccount(s.journal, s.journal, s.lines, s.passwords, s.raws, parser{s.parser}, commands.SyncOptions{
		MaxMessage: s.config.maxMessage, Parsers: max(2, runtime.GOMAXPROCS(0)), Now: now, Logger: s.log,
	})
}

// syncer returns what carries out sync runs.
func (s *system) syncer() *commands.Syncer {
	return commands.NewSyncer(s.queue, s.syncAccount(), commands.SyncerOptions{Workers: s.config.syncWorkers, Logger: s.log, Begin: s.tracedSync()})
}

// watcher returns what waits for changes on mail servers.
func (s *system) watcher() *commands.Watcher {
	return commands.NewWatcher(s.watches, s.lines, s.journal, s.passwords, commands.WatcherOptions{
		Round: s.config.watchRound, Now: now, Logger: s.log,
	})
}

// overseer returns what sees to syncs that hang and accounts that are overdue.
func (s *system) overseer() *commands.Overseer {
	return commands.NewOverseer(s.journal, s.queue, commands.OverseerOptions{
		StallAfter: s.config.syncStallAfter, OverdueAfter: s.config.syncOverdueAfter, Now: now, Logger: s.log,
	})
}

// now is the clock: UTC, in microseconds as Postgres keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// requestSync returns the handler that queues runs.
func (s *system) requestSync() *commands.RequestSyncHandler {
	return commands.NewRequestSync(s.journal, s.queue)
}

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

// addUser makes a user with a password.
func (s *system) addUser(ctx context.Context, name, password string, admin bool) (domain.UserID, error) {
	return commands.NewAddUser(s.journal, s.users, now).Handle(ctx, commands.AddUser{
		Meta: commandLine(), Name: name, PasswordHash: postgres.HashPassword(password), Admin: admin,
	})
}

// commandLine is who acts when an operator does.
func commandLine() events.Meta {
	return events.Meta{Actor: events.Actor{Kind: events.ActorAdmin, Name: "command line"}}
}
