package httpapi

import (
	"net/http"
	"strings"
)

// handler answers one method of a route.
type handler func(*api, *request) (response, error)

// access says who may use a route, and which rate limit counts.
type access int

const (
	byToken   access = iota // a token; counts for the user, a 401 for the address
	open                    // no token; counts for the address
	uncounted               // no token, no limit
	byParts                 // a token; its parts are let in and counted one by one
)

// route is one line of the table: a path, its methods and who may use them.
type route struct {
	path   string // below the API roots; with a leading slash: from the host's root
	name   string // of OPTIONS answers
	about  string
	access access
	admin  bool // scope admin for every method
	health bool // also by plain HTTP
	probe  bool // also in a process without the API
	docs   bool // setting docs_enabled
	gmail  bool // the Gmail surface: any method
	also   []string
	// methods has a handler for each method but HEAD and OPTIONS; "*" is any.
	methods map[string]handler
}

// apiRoots are the prefixes of a path without a leading slash (api.md 2.1).
var apiRoots = []string{"/api/", "/api/v1/"}

// patterns returns the chi patterns of the route.
func (rt *route) patterns() []string {
	var out []string
	for _, path := range append([]string{rt.path}, rt.also...) {
		if strings.HasPrefix(path, "/") {
			out = append(out, path)
			continue
		}
		for _, root := range apiRoots {
			out = append(out, root+path)
		}
	}
	return out
}

// methodOrder is that of Allow (api.md 4.4).
var methodOrder = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// allow returns the value of the Allow header.
func (rt *route) allow() string {
	var names []string
	for _, m := range methodOrder {
		if rt.methods[m] != nil {
			names = append(names, m)
		}
	}
	if rt.methods[http.MethodGet] != nil {
		names = append(names, http.MethodHead)
	}
	return strings.Join(append(names, http.MethodOptions), ", ")
}

// optionsJSON is the answer to OPTIONS (api.md D11).
type optionsJSON struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Renders     []string `json:"renders"`
	Parses      []string `json:"parses"`
}

func (a *api) options(r *request) (response, error) {
	r.w.Header().Set("Allow", r.route.allow())
	kinds := []string{"application/json"}
	return response{body: optionsJSON{r.route.name, r.route.about, kinds, kinds}}, nil
}

func get(h handler) map[string]handler  { return map[string]handler{http.MethodGet: h} }
func post(h handler) map[string]handler { return map[string]handler{http.MethodPost: h} }

// table returns all routes. A static segment wins over a parameter.
func table() []*route {
	var out []*route
	for _, part := range [][]*route{generalRoutes(), accountRoutes(), mailRoutes(), eventRoutes(), webhookRoutes()} {
		out = append(out, part...)
	}
	return out
}

func generalRoutes() []*route {
	return []*route{
		{path: "", name: "Api Root", about: "The entry points.", methods: get((*api).root)},
		{
			path: "api-token-auth/", also: []string{"/api-token-auth/"}, name: "Obtain Auth Token",
			about: "A token for a user name and password.", access: open, methods: post((*api).createLoginToken),
		},
		{path: "me/", name: "Me", about: "The user and token of the request.", methods: get((*api).me)},
		{path: "tokens/", name: "Token List", about: "API tokens.", methods: map[string]handler{
			http.MethodGet: (*api).listTokens, http.MethodPost: (*api).createToken,
		}},
		{path: "tokens/{id}/", name: "Token Instance", about: "One API token.", methods: map[string]handler{
			http.MethodGet: (*api).getToken, http.MethodPatch: (*api).changeToken, http.MethodDelete: (*api).revokeToken,
		}},
		{path: "projections/", name: "Projection List", about: "The state of the read models.", admin: true, methods: get((*api).listProjections)},
		{path: "projections/{name}/", name: "Projection Instance", about: "The state of one read model.", admin: true, methods: get((*api).getProjection)},
		{path: "projections/{name}/rebuild/", name: "Rebuild Projection", about: "Builds a read model anew.", admin: true, methods: post((*api).rebuildProjection)},
		{path: "projections/{name}/rollback/", name: "Roll Back Projection", about: "Goes back to the read model before.", admin: true, methods: post((*api).rollBackProjection)},
		{path: "openapi.json", name: "OpenAPI", about: "The OpenAPI document.", access: uncounted, docs: true, methods: get((*api).openAPIJSON)},
		{path: "openapi.yaml", name: "OpenAPI", about: "The OpenAPI document.", access: uncounted, docs: true, methods: get((*api).openAPIYAML)},
		{path: "docs/", name: "Documentation", about: "The documentation page.", access: uncounted, docs: true, methods: get((*api).docsPage)},
		{path: "/healthz", name: "Health", about: "Whether the process lives.", access: uncounted, health: true, probe: true, methods: get((*api).healthz)},
		{path: "/readyz", name: "Readiness", about: "Whether requests can be answered.", access: uncounted, health: true, probe: true, methods: get((*api).readyz)},
		{path: "/metrics", name: "Metrics", about: "Prometheus text.", access: uncounted, probe: true, methods: get((*api).metrics)},
	}
}

