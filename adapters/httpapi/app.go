package httpapi

import (
	"context"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// Views are the queries that are also answered as of a moment.
type Views struct {
	GetAccount    func(context.Context, queries.GetAccount) (queries.Account, error)
	ListMessages  func(context.Context, queries.ListMessages) (queries.Page[queries.Message], error)
	GetMessage    func(context.Context, queries.GetMessage) (queries.MessageDetail, error)
	GetThread     func(context.Context, queries.GetThread) (queries.Thread, error)
	ListFolders   func(context.Context, queries.ListFolders) ([]queries.FolderCount, error)
	GetStatistics func(context.Context, queries.GetStatistics) (queries.Statistics, error)
}

// App is what the API drives: one function for each command and query.
type App struct {
	Views
	Authenticate func(context.Context, queries.Authenticate) (queries.Principal, error)
	LogIn        func(context.Context, commands.LogIn) (string, error)

	ListTokens  func(context.Context, queries.ListTokens) (queries.Page[queries.Token], error)
	GetToken    func(context.Context, queries.GetToken) (queries.Token, error)
	CreateToken func(context.Context, commands.CreateToken) (commands.TokenCreated, error)
	ChangeToken func(context.Context, commands.ChangeToken) (events.Position, error)
	RevokeToken func(context.Context, commands.RevokeToken) (events.Position, error)

	ListAccounts   func(context.Context, queries.ListAccounts) (queries.Page[queries.Account], error)
	AddAccount     func(context.Context, commands.AddAccount) (commands.AccountRecorded, error)
	ChangeAccount  func(context.Context, commands.ChangeAccount) (events.Position, error)
	EraseAccount   func(context.Context, commands.EraseAccount) (events.Position, error)
	AccountFolders func(context.Context, queries.AccountFolders) ([]queries.Folder, error)
	TestConnection func(context.Context, commands.TestConnection) (commands.Probe, error)

	RequestSync  func(context.Context, commands.RequestSync) (commands.SyncOutcome, error)
	CancelSync   func(context.Context, commands.CancelSync) (events.Position, error)
	ListSyncRuns func(context.Context, queries.ListSyncRuns) (queries.Page[queries.SyncRun], error)
	GetSyncRun   func(context.Context, queries.GetSyncRun) (queries.SyncRun, error)
	RunningSyncs func(context.Context, queries.ListRunningSyncs) ([]queries.RunningSync, error)

	OAuthProviders      func() []commands.OAuthProvider
	GetGrant            func(context.Context, queries.GetGrant) (queries.Grant, error)
	BeginAuthorization  func(context.Context, commands.BeginAuthorization) (commands.AuthorizationBegun, error)
	LookAuthorization   func(ctx context.Context, state string) (commands.AuthorizationAsked, error)
	FinishAuthorization func(context.Context, commands.FinishAuthorization) (commands.AuthorizationEnded, error)
	PutGrant            func(context.Context, commands.PutGrant) (events.Position, error)
	DropGrant           func(context.Context, commands.DropGrant) (events.Position, error)

	AccountCoverage func(context.Context, queries.GetAccountCoverage) (queries.AccountCoverage, error)
	CheckCoverage   func(context.Context, commands.CheckCoverage) (commands.SyncOutcome, error)

	GetRaw        func(context.Context, queries.GetRaw) (queries.Raw, error)
	GetAttachment func(context.Context, queries.GetAttachment) (queries.Part, error)

	// FindMoment and AsOf answer what is asked as of a moment (api.md 10.7).
	FindMoment func(context.Context, queries.FindMoment) (events.Position, error)
	AsOf       func(events.Position) Views

	ListEvents   func(context.Context, queries.ListEvents) (queries.EventPage, error)
	GetEvent     func(context.Context, queries.GetEvent) (events.Recorded, error)
	GetPositions func(context.Context, queries.GetPositions) (queries.Positions, error)
	GetHead      func(context.Context, queries.GetHead) (events.SignedHead, error)

	ListWebhooks        func(context.Context, queries.ListWebhooks) (queries.Page[queries.Webhook], error)
	GetWebhook          func(context.Context, queries.GetWebhook) (queries.Webhook, error)
	CreateWebhook       func(context.Context, commands.CreateWebhook) (commands.WebhookCreated, error)
	ChangeWebhook       func(context.Context, commands.ChangeWebhook) (events.Position, error)
	RemoveWebhook       func(context.Context, commands.RemoveWebhook) (events.Position, error)
	RotateWebhookSecret func(context.Context, commands.RotateWebhookSecret) (commands.SecretRotated, error)
	TestWebhook         func(context.Context, commands.TestWebhook) (commands.Attempt, error)
	RecoverWebhook      func(context.Context, commands.RecoverWebhook) (int, error)
	ListDeliveries      func(context.Context, queries.ListDeliveries) (queries.Page[queries.Delivery], error)
	GetDelivery         func(context.Context, queries.GetDelivery) (queries.DeliveryDetail, error)
	Redeliver           func(context.Context, commands.Redeliver) (domain.DeliveryID, error)
	// CheckTarget judges the URL of a webhook. It returns a *domain.FieldError.
	CheckTarget func(url string) error

	ListUsers  func(context.Context, queries.ListUsers) ([]queries.User, error)
	ListModels func(context.Context, queries.ListModels) ([]queries.Model, error)
	GetModel   func(context.Context, queries.GetModel) (queries.Model, error)

	RebuildModel  func(context.Context, commands.RebuildModel) (string, error)
	RollBackModel func(context.Context, commands.RollBackModel) (int, error)

	Gmail Gmail

	// WaitFor blocks until everything readable contains a journal up to a position, at most two seconds.
	WaitFor func(ctx context.Context, journal events.JournalID, pos events.Position)
	// Grown returns a channel that is closed when a journal next grows: for long polls and streams.
	Grown func(journal events.JournalID) <-chan struct{}
	// Ready reports what is not ready: event_store, projections, migrations, each ok, failed or lagging.
	Ready func(context.Context) map[string]string
	// Sanitize takes out of HTML what could act.
	Sanitize func(html string) string
	// Metrics writes Prometheus text; nil: there is none.
	Metrics func(context.Context) ([]byte, error)
}

// Options are the settings of the API; see api.md 13 and operations.md 2.
type Options struct {
	Version     string // of the program
	Development bool   // env=development
	PublicURL   string // "": from the request
	// RequireHTTPS refuses plain HTTP.
	RequireHTTPS bool
	Proxies      Proxies  // the zero value: none
	CORSOrigins  []string // exact origins, or "*"
	OAuthReturns []string // origins that a browser may go to after a sign-in
	MaxBody      int64    // octets
	SyncWait     time.Duration
	DocsEnabled  bool
	StallAfter   time.Duration // without progress a running sync is stalled; 0: ten minutes
	MetricsToken string
	// Observe, if set, is told of each answer: context of the request, pattern of the route, method, status.
	Observe        func(ctx context.Context, route, method string, status int, took time.Duration)
	ProbesOnly     bool // health, readiness and metrics alone: the process has other work
	LimitUser      Limit
	LimitAnonymous Limit
	LimitGmail     Limit
	Limits         *Limits // what is counted together with others; nil: of its own
	Now            func() time.Time
}

// Limit is a rate limit: so many requests in a window; 0 requests: off.
type Limit struct {
	Requests int
	Window   time.Duration
}
