package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3"

	"github.com/imap2api/imap2api/adapters/httpapi"
)

// errHelp is returned when only the help was asked for.
var errHelp = errors.New("help")

// config is all settings: flag, then environment, then file, then default.
type config struct {
	listen, dataDir, databaseURL     string
	env, logLevel, logFormat         string
	secretKeyFile                    string
	roles                            string
	migrate                          bool
	adminUsername, adminPasswordFile string
	payloadCompression               string
	projectionShards                 int
	search                           string
	meilisearchURL, meilisearchKey   string
	publicURL, trustedProxies        string
	requireHTTPS                     string
	corsOrigins                      string
	maxBody                          int64
	limitUser, limitAnonymous        string
	limitGmail                       string
	syncWait                         time.Duration
	syncStallAfter, syncOverdueAfter time.Duration
	syncWorkers                      int
	watchRound                       time.Duration
	maxMessage                       int64
	blockedNetworks, imapCAFile      string
	metricsToken                     string
	docsEnabled                      bool
	webhookNetworks                  string
	webhookHTTP                      string
	oauthConfig

	limits           struct{ user, anonymous, gmail httpapi.Limit }
	level            slog.Level
	blocked, trusted []netip.Prefix
	webhookAllowed   []netip.Prefix
}

// register names every setting once: -help, the environment and the file are made of this.
func (c *config) register(fs *flag.FlagSet) {
	fs.StringVar(&c.listen, "listen", "127.0.0.1:8080", "address of the API")
	fs.StringVar(&c.dataDir, "data-dir", "./data", "private Postgres and generated secret key")
	fs.StringVar(&c.databaseURL, "database-url", "", "Postgres 15 or newer; unset: a private one inside data-dir")
	fs.BoolVar(&c.migrate, "migrate", false, "serve: bring the database of database-url to this version's schema first")
	fs.StringVar(&c.roles, "roles", "api,sync,project,deliver", "serve: what this process does; others on the same database-url do the rest")
	fs.StringVar(&c.env, "env", "production", "production, or development: allows plain HTTP and any CORS origin")
	fs.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
	fs.StringVar(&c.logFormat, "log-format", "", "text or json; unset: text on a terminal")
	fs.StringVar(&c.secretKeyFile, "secret-key-file", "", "key set that seals passwords; unset: secret.key inside data-dir")
	fs.StringVar(&c.adminUsername, "admin-username", "admin", "first administrator, made when no user exists")
	fs.StringVar(&c.adminPasswordFile, "admin-password-file", "", "its password; unset: random, printed once on stderr")
	fs.StringVar(&c.payloadCompression, "payload-compression", "none", "none, or zstd: new events take a third less")
	fs.IntVar(&c.projectionShards, "projection-shards", 0, "journals worked on at once by each projection; 0: number of CPUs")
	fs.StringVar(&c.search, "search", "auto", "builtin, meilisearch, or auto: Meilisearch if meilisearch-url is set")
	fs.StringVar(&c.meilisearchURL, "meilisearch-url", "", "the Meilisearch to use")
	fs.StringVar(&c.meilisearchKey, "meilisearch-api-key", "", "its key")
	fs.StringVar(&c.publicURL, "public-url", "", "scheme, host and path of links; unset: from the request")
	fs.StringVar(&c.trustedProxies, "trusted-proxies", "", "networks whose forwarded headers are believed, comma-separated")
	fs.StringVar(&c.requireHTTPS, "require-https", "", "refuse plain HTTP; unset: in production")
	fs.StringVar(&c.corsOrigins, "cors-allowed-origins", "", "exact origins, or *, comma-separated")
	fs.Int64Var(&c.maxBody, "max-body-bytes", 1<<20, "largest request body")
	fs.StringVar(&c.limitUser, "rate-limit-user", "1000/hour", "requests of a user; 0: off")
	fs.StringVar(&c.limitAnonymous, "rate-limit-anonymous", "100/hour", "requests of an address without a token; 0: off")
	fs.StringVar(&c.limitGmail, "rate-limit-gmail", "3000/minute", "requests of a user under /gmail/; 0: off")
	fs.DurationVar(&c.syncWait, "sync-wait", 50*time.Second, "how long a sync request waits for its end")
	fs.DurationVar(&c.syncStallAfter, "sync-stall-after", 10*time.Minute, "a running sync without progress for so long is taken over")
	fs.DurationVar(&c.syncOverdueAfter, "sync-overdue-after", 24*time.Hour, "an IMAP server with a schedule that no sync succeeds for is told as stalled")
	fs.IntVar(&c.syncWorkers, "sync-workers", 4, "accounts synced at once")
	fs.DurationVar(&c.watchRound, "watch-round", time.Minute, "between looks at the folders that a mail server does not tell about")
	fs.Int64Var(&c.maxMessage, "max-message-bytes", 100<<20, "largest message that is fetched whole")
	fs.StringVar(&c.blockedNetworks, "imap-blocked-networks", "169.254.0.0/16,fe80::/10,224.0.0.0/4,ff00::/8,0.0.0.0/32,::/128", "networks no mail server is in, comma-separated")
	fs.StringVar(&c.imapCAFile, "imap-ca-file", "", "PEM file of further certificate authorities for mail servers")
	fs.StringVar(&c.metricsToken, "metrics-token", "", "token of /metrics; unset: only for loopback")
	fs.BoolVar(&c.docsEnabled, "docs-enabled", true, "serve the OpenAPI document and its page")
	fs.StringVar(&c.webhookNetworks, "webhook-allowed-networks", "", "networks that webhooks may reach although they are private or the like, comma-separated")
	fs.StringVar(&c.webhookHTTP, "webhook-allow-http", "", "webhooks may go by plain HTTP; unset: in development")
	c.oauthConfig.register(fs)
}

