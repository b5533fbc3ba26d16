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
func build(ctx context.Context, c *config, db *database, log *slog.Logger) (*system, error) {
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
	if err := s.preferMeilisearch(ctx); err != nil {
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
