package eventlog

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-sql/v3/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const (
	batchesInARow = 5 // of one long backlog, before the others have their turn
	ackDeadline   = 10 * time.Minute
	batchDeadline = 5 * time.Minute // far below ackDeadline even for five
	stopWithin    = 30 * time.Second
	hintBuffer    = 4096
	idleConns     = 16 // of the subscribers
)

// ConsumerOptions of a Consumer; the zero value works.
type ConsumerOptions struct {
	// Shards is how many journals each generation works on at once; 0: the number
	// of CPUs.
	Shards int
	// Reactions follow the log beside the tasks.
	Reactions []Reaction
	// Observe, if set, is told of each journal that was brought up to date, or not.
	Observe func(projection string, took time.Duration, err error)
}

// Consumer keeps read models up to date: all generations, of the versions of its
// tasks, follow the log. It runs behind Watermill's router and subscriber.
type Consumer struct {
	log   *Log
	tasks []projections.Task
	opts  ConsumerOptions
	db    *stdsql.DB // of the subscribers: they hold a connection while a journal is handled

	// Catching up takes at most half of the pool's connections, long backlogs as many
	// as there are CPUs: requests need some too. What is kept outside of Postgres takes
	// from none of them, since it may wait long for others.
	quick, long, outside chan struct{}

	mu      sync.Mutex
	running map[model][]*lagSchema
}

// NewConsumer returns the consumer of tasks.
func NewConsumer(l *Log, tasks []projections.Task, opts ConsumerOptions) *Consumer {
	if opts.Shards < 1 {
		opts.Shards = runtime.GOMAXPROCS(0)
	}
	l.Register(tasks...)
	half := max(1, int(l.pool.Config().MaxConns)/2)
	return &Consumer{
		log: l, tasks: tasks, opts: opts, running: map[model][]*lagSchema{},
		quick: make(chan struct{}, half), long: make(chan struct{}, min(half, runtime.GOMAXPROCS(0))),
		outside: make(chan struct{}, max(1, half/4)),
	}
}

// Run follows the log until ctx ends; a batch that has begun is finished. A task
// without a live generation of its version gets one first: it is built, filled
// and activated. Until then its queries are unavailable. Run returns nil at the
// end of ctx.
func (c *Consumer) Run(ctx context.Context) error {
	c.db = stdlib.OpenDB(*c.log.pool.Config().ConnConfig)
	c.db.SetMaxIdleConns(idleConns)
	c.db.SetConnMaxIdleTime(time.Minute)
	defer c.db.Close() //nolint:errcheck // nothing is lost
	hinted := make(chan events.JournalID, hintBuffer)
	defer c.log.hints.subscribe(hinted)()
	if err := c.retryStopped(ctx); err != nil && !isTransient(err) && ctx.Err() == nil { // else in its own time
		return fmt.Errorf("start consumer: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.dispatch(ctx, hinted) })
	listen := listener{log: c.log, all: c.sweep, models: c.log.models.changed}
	g.Go(func() error { return listen.run(ctx) })
	for _, t := range c.tasks {
		g.Go(func() error { return c.keep(ctx, t) })
	}
	for _, r := range c.opts.Reactions {
		g.Go(func() error { return c.follow(ctx, r.task(), r.place()) })
	}
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// dispatch hands hints to the shards.
func (c *Consumer) dispatch(ctx context.Context, hinted <-chan events.JournalID) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case j := <-hinted:
			c.mu.Lock()
			for _, shards := range c.running {
				shards[int64(j)%int64(len(shards))].hint(j)
			}
			c.mu.Unlock()
		}
	}
}

// sweep lets all shards look at what hints did not tell.
func (c *Consumer) sweep() {
	c.log.hints.growth.all()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, shards := range c.running {
		for _, s := range shards {
			s.sweepBy(time.Now())
		}
	}
}

// follow runs Watermill's router for one generation until ctx ends: a
// subscriber and a handler for each shard, and another for its long backlogs.
func (c *Consumer) follow(ctx context.Context, task projections.Task, gen projections.Generation) error {
	logger := routerLogger{ctx.Done(), watermill.NewSlogLoggerWithLevelMapping(
		c.log.log.With(slog.String("projection", task.Name), slog.Int("generation", gen.Number)),
		map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug, watermill.LevelTrace: slog.LevelDebug - 4},
	)}
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: stopWithin}, logger)
	if err != nil {
		return fmt.Errorf("make router: %w", err)
	}
	router.AddMiddleware(c.observe(task.Name), middleware.Recoverer)
	shards := make([]*lagSchema, c.opts.Shards)
	for i := range shards {
		shards[i] = newLagSchema(c.log.wants, task, gen.Number, int64(i), int64(len(shards)))
		for lane, s := range map[string]*lagSchema{"": shards[i], ".long": shards[i].long} {
			sub, err := c.subscriber(s, logger)
			if err != nil {
				return err
			}
			router.AddConsumerHandler(gen.Schema+"."+strconv.Itoa(i)+lane, gen.Schema, sub, c.handler(ctx, s, task, gen))
		}
	}
	c.register(model{task.Name, gen.Number}, shards)
	defer c.register(model{task.Name, gen.Number}, nil)
	// The router is closed, not cancelled: then subscribers end between queries.
	defer context.AfterFunc(ctx, func() {
		for _, s := range shards {
			close(s.done)
			close(s.long.done)
		}
		if err := router.Close(); err != nil {
			c.log.log.Warn("close router", slog.String("projection", task.Name), slog.Any("err", err))
		}
	})()
	if err := router.Run(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("run router: %w", err)
	}
	return nil
}

