package domain

import (
	"net/netip"
	"strings"
)

// IsHost reports whether text is a host name, in letters of any script, or an IP address.
func IsHost(text string) bool {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Zone() == ""
	}
	name := strings.TrimSuffix(text, ".")
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if c < 0x80 && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' ||
				c == 0x3000 || c == 0xfffd {
				return false
			}
		}
	}
	return name != ""
}
