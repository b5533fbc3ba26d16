package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/imap2api/imap2api/adapters/httpapi"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

const (
	stopWithin   = 30 * time.Second // for requests, batches and deliveries in flight
	longRequests = 2 * time.Second  // that requests without an end of their own go on while stopping
	stopTraces   = 3 * time.Second  // for the last spans, when all else has ended
	memory       = 128 << 20        // octets of heap that the collector tries to stay below
)

func runServe(ctx context.Context, in *invocation) error {
	var demo bool
	c, rest, err := parse("serve", in, func(fs *flag.FlagSet) {
		fs.BoolVar(&demo, "demo", false, "with a sample IMAP server, and an account on it")
	})
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("serve takes no arguments: %q", rest)}
	}
	log := c.logger(in.stderr)
	tuneMemory()
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return usageError{fmt.Errorf("listen: %w", err)}
	}
	defer listener.Close() //nolint:errcheck // the server closes it too
	if err := os.MkdirAll(c.dataDir, 0o755); err != nil {
		return usageError{fmt.Errorf("data-dir: %w", err)}
	}
	db, err := openDatabase(ctx, c, log, false)
	if err != nil {
		return err
	}
	defer db.close(log)
	if err := db.prepare(ctx, c, c.migrate); err != nil {
		return err
	}
	s, err := build(ctx, c, db, log)
	if err != nil {
		return err
	}
	if demo {
		if err := s.openSample(); err != nil {
			return err
		}
	}
	if err := s.witness.compare(ctx); err != nil {
		return err
	}
	if c.does(roleAPI) {
		if err := s.firstAdmin(ctx, in); err != nil {
			return err
		}
	}
	if db.private != nil { // nobody else can be at work
		if err := errors.Join(s.queue.FreeLeases(ctx), s.webhooks.queue.FreeClaims(ctx)); err != nil {
			return err
		}
	}
	if s.metrics.tracer, err = openTracer(ctx, log); err != nil {
		return err
	}
	defer closeTracer(ctx, s.metrics.tracer, log)
	return s.serve(ctx, listener)
}

// tuneMemory trades a little memory for a third of the collector's work; the limit keeps the peak flat.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
}

