package httpapi

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the peers whose forwarded headers are believed.
type Proxies struct{ trusted []netip.Prefix }

// NewProxies returns the proxies in networks, CIDR or single addresses. What cannot be
// read counts as not given; cmd validates settings before.
func NewProxies(networks []string) Proxies {
	var p Proxies
	for _, text := range networks {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			p.trusted = append(p.trusted, prefix.Masked())
		} else if addr, err := netip.ParseAddr(text); err == nil {
			p.trusted = append(p.trusted, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	return p
}

// Origin returns where a request came from, as the peer or a trusted proxy says.
func (p Proxies) Origin(hr *http.Request) (client netip.Addr, https bool) {
	via := p.forwarded(hr)
	return via.client, via.https
}

// origin is where a request came from.
type origin struct {
	client netip.Addr
	https  bool
	host   string
}

// forwarded reads Forwarded (RFC 7239) or X-Forwarded-*, only of trusted peers: any other
// client could plant links (api.md D5).
func (p Proxies) forwarded(hr *http.Request) origin {
	via := origin{client: addrOf(hr.RemoteAddr), https: hr.TLS != nil, host: hr.Host}
	if !p.isTrusted(via.client) {
		return via
	}
	chain, proto, host := forwardedFields(hr.Header)
	if proto != "" {
		via.https = strings.EqualFold(proto, "https")
	}
	if fitHost(host) {
		via.host = host
	}
	// The nearest address that is no proxy of ours: what is left of it anyone may have written.
	for i := len(chain) - 1; i >= 0; i-- {
		addr := addrOf(chain[i])
		if !addr.IsValid() {
			break
		}
		via.client = addr
		if !p.isTrusted(addr) {
			break
		}
	}
	return via
}

// forwardedFields returns the addresses, oldest first, and protocol and host as the nearest proxy says.
func forwardedFields(h http.Header) (chain []string, proto, host string) {
	if elements := listOf(h.Values("Forwarded")); len(elements) > 0 {
		for i, element := range elements {
			for pair := range strings.SplitSeq(element, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				value = strings.Trim(value, `"`)
				switch strings.ToLower(name) {
				case "for":
					chain = append(chain, value)
				case "proto":
					if i == len(elements)-1 {
						proto = value
					}
				case "host":
					if i == len(elements)-1 {
						host = value
					}
				}
			}
		}
		return chain, proto, host
	}
	last := func(name string) string {
		if l := listOf(h.Values(name)); len(l) > 0 {
			return l[len(l)-1]
		}
		return ""
	}
	return listOf(h.Values("X-Forwarded-For")), last("X-Forwarded-Proto"), last("X-Forwarded-Host")
}

// listOf splits header lines at commas; empty items are left out.
func listOf(lines []string) []string {
	var out []string
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			if item = strings.TrimSpace(item); item != "" {
				out = append(out, item)
			}
		}
	}
	return out
}

// addrOf reads an address with or without a port and brackets; the zero Addr if it is none.
func addrOf(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, _ := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone("")
}

func (p Proxies) isTrusted(addr netip.Addr) bool {
	for _, prefix := range p.trusted {
		if addr.IsValid() && prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// fitHost reports whether text can be the host of a link.
func fitHost(text string) bool {
	for _, c := range text {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_:[]", c) {
			return false
		}
	}
	return text != ""
}

// originOf returns the beginning of absolute links, without a final slash (api.md 2.3).
func (a *api) originOf(via origin) string {
	if a.public != nil {
		return a.public.Scheme + "://" + a.public.Host + a.public.Path
	}
	host := via.host
	if !fitHost(host) {
		host = "localhost"
	}
	if via.https {
		return "https://" + host
	}
	return "http://" + host
}
