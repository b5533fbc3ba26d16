package webhook

import (
	"context"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/imap2api/imap2api/domain"
)

// blocked are the networks that no webhook reaches unless they are allowed (webhooks.md 6): a URL is
// chosen by a user and called by the server.
var blocked = prefixes(
	"0.0.0.0/8",       // this host
	"10.0.0.0/8",      // private (RFC 1918)
	"100.64.0.0/10",   // shared (RFC 6598)
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local; metadata of clouds
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments (RFC 6890)
	"192.0.2.0/24",    // documentation (RFC 5737)
	"192.88.99.0/24",  // 6to4 relays (RFC 7526)
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks (RFC 2544)
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
	"::/128",          // unspecified
	"::1/128",         // loopback
	"64:ff9b:1::/48",  // local translation (RFC 8215)
	"100::/64",        // discard (RFC 6666)
	"2001::/23",       // protocol assignments, Teredo among them
	"2001:db8::/32",   // documentation (RFC 3849)
	"3fff::/20",       // documentation (RFC 9637)
	"fc00::/7",        // private (RFC 4193)
	"fe80::/10",       // link-local
	"fec0::/10",       // site-local (RFC 3879)
	"ff00::/8",        // multicast
)

// embedding are the forms of IPv6 that hold an address of IPv4, and where: it is that which is looked at.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::/96"), 12},         // compatible (RFC 4291 section 2.5.5.1)
	{netip.MustParsePrefix("::ffff:0:0/96"), 12}, // mapped
	{netip.MustParsePrefix("64:ff9b::/96"), 12},  // translated (RFC 6052)
	{netip.MustParsePrefix("2002::/16"), 2},      // 6to4 (RFC 3056)
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// Guard says where webhooks may go.
type Guard struct {
	allowed   []netip.Prefix // although blocked
	allowHTTP bool
}

// NewGuard returns a guard that lets webhooks into the networks allowed, which are closed else, and lets
// them go by plain HTTP if allowHTTP.
func NewGuard(allowed []netip.Prefix, allowHTTP bool) *Guard { return &Guard{allowed, allowHTTP} }

// The messages of webhooks.md 2.2 and api.md D65.
const (
	msgURL     = "Enter a valid URL."
	msgHTTPS   = "Only https URLs are allowed."
	msgAddress = "This address is not allowed."
	msgUser    = "URLs with a user name or password are not allowed."
	msgPort    = "This port is not allowed."
)

// Check judges a URL as it is written; names are judged when they are resolved. It returns a
// *domain.FieldError.
func (g *Guard) Check(text string) error {
	if why := g.check(text); why != "" {
		return &domain.FieldError{Field: "url", Message: why}
	}
	return nil
}

func (g *Guard) check(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.Fragment != "" || strings.ContainsFunc(text, isSpace) {
		return msgURL
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !g.allowHTTP) {
		return msgHTTPS
	}
	if u.User != nil {
		return msgUser
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n != 80 && n != 443 && n < 1024 {
			return msgPort
		}
	}
	return g.checkHost(u.Hostname())
}

func isSpace(r rune) bool { return r <= ' ' || r == 0x7f }

func (g *Guard) checkHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" || !g.permits(addr) {
			return msgAddress
		}
		return ""
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	if isNumeric(labels[len(labels)-1]) { // 2130706433, 0x7f.1: addresses that only some resolvers read
		return msgAddress
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 {
			return msgURL
		}
	}
	return ""
}

// isNumeric reports whether a label is a number, which the last one of a name never is (RFC 3696 section 2).
func isNumeric(label string) bool {
	_, err := strconv.ParseUint(strings.ToLower(label), 0, 64)
	return err == nil || label != "" && strings.Trim(label, "0123456789") == ""
}

// permits reports whether an address may be called.
func (g *Guard) permits(addr netip.Addr) bool {
	addr = addr.WithZone("")
	if within(g.allowed, addr) || within(g.allowed, addr.Unmap()) {
		return true
	}
	if addr.Is6() {
		octets := addr.As16()
		for _, e := range embedding {
			if e.prefix.Contains(addr) && !within(blocked, addr) {
				inner := netip.AddrFrom4([4]byte(octets[e.at : e.at+4]))
				return within(g.allowed, inner) || !within(blocked, inner)
			}
		}
	}
	return !within(blocked, addr)
}

func within(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// control looks at an address after its name was resolved and before it is called, so that no name can be
// judged by one address and lead to another.
func (g *Guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &blockedError{"the address cannot be read"}
	}
	if !g.permits(to.Addr()) {
		return &blockedError{"The address " + to.Addr().String() + " is not allowed."}
	}
	return nil
}