func accountRoutes() []*route {
	return []*route{
		{path: "imap-servers/", name: "Imap Server List", about: "IMAP servers.", methods: map[string]handler{
			http.MethodGet: (*api).listServers, http.MethodPost: (*api).createServer,
		}},
		{path: "imap-servers/test-connection/", name: "Test Connection", about: "Tries settings; nothing is stored.", methods: post((*api).testSettings)},
		{path: "imap-servers/{id}/", name: "Imap Server Instance", about: "One IMAP server.", methods: map[string]handler{
			http.MethodGet: (*api).getServer, http.MethodPut: (*api).changeServer,
			http.MethodPatch: (*api).changeServer, http.MethodDelete: (*api).deleteServer,
		}},
		{path: "imap-servers/{id}/sync/", name: "Imap Server Sync", about: "Syncs now.", methods: post((*api).syncNow)},
		{path: "imap-servers/{id}/sync-status/", name: "Sync Status", about: "The current sync run, or the last one.", methods: get((*api).syncStatus)},
		{path: "imap-servers/{id}/syncs/", name: "Sync Run List", about: "Sync runs.", methods: get((*api).listSyncs)},
		{path: "imap-servers/{id}/syncs/{sync_id}/", name: "Sync Run Instance", about: "One sync run.", methods: get((*api).getSync)},
		{path: "imap-servers/{id}/syncs/{sync_id}/cancel/", name: "Cancel Sync", about: "Gives up a sync run.", methods: post((*api).cancelSync)},
		{path: "imap-servers/{id}/oauth/", name: "OAuth", about: "The OAuth 2.0 sign-in of an IMAP server.", methods: map[string]handler{
			http.MethodGet: (*api).getGrant, http.MethodPut: (*api).putGrant, http.MethodDelete: (*api).dropGrant,
		}},
		{path: "imap-servers/{id}/oauth/authorize/", name: "OAuth Authorize", about: "Begins a sign-in in a browser.", methods: post((*api).beginSignIn)},
		{path: "oauth/providers/", name: "OAuth Provider List", about: "Who can be signed in with.", methods: get((*api).listProviders)},
		{path: "/oauth/callback", name: "OAuth Callback", about: "Where a browser comes back to after a sign-in.", access: open, methods: map[string]handler{
			http.MethodGet: (*api).askSignIn, http.MethodPost: (*api).finishSignIn,
		}},
		{path: "imap-servers/{id}/coverage/", name: "Coverage", about: "What became of every message of the mail server.", methods: get((*api).serverCoverage)},
		{path: "imap-servers/{id}/coverage/check/", name: "Check Coverage", about: "Compares with the mail server now.", methods: post((*api).checkCoverage)},
		{path: "imap-servers/{id}/folders/", name: "Imap Server Folders", about: "The folders of an IMAP server.", methods: get((*api).serverFolders)},
		{path: "imap-servers/{id}/test-connection/", name: "Test Connection", about: "Tries the stored settings.", methods: post((*api).testServer)},
		{path: "imap-servers/{id}/events/", name: "Imap Server Events", about: "The events of an IMAP server.", methods: get((*api).serverEvents)},
	}
}

