package imapsource

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/imap2api/imap2api/commands"
)

// DefaultBlockedNetworks returns the networks no mail server is on: link-local
// (where clouds keep their metadata services), multicast and unspecified.
// Private networks are allowed, since home and office servers live there.
func DefaultBlockedNetworks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("224.0.0.0/4"),
		netip.MustParsePrefix("ff00::/8"),
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("::/128"),
	}
}

// blockedError says that an address is in a blocked network.
type blockedError struct{ addr netip.Addr }

func (e *blockedError) Error() string { return fmt.Sprintf("address %s is blocked", e.addr) }

// nat64 is the well-known prefix of RFC 6052: its last 32 bits are an IPv4 address.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// blocked reports whether an address is in one of the networks, be it written
// as IPv4, as IPv4-mapped IPv6 or behind NAT64.
func blocked(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, n := range networks {
		if n.Contains(addr) || (n.Addr().Is4In6() && n.Addr().Unmap() == addr) {
			return true
		}
	}
	return false
}

// dial connects by TCP. The address is checked after the name is resolved and
// right before connect(2), so no second look-up can lead elsewhere.
func (s *Source) dial(ctx context.Context, login commands.Login) (net.Conn, error) {
	d := net.Dialer{
		Timeout: s.opt.DialTimeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("parse address %q: %w", address, err)
			}
			if blocked(s.opt.BlockedNetworks, ap.Addr()) {
				return &blockedError{ap.Addr()}
			}
			return nil
		},
	}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(login.Host, strconv.Itoa(login.Port)))
}

// errPin says that a server showed another certificate than the pinned one.
var errPin = errors.New("certificate is not the pinned one")

// tlsConfig returns a configuration that trusts by name and authority, or the
// pinned certificate and nothing else.
func (s *Source) tlsConfig(login commands.Login) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: login.Host, RootCAs: s.opt.RootCAs}
	if login.CertSHA256 == "" {
		return cfg
	}
	want, err := hex.DecodeString(strings.ToLower(strings.ReplaceAll(login.CertSHA256, ":", "")))
	// The chain is not verified then, but what is shown must be the very certificate.
	cfg.InsecureSkipVerify = true
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		if err != nil || len(state.PeerCertificates) == 0 {
			return errPin
		}
		got := sha256.Sum256(state.PeerCertificates[0].Raw)
		if subtle.ConstantTimeCompare(got[:], want) != 1 {
			return errPin
		}
		return nil
	}
	return cfg
}

// handshake puts TLS over a connection.
func (s *Source) handshake(ctx context.Context, conn net.Conn, login commands.Login) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.DialTimeout)
	defer cancel()
	t := tls.Client(conn, s.tlsConfig(login))
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return t, nil
}
