package imapsource

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"time"

	"github.com/imap2api/imap2api/commands"
)

// Options says how to reach servers. The zero value is useful.
type Options struct {
	// BlockedNetworks are never connected to, whatever name led there; nil means
	// DefaultBlockedNetworks, an empty slice none.
	BlockedNetworks []netip.Prefix
	// RootCAs are the authorities that certificates are checked by; nil means
	// those of the system, which SSL_CERT_FILE and SSL_CERT_DIR change.
	RootCAs *x509.CertPool
	// Logger takes alerts of servers, reconnects and repairs; nil means none.
	Logger *slog.Logger
	// Version is told to servers that want to know who asks (ID, RFC 2971); "" means nothing.
	Version string
	// DialTimeout bounds the TCP connection, the TLS handshake and the wait for
	// the greeting, each; 0 means 15 seconds.
	DialTimeout time.Duration
	// CommandTimeout is how long a server may send nothing while a command runs;
	// each octet begins it anew. 0 means 90 seconds.
	CommandTimeout time.Duration
	// MaxLine is how many octets outside of literals one answer may have; 0 means
	// 1 MiB. Answers to SEARCH may have sixteen times as many.
	MaxLine int
}

// Source reaches IMAP servers. It implements commands.MailSource and is safe
// for use by many goroutines.
type Source struct {
	opt  Options
	wait time.Duration // before the first new connection
}

var _ commands.MailSource = (*Source)(nil)

// New returns a Source with the given options.
func New(opt Options) *Source {
	if opt.BlockedNetworks == nil {
		opt.BlockedNetworks = DefaultBlockedNetworks()
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.DialTimeout == 0 {
		opt.DialTimeout = 15 * time.Second
	}
	if opt.CommandTimeout == 0 {
		opt.CommandTimeout = 90 * time.Second
	}
	if opt.MaxLine == 0 {
		opt.MaxLine = 1 << 20
	}
	return &Source{opt: opt, wait: 100 * time.Millisecond}
}

// Open connects and logs in. Its errors are *commands.SourceError.
func (s *Source) Open(ctx context.Context, login commands.Login) (commands.MailConn, error) {
	return s.open(ctx, login)
}

func (s *Source) open(ctx context.Context, login commands.Login) (*Conn, error) {
	o, err := s.connect(ctx, login)
	if err != nil {
		return nil, err
	}
	return &Conn{src: s, login: login, sess: o.session}, nil
}

// Probe connects, logs in and lists the mailboxes with their message counts.
// What fails is in the result, with what was found until then.
func (s *Source) Probe(ctx context.Context, login commands.Login) commands.Probe {
	start := time.Now()
	p := s.probe(ctx, login)
	p.Took = time.Since(start)
	return p
}

func (s *Source) probe(ctx context.Context, login commands.Login) (p commands.Probe) {
	o, err := s.connect(ctx, login)
	p.TLS = o.tlsName()
	if err != nil {
		p.Code, p.Message = codeAndMessage(err)
		return p
	}
	conn := &Conn{src: s, login: login, sess: o.session}
	defer func() { _ = conn.Close() }()
	boxes, err := conn.List(ctx)
	if err != nil {
		p.Code, p.Message = codeAndMessage(err)
		return p
	}
	p.Code, p.Message = commands.CodeOK, "Connected and logged in."
	p.Capabilities, p.Mailboxes = o.caps.list, boxes
	return p
}
