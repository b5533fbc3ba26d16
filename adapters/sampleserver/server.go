package sampleserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// The one login.
const (
	Username = "ann@example.org"
	Password = "sample"
)

// Options are the settings of a server. The zero value works.
type Options struct {
	Listen    string        // "": a free port of 127.0.0.1
	StateFile string        // where it is kept what has arrived; "": nowhere
	Every     time.Duration // between arrivals, on average; 0: five seconds, negative: nothing arrives
	Now       func() time.Time
	Logger    *slog.Logger
}

// Server is the sample server. Its mail is in memory, in the store of go-imap's tests.
type Server struct {
	opts     Options
	listener net.Listener
	imap     *imapserver.Server
	user     *imapmemserver.User
	state    state
}

// folder is a mailbox and its special use (RFC 6154 section 2).
type folder struct {
	name string
	use  imap.MailboxAttr
}

var folders = []folder{
	{"INBOX", ""},
	{"Archive", imap.MailboxAttrArchive},
	{"Builds", ""},
	{"Drafts", imap.MailboxAttrDrafts},
	{"Junk", imap.MailboxAttrJunk},
	{"Lists/Letterpress", ""},
	{"Rechnungen", ""},
	{"Sent", imap.MailboxAttrSent},
	{"Trash", imap.MailboxAttrTrash},
	{"Workshop/Order 2291", ""},
}

// Open listens and fills the mailboxes. It refuses any address that is not on loopback.
func Open(opts Options) (*Server, error) {
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Every == 0 {
		opts.Every = 5 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	addr, err := netip.ParseAddrPort(opts.Listen)
	if err != nil || !addr.Addr().IsLoopback() {
		return nil, fmt.Errorf("listen: %q is not an address on loopback such as 127.0.0.1:1143", opts.Listen)
	}
	s := &Server{opts: opts, user: imapmemserver.NewUser(Username, Password)}
	if s.state, err = loadState(opts.StateFile, opts.Now()); err != nil {
		return nil, err
	}
	if err := s.fill(); err != nil {
		return nil, fmt.Errorf("fill mailboxes: %w", err)
	}
	if s.listener, err = net.Listen("tcp", opts.Listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.imap = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &session{UserSession: imapmemserver.NewUserSession(s.user), user: s.user}, nil, nil
		},
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapMove: {}, imap.CapListExtended: {}, imap.CapListStatus: {},
			imap.CapSpecialUse: {}, imap.CapESearch: {},
		},
		InsecureAuth: true, // loopback, and a password that everybody knows
		Logger:       slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
	})
	return s, nil
}

// Addr returns where it listens.
func (s *Server) Addr() netip.AddrPort { return s.listener.Addr().(*net.TCPAddr).AddrPort() }

// fill makes the folders and puts in what was there when the server last ran.
func (s *Server) fill() error {
	// The store counts UIDVALIDITY up with every folder made. What went on in an earlier run
	// is lost but for arrivals, so all UIDs are void (RFC 9051 section 2.3.1.1).
	for range s.state.Runs * len(folders) {
		if err := errors.Join(s.user.Create("void", nil), s.user.Delete("void")); err != nil {
			return err
		}
	}
	for _, f := range folders {
		if err := s.user.Create(f.name, nil); err != nil {
			return err
		}
	}
	for _, l := range letters(s.state.Start) {
		if err := s.deliver(l); err != nil {
			return err
		}
	}
	for n, at := range s.state.Arrived {
		if err := s.deliver(arrival(n, time.Unix(at, 0).UTC())); err != nil {
			return err
		}
	}
	s.state.Runs++
	return s.state.save(s.opts.StateFile)
}

// Run serves until ctx ends, and lets new mail arrive.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.imap.Close() }) // nobody is left to tell
	defer stop()
	var arriving sync.WaitGroup
	defer arriving.Wait()
	if s.opts.Every > 0 {
		arriving.Go(func() { s.arrivals(ctx) })
	}
	err := s.imap.Serve(s.listener)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Close stops a server that does not run.
func (s *Server) Close() error { return s.listener.Close() }

// calm is after how many arrivals they come once a minute: a demonstration that somebody
// has left running does not fill the memory.
const calm = 2000

func (s *Server) arrivals(ctx context.Context) {
	for {
		n := len(s.state.Arrived)
		gap := s.opts.Every/2 + time.Duration(n%5)*s.opts.Every/4
		if n > calm {
			gap = time.Minute
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(gap):
		}
		at := s.opts.Now().UTC().Truncate(time.Second)
		if err := s.deliver(arrival(n, at)); err != nil {
			s.opts.Logger.Warn("deliver sample letter", slog.Any("err", err))
		}
		s.state.Arrived = append(s.state.Arrived, at.Unix())
		if err := s.state.save(s.opts.StateFile); err != nil {
			s.opts.Logger.Warn("save sample state", slog.Any("err", err))
		}
	}
}

// literal is octets as the store takes them.
type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

func (s *Server) deliver(l letter) error {
	options := &imap.AppendOptions{Time: l.at, Flags: l.flags}
	if _, err := s.user.Append(l.folder, literal{bytes.NewReader(l.octets())}, options); err != nil {
		return fmt.Errorf("deliver %q to %s: %w", l.subject, l.folder, err)
	}
	return nil
}