func mailRoutes() []*route {
	return []*route{
		{path: "emails/", name: "Email List", about: "Emails.", methods: get((*api).listEmails)},
		{path: "emails/threads/", name: "Thread List", about: "The newest email of each thread.", methods: get((*api).listThreads)},
		{path: "emails/folders/", name: "Folder List", about: "Names of folders that hold an email.", methods: get((*api).listFolders)},
		{path: "emails/statistics/", name: "Statistics", about: "Totals of the stored emails.", methods: get((*api).statistics)},
		{path: "emails/{id}/", name: "Email Instance", about: "One email.", methods: get((*api).getEmail)},
		{path: "emails/{id}/thread/", name: "Email Thread", about: "All emails of the thread.", methods: get((*api).emailThread)},
		{path: "emails/{id}/attachments/", name: "Attachment List", about: "The attachments of an email.", methods: get((*api).listAttachments)},
		{path: "emails/{id}/attachments/{section}/", name: "Attachment Instance", about: "The octets of an attachment.", methods: get((*api).getAttachment)},
		{path: "emails/{id}/raw/", name: "Raw Email", about: "The message as on the mail server.", methods: get((*api).rawEmail)},
		{path: "emails/{id}/events/", name: "Email Events", about: "The events of an email.", methods: get((*api).emailEvents)},
		{path: "emails/{id}/history/", name: "Email History", about: "The life of an email, also of a deleted one.", methods: get((*api).emailHistory)},
	}
}

func eventRoutes() []*route {
	return []*route{
		{path: "events/", name: "Event List", about: "The event log.", methods: get((*api).listEvents)},
		{path: streamPath, name: "Event Stream", about: "Server-sent events.", methods: get((*api).streamEvents)},
		{path: "events/head/", name: "Event Head", about: "A signed statement of the end of the journal.", methods: get((*api).eventHead)},
		{path: "events/{position}/", name: "Event Instance", about: "One event.", methods: get((*api).getEvent)},
		{path: "event-types/", name: "Event Type List", about: "All types of events.", methods: get((*api).listEventTypes)},
	}
}

func webhookRoutes() []*route {
	return []*route{
		{path: "webhooks/", name: "Webhook List", about: "Webhooks.", methods: map[string]handler{
			http.MethodGet: (*api).listWebhooks, http.MethodPost: (*api).createWebhook,
		}},
		{path: "webhooks/{id}/", name: "Webhook Instance", about: "One webhook.", methods: map[string]handler{
			http.MethodGet: (*api).getWebhook, http.MethodPut: (*api).changeWebhook,
			http.MethodPatch: (*api).changeWebhook, http.MethodDelete: (*api).deleteWebhook,
		}},
		{path: "webhooks/{id}/rotate-secret/", name: "Rotate Secret", about: "A new secret.", methods: post((*api).rotateSecret)},
		{path: "webhooks/{id}/test/", name: "Test Webhook", about: "Sends sample data, at once.", methods: post((*api).testWebhook)},
		{path: "webhooks/{id}/recover/", name: "Recover", about: "Sends what was missed.", methods: post((*api).recoverWebhook)},
		{path: "webhooks/{id}/deliveries/", name: "Delivery List", about: "Events for a webhook.", methods: get((*api).listDeliveries)},
		{path: "webhooks/{id}/deliveries/{delivery_id}/", name: "Delivery Instance", about: "One delivery, with its attempts.", methods: get((*api).getDelivery)},
		{path: "webhooks/{id}/deliveries/{delivery_id}/redeliver/", name: "Redeliver", about: "One more attempt, now.", methods: post((*api).redeliver)},
	}
}