// parse reads the settings of a command, and its own flags that own registers.
func parse(name string, in *invocation, own func(*flag.FlagSet)) (*config, []string, error) {
	c := &config{}
	fs := flag.NewFlagSet("imap2api "+name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.register(fs)
	shared := map[string]bool{}
	fs.VisitAll(func(f *flag.Flag) { shared[f.Name] = true })
	if own != nil {
		own(fs)
	}
	fs.String("config", "", "file of settings, a line each: some-name value")
	err := ff.Parse(fs, in.args, ff.WithEnvVarPrefix("IMAP2API"), ff.WithConfigFileFlag("config"), ff.WithConfigFileParser(ff.PlainParser))
	if errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(in.stdout)
		fs.PrintDefaults()
		return nil, nil, errHelp
	}
	if err != nil {
		return nil, nil, usageError{err}
	}
	if err := errors.Join(unknownVariables(shared), c.validate()); err != nil {
		return nil, nil, usageError{err}
	}
	return c, fs.Args(), nil
}

// notSettings are variables with our prefix that belong to others.
var notSettings = []string{"CONFIG", "BIN", "URL", "USERNAME", "PASSWORD", "KEEP", "SHARED"}

// unknownVariables names each IMAP2API_… that is no setting.
func unknownVariables(known map[string]bool) error {
	var faults []error
	for _, pair := range os.Environ() {
		key, _, _ := strings.Cut(pair, "=")
		rest, ok := strings.CutPrefix(key, "IMAP2API_")
		if !ok || strings.HasPrefix(rest, "TEST_") || slices.Contains(notSettings, rest) {
			continue
		}
		if !known[strings.ReplaceAll(strings.ToLower(rest), "_", "-")] {
			faults = append(faults, fmt.Errorf("%s: there is no such setting", key))
		}
	}
	return errors.Join(faults...)
}

