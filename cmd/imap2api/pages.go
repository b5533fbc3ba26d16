package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/imap2api/imap2api/adapters/adminui"
	"github.com/imap2api/imap2api/adapters/httpapi"
	"github.com/imap2api/imap2api/adapters/mailparse"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// withPages puts the pages beside the API, and leads browsers from the root to them.
func (s *system) withPages(api http.Handler, app httpapi.App) http.Handler {
	pages := s.pages(app)
	base := s.basePath()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/admin" || strings.HasPrefix(r.URL.Path, "/admin/"):
			pages.ServeHTTP(w, r)
		case r.URL.Path == "/" && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
			http.Redirect(w, r, base+"/admin/", http.StatusSeeOther)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// basePath is the path of public-url, below which a proxy has mounted everything.
func (s *system) basePath() string {
	u, err := url.Parse(s.config.publicURL)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.Path, "/")
}

// pages wires the pages, beside what the API drives.
func (s *system) pages(api httpapi.App) http.Handler {
	o, l := s.metrics, s.log
	app := adminui.App{
		GetSession:    observe(o, l, "get_session", queries.NewGetSession(s.sessions).Handle),
		ListSessions:  observe(o, l, "list_sessions", queries.NewListSessions(s.sessions).Handle),
		SignIn:        observe(o, l, "sign_in", commands.NewSignIn(s.journal, s.users, now).Handle),
		SignOut:       observe(o, l, "sign_out", commands.NewSignOut(s.journal).Handle),
		AddUser:       observe(o, l, "add_user", commands.NewAddUser(s.journal, s.users, now).Handle),
		ChangeUser:    observe(o, l, "change_user", commands.NewChangeUser(s.journal, s.principals, now).Handle),
		DisableUser:   observe(o, l, "disable_user", commands.NewDisableUser(s.journal, s.principals, now).Handle),
		GetActivity:   observe(o, l, "get_activity", queries.NewGetActivity(s.mail).Handle),
		GetEventProof: observe(o, l, "get_event_proof", queries.NewGetEventProof(s.events).Handle),
		HashPassword:  postgres.HashPassword,
		Traffic:       s.traffic.minutes,
		Sanitize:      sanitize,
	}
	share(&app, api)
	return adminui.NewHandler(app, adminui.Options{
		Version: version(), RequireHTTPS: s.config.https(), BasePath: s.basePath(), Origin: s.proxies.Origin,
		Observe: s.observedPages(), CountLogin: s.limits.Login, CountTest: s.limits.Test, Now: time.Now,
	}, s.log)
}

// share gives the pages what the API drives too.
func share(app *adminui.App, api httpapi.App) {
	app.ListUsers, app.ListTokens, app.CreateToken, app.RevokeToken = api.ListUsers, api.ListTokens, api.CreateToken, api.RevokeToken
	app.ListAccounts, app.GetAccount, app.AccountFolders = api.ListAccounts, api.GetAccount, api.AccountFolders
	app.AddAccount, app.ChangeAccount, app.EraseAccount = api.AddAccount, api.ChangeAccount, api.EraseAccount
	app.TestConnection, app.RequestSync, app.CancelSync, app.ListSyncRuns = api.TestConnection, api.RequestSync, api.CancelSync, api.ListSyncRuns
	app.ListMessages, app.GetMessage, app.GetStatistics = api.ListMessages, api.GetMessage, api.GetStatistics
	app.GetRaw, app.GetAttachment, app.ListFolders = api.GetRaw, api.GetAttachment, api.ListFolders
	app.AccountCoverage, app.CheckCoverage = api.AccountCoverage, api.CheckCoverage
	app.FindMoment, app.GetHead = api.FindMoment, api.GetHead
	app.StatisticsAsOf = func(pos events.Position) func(context.Context, queries.GetStatistics) (queries.Statistics, error) {
		return api.AsOf(pos).GetStatistics
	}
	app.RebuildModel, app.RollBackModel = api.RebuildModel, api.RollBackModel
	app.ListEvents, app.GetEvent, app.GetPositions, app.ListModels = api.ListEvents, api.GetEvent, api.GetPositions, api.ListModels
	app.ListWebhooks, app.GetWebhook, app.CreateWebhook, app.ChangeWebhook = api.ListWebhooks, api.GetWebhook, api.CreateWebhook, api.ChangeWebhook
	app.RemoveWebhook, app.RotateWebhookSecret, app.TestWebhook = api.RemoveWebhook, api.RotateWebhookSecret, api.TestWebhook
	app.RecoverWebhook, app.Redeliver, app.CheckTarget = api.RecoverWebhook, api.Redeliver, api.CheckTarget
	app.ListDeliveries, app.GetDelivery = api.ListDeliveries, api.GetDelivery
	app.WaitFor, app.Grown, app.Ready = api.WaitFor, api.Grown, api.Ready
}

// sanitize takes out of HTML what could act; with remote, images of other hosts stay.
func sanitize(html string, remote bool) string {
	if remote {
		return mailparse.SanitizeWithImages(html)
	}
	return mailparse.Sanitize(html)
}