// routerLogger keeps quiet about queries that were cut off by the end.
type routerLogger struct {
	done <-chan struct{}
	watermill.LoggerAdapter
}

// Error logs an error, unless it is due to the end.
func (l routerLogger) Error(msg string, err error, fields watermill.LogFields) {
	select {
	case <-l.done:
		l.Debug(msg, fields.Add(watermill.LogFields{"err": err}))
	default:
		l.LoggerAdapter.Error(msg, err, fields)
	}
}

// With returns a logger with further fields.
func (l routerLogger) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return routerLogger{l.done, l.LoggerAdapter.With(fields)}
}

func (c *Consumer) register(m model, shards []*lagSchema) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if shards == nil {
		delete(c.running, m)
		return
	}
	c.running[m] = shards
}

func (c *Consumer) subscriber(s *lagSchema, logger watermill.LoggerAdapter) (*sql.Subscriber, error) {
	deadline := ackDeadline
	sub, err := sql.NewSubscriber(c.db, sql.SubscriberConfig{
		AckDeadline:    &deadline,
		ResendInterval: time.Second,
		SchemaAdapter:  s,
		OffsetsAdapter: noOffsets{},
		BackoffManager: s,
	}, logger)
	if err != nil {
		return nil, fmt.Errorf("make subscriber: %w", err)
	}
	return sub, nil
}

// observe is the outermost middleware: it tells how long each message took.
func (c *Consumer) observe(projection string) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		if c.opts.Observe == nil {
			return next
		}
		return func(msg *message.Message) ([]*message.Message, error) {
			begin := time.Now()
			out, err := next(msg)
			c.opts.Observe(projection, time.Since(begin), err)
			return out, err
		}
	}
}

// handler brings a journal up to date. It returns an error, so that the message
// comes again, only when the database is away. Where an event cannot be applied
// the journal stops, and its message is done with.
func (c *Consumer) handler(ctx context.Context, s *lagSchema, task projections.Task, gen projections.Generation) message.NoPublishHandlerFunc {
	return func(msg *message.Message) error {
		s.handling()
		id, err := strconv.ParseInt(msg.Metadata.Get(journalKey), 10, 64)
		if err != nil {
			return fmt.Errorf("journal of message %s: %w", msg.UUID, err)
		}
		journal := events.JournalID(id)
		if s.passOn(journal) {
			return nil
		}
		if s.long == nil && !s.still(ctx, journal) {
			s.hint(journal) // after those that are waited for
			return nil
		}
		if s.long != nil && task.Patience > 0 && s.again(journal) { // it grows and grows
			s.long.hint(journal)
			return nil
		}
		for range batchesInARow {
			more, err := c.catchUp(ctx, s, task, gen, journal)
			s.worked(journal, more)
			var stopped *StoppedError
			if errors.As(err, &stopped) {
				c.log.log.Error("projection stopped", slog.String("projection", task.Name),
					slog.Int("generation", gen.Number), slog.Int64("journal", id),
					slog.Int64("position", int64(stopped.Position)), slog.Any("err", stopped.Err))
				s.sweepBy(time.Now().Add(stopped.RetryAfter))
				return nil
			}
			if err != nil && isAway(err) { // the log is not
				c.log.log.Debug("read model waits", slog.String("projection", task.Name), slog.Int64("journal", id), slog.Any("err", err))
				s.sweepBy(time.Now().Add(awayFor))
				return nil
			}
			if err != nil || !more || ctx.Err() != nil {
				return err
			}
			if s.long != nil { // the others go on here
				s.long.hint(journal)
				return nil
			}
			if s.contended() {
				break
			}
		}
		s.hint(journal)
		return nil
	}
}

// catchUp finishes its batch though ctx ends meanwhile.
func (c *Consumer) catchUp(ctx context.Context, s *lagSchema, task projections.Task, gen projections.Generation, j events.JournalID) (bool, error) {
	slots := c.slots(task, s.long == nil)
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return false, nil // the journal lags at the next start
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchDeadline)
	defer cancel()
	return task.CatchUp(ctx, gen, j)
}