// validate reports every fault at once.
func (c *config) validate() error {
	var faults []error
	fault := func(name, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
	}
	oneOf := func(name, value string, choices ...string) {
		if !slices.Contains(choices, value) {
			fault(name, "%q is none of %s", value, strings.Join(choices, ", "))
		}
	}
	oneOf("env", c.env, "production", "development")
	oneOf("log-format", c.logFormat, "", "text", "json")
	c.validateRoles(fault)
	oneOf("payload-compression", c.payloadCompression, "none", "zstd")
	oneOf("search", c.search, "auto", "builtin", "meilisearch")
	if c.search == "meilisearch" && c.meilisearchURL == "" {
		fault("search", "meilisearch needs meilisearch-url")
	}
	oneOf("require-https", strings.ToLower(c.requireHTTPS), "", "true", "false")
	oneOf("webhook-allow-http", strings.ToLower(c.webhookHTTP), "", "true", "false")
	if err := c.level.UnmarshalText([]byte(c.logLevel)); err != nil {
		fault("log-level", "%q is none of debug, info, warn, error", c.logLevel)
	}
	if _, err := netip.ParseAddrPort(listenAddress(c.listen)); err != nil {
		fault("listen", "%q is not an address such as 127.0.0.1:8080", c.listen)
	}
	if u, err := url.Parse(c.publicURL); c.publicURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		fault("public-url", "%q is not an http or https URL", c.publicURL)
	}
	limit := func(name, value string) httpapi.Limit {
		l, err := parseLimit(value)
		if err != nil {
			fault(name, "%v", err)
		}
		return l
	}
	c.limits.user = limit("rate-limit-user", c.limitUser)
	c.limits.anonymous = limit("rate-limit-anonymous", c.limitAnonymous)
	c.limits.gmail = limit("rate-limit-gmail", c.limitGmail)
	networks := func(name, value string) []netip.Prefix {
		out, err := parseNetworks(value)
		if err != nil {
			fault(name, "%v", err)
		}
		return out
	}
	c.blocked = networks("imap-blocked-networks", c.blockedNetworks)
	c.trusted = networks("trusted-proxies", c.trustedProxies)
	c.webhookAllowed = networks("webhook-allowed-networks", c.webhookNetworks)
	if err := c.oauthConfig.validate(); err != nil {
		faults = append(faults, err)
	}
	if c.maxBody < 1024 {
		fault("max-body-bytes", "must be at least 1024")
	}
	if c.syncWorkers < 1 || c.syncWorkers > 1000 {
		fault("sync-workers", "must be 1 to 1000")
	}
	if c.syncStallAfter < time.Second || c.syncOverdueAfter < time.Second {
		fault("sync-stall-after, sync-overdue-after", "must be at least 1s")
	}
	if c.watchRound < time.Second {
		fault("watch-round", "must be at least 1s")
	}
	return errors.Join(faults...)
}

// listenAddress gives a host to what has none, and an address to localhost.
func listenAddress(listen string) string {
	if strings.HasPrefix(listen, ":") {
		return "[::]" + listen
	}
	return strings.Replace(listen, "localhost:", "127.0.0.1:", 1)
}

// parseLimit reads N/second, N/minute, N/hour, N/day or 0.
func parseLimit(text string) (httpapi.Limit, error) {
	if text == "0" {
		return httpapi.Limit{}, nil
	}
	number, unit, _ := strings.Cut(text, "/")
	windows := map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || windows[unit] == 0 {
		return httpapi.Limit{}, fmt.Errorf("%q is not a limit such as 1000/hour, or 0", text)
	}
	return httpapi.Limit{Requests: n, Window: windows[unit]}, nil
}

func parseNetworks(list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, item := range splitList(list) {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			addr, err := netip.ParseAddr(item)
			if err != nil {
				return nil, fmt.Errorf("%q is not a network such as 10.0.0.0/8", item)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		out = append(out, p)
	}
	return out, nil
}

// splitList reads a comma-separated list.
func splitList(list string) []string {
	var out []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// https reports whether plain HTTP is refused.
func (c *config) https() bool {
	if c.requireHTTPS == "" {
		return c.env == "production"
	}
	return strings.EqualFold(c.requireHTTPS, "true")
}

// allowsPlainWebhooks reports whether webhooks may go by plain HTTP.
func (c *config) allowsPlainWebhooks() bool {
	if c.webhookHTTP == "" {
		return c.env == "development"
	}
	return strings.EqualFold(c.webhookHTTP, "true")
}

// keyFile returns where the secret key is.
func (c *config) keyFile() string {
	if c.secretKeyFile != "" {
		return c.secretKeyFile
	}
	return filepath.Join(c.dataDir, "secret.key")
}

// rootURL returns where links lead that no request asks for, with a final slash.
func (c *config) rootURL() string {
	if c.publicURL != "" {
		return strings.TrimSuffix(c.publicURL, "/") + "/"
	}
	return "http://" + c.listen + "/"
}

// logger returns the program's logger.
func (c *config) logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.level}
	if c.logFormat == "json" || c.logFormat == "" && !isTerminal(w) {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// readSecret reads a file with a secret; one line end at its end is not part of it (api.md D63).
func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	text := strings.TrimSuffix(string(b), "\n")
	return strings.TrimSuffix(text, "\r"), nil
}
