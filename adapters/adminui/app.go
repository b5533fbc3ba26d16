package adminui

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// App is what the pages drive: one function for each command and query.
type App struct {
	GetSession   func(context.Context, queries.GetSession) (queries.Principal, error)
	ListSessions func(context.Context, queries.ListSessions) ([]queries.Session, error)
	SignIn       func(context.Context, commands.SignIn) (commands.SignedIn, error)
	SignOut      func(context.Context, commands.SignOut) (events.Position, error)

	ListUsers   func(context.Context, queries.ListUsers) ([]queries.User, error)
	AddUser     func(context.Context, commands.AddUser) (domain.UserID, error)
	ChangeUser  func(context.Context, commands.ChangeUser) (events.Position, error)
	DisableUser func(context.Context, commands.DisableUser) (events.Position, error)
	ListTokens  func(context.Context, queries.ListTokens) (queries.Page[queries.Token], error)
	CreateToken func(context.Context, commands.CreateToken) (commands.TokenCreated, error)
	RevokeToken func(context.Context, commands.RevokeToken) (events.Position, error)

	ListAccounts   func(context.Context, queries.ListAccounts) (queries.Page[queries.Account], error)
	GetAccount     func(context.Context, queries.GetAccount) (queries.Account, error)
	AddAccount     func(context.Context, commands.AddAccount) (commands.AccountRecorded, error)
	ChangeAccount  func(context.Context, commands.ChangeAccount) (events.Position, error)
	EraseAccount   func(context.Context, commands.EraseAccount) (events.Position, error)
	AccountFolders func(context.Context, queries.AccountFolders) ([]queries.Folder, error)
	TestConnection func(context.Context, commands.TestConnection) (commands.Probe, error)
	RequestSync    func(context.Context, commands.RequestSync) (commands.SyncOutcome, error)
	CancelSync     func(context.Context, commands.CancelSync) (events.Position, error)
	ListSyncRuns   func(context.Context, queries.ListSyncRuns) (queries.Page[queries.SyncRun], error)

	AccountCoverage func(context.Context, queries.GetAccountCoverage) (queries.AccountCoverage, error)
	CheckCoverage   func(context.Context, commands.CheckCoverage) (commands.SyncOutcome, error)

	ListMessages  func(context.Context, queries.ListMessages) (queries.Page[queries.Message], error)
	GetMessage    func(context.Context, queries.GetMessage) (queries.MessageDetail, error)
	GetRaw        func(context.Context, queries.GetRaw) (queries.Raw, error)
	GetAttachment func(context.Context, queries.GetAttachment) (queries.Part, error)
	ListFolders   func(context.Context, queries.ListFolders) ([]queries.FolderCount, error)
	GetStatistics func(context.Context, queries.GetStatistics) (queries.Statistics, error)
	GetActivity   func(context.Context, queries.GetActivity) (queries.Activity, error)

	ListEvents    func(context.Context, queries.ListEvents) (queries.EventPage, error)
	GetEvent      func(context.Context, queries.GetEvent) (events.Recorded, error)
	GetPositions  func(context.Context, queries.GetPositions) (queries.Positions, error)
	ListModels    func(context.Context, queries.ListModels) ([]queries.Model, error)
	GetEventProof func(context.Context, queries.GetEventProof) (queries.EventProof, error)
	GetHead       func(context.Context, queries.GetHead) (events.SignedHead, error)
	// FindMoment waits until what was at a moment can be told; StatisticsAsOf then tells it.
	FindMoment     func(context.Context, queries.FindMoment) (events.Position, error)
	StatisticsAsOf func(events.Position) func(context.Context, queries.GetStatistics) (queries.Statistics, error)

	RebuildModel  func(context.Context, commands.RebuildModel) (string, error)
	RollBackModel func(context.Context, commands.RollBackModel) (int, error)

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

	// HashPassword returns what is stored of a password.
	HashPassword func(password string) string
	// WaitFor blocks until everything readable contains a journal up to a position, at most two seconds.
	WaitFor func(ctx context.Context, journal events.JournalID, pos events.Position)
	// Grown returns a channel that is closed when a journal next grows.
	Grown func(journal events.JournalID) <-chan struct{}
	// Ready reports what is not ready: a word for each thing that is checked.
	Ready func(context.Context) map[string]string
	// Sanitize takes out of HTML what could act. With remote set, images of other hosts stay.
	Sanitize func(html string, remote bool) string
	// Traffic returns the requests of the API in each of the last minutes, oldest first.
	Traffic func() []int
}

// Options are the settings of the pages.
type Options struct {
	Version      string // of the program
	RequireHTTPS bool
	// BasePath is the path below which all is mounted behind a proxy, without a final slash.
	BasePath string
	// Origin returns the address of the client, and whether it came by TLS.
	Origin func(*http.Request) (client netip.Addr, https bool)
	// CountLogin counts an attempt to sign in as a failure; forgive takes it back. It returns
	// the seconds to wait, 0 if the attempt may be made.
	CountLogin func(name string, client netip.Addr) (forgive func(), wait int)
	// CountTest counts a connection test of a user in the same way.
	CountTest func(user domain.UserID) (wait int)
	// Observe, if set, is told of each answer: context of the request, pattern of the route, method, status.
	Observe func(ctx context.Context, route, method string, status int)
	Now     func() time.Time
}