// serve does its roles until ctx ends, then stops in order.
func (s *system) serve(ctx context.Context, listener net.Listener) error {
	work, stopWork := context.WithCancel(ctx)
	defer stopWork()
	var running sync.WaitGroup
	defer running.Wait()
	failed := s.start(work, &running, s.config.does)
	if s.config.does(roleAPI) {
		if err := s.openAPI(work); err != nil {
			return err
		}
	}
	if s.config.does(roleSync) {
		watcher := s.watcher()
		running.Go(func() { watcher.Run(work) })
	}
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	server := s.server()
	server.BaseContext = func(net.Listener) context.Context { return requests }
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(listener) }()
	s.log.Info("ready", slog.String("listen", "http://"+listener.Addr().String()))

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	case err = <-serving:
	}
	s.log.Info("stopping")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	stopWork()
	time.AfterFunc(longRequests, endRequests) // streams and those who wait for a sync
	if shut := server.Shutdown(stop); shut != nil {
		_ = server.Close()
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// openAPI returns when requests can be answered.
func (s *system) openAPI(ctx context.Context) error {
	if err := postgres.SetBaseURL(ctx, s.db.pool, s.config.rootURL()+"api/"); err != nil {
		return fmt.Errorf("note base url: %w", err)
	}
	if err := s.events.WaitLive(ctx); err != nil {
		return fmt.Errorf("wait for read models: %w", err)
	}
	if s.sample == nil {
		return nil
	}
	if err := s.addSample(ctx); err != nil {
		return fmt.Errorf("add sample account: %w", err)
	}
	return nil
}

// start begins the work of the roles beside the answering of requests. What ends with a fault is told.
func (s *system) start(ctx context.Context, running *sync.WaitGroup, does func(role string) bool) <-chan error {
	failed := make(chan error, 1)
	run := func(what string, work func(context.Context) error) {
		running.Go(func() {
			if err := work(ctx); err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	if does(roleProject) {
		run("keep read models", s.consumer().Run)
		running.Go(func() { s.keepCoverage(ctx) })
	} else {
		run("listen", s.events.Listen)
	}
	if does(roleSync) {
		syncer := s.syncer()
		running.Go(func() { syncer.Run(ctx) })
		running.Go(func() { s.overseer().Run(ctx) })
		running.Go(func() { s.collectOrphans(ctx) })
	}
	if does(roleAPI) {
		running.Go(func() { s.principals.Run(ctx) })
	}
	if does(roleAPI) || does(roleProject) {
		running.Go(func() { s.eraser.run(ctx) })
	}
	running.Go(func() { s.witness.keep(ctx) })
	if s.sample != nil {
		running.Go(func() { s.runSample(ctx) })
	}
	if does(roleDeliver) {
		running.Go(func() { s.webhooks.deliverer.Run(ctx) })
		running.Go(func() { s.mailTeller().Run(ctx) })
		running.Go(func() { s.sweepDeliveries(ctx) })
	}
	return failed
}

// collectOrphans deletes raw messages that no event names, left by a crash.
func (s *system) collectOrphans(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if _, err := s.raws.CollectOrphans(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("collect orphans", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// server returns the HTTP server. It has no write timeout: syncs, long polls and streams are long.
func (s *system) server() *http.Server {
	c := s.config
	app := s.app()
	api := httpapi.NewHandler(app, httpapi.Options{
		Version: version(), Development: c.env == "development", PublicURL: c.publicURL, RequireHTTPS: c.https(),
		Proxies: s.proxies, CORSOrigins: splitList(c.corsOrigins), OAuthReturns: splitList(c.oauthReturnURLs), MaxBody: c.maxBody,
		SyncWait: c.syncWait, StallAfter: c.syncStallAfter, DocsEnabled: c.docsEnabled, MetricsToken: c.metricsToken,
		ProbesOnly: !c.does(roleAPI), Observe: s.metrics.answered, LimitUser: c.limits.user, LimitAnonymous: c.limits.anonymous, LimitGmail: c.limits.gmail, Limits: s.limits, Now: time.Now,
	}, s.log)
	handler := s.traffic.count(api)
	if c.does(roleAPI) {
		handler = s.withPages(handler, app)
	}
	return &http.Server{
		Handler: s.metrics.tracer.Requests(handler), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// firstAdmin makes an administrator when no user exists, and says where to sign in. A random
// password is printed once, that of a demonstration each time.
func (s *system) firstAdmin(ctx context.Context, in *invocation) error {
	c := s.config
	password, shown := "", ""
	var err error
	switch {
	case c.adminPasswordFile != "":
		password, err = readSecret(c.adminPasswordFile)
		shown = "as in " + c.adminPasswordFile
	case s.sample != nil:
		password, err = keptPassword(filepath.Join(c.dataDir, "admin-password"))
		shown = password
	default:
		password = newPassword()
		shown = password + "  (shown once)"
	}
	if err != nil {
		return usageError{fmt.Errorf("admin-password-file: %w", err)}
	}
	users, err := queries.NewListUsers(s.users).Handle(ctx, queries.ListUsers{})
	if err != nil || len(users) > 0 && s.sample == nil {
		return err
	}
	if len(users) == 0 {
		_, err := s.addUser(ctx, c.adminUsername, password, true)
		if errors.Is(err, domain.ErrConflict) { // another process was first
			return nil
		}
		if err != nil {
			return fmt.Errorf("make first administrator: %w", err)
		}
	}
	if s.sample != nil || c.adminPasswordFile == "" {
		in.tellf("\n  Open           %s\n  Administrator  %s\n  Password       %s\n\n", c.rootURL()+"admin/", c.adminUsername, shown)
	}
	return nil
}
