package webhook

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/imap2api/imap2api/domain"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	strict, open := NewGuard(nil, false), NewGuard(prefixes("127.0.0.0/8"), true)
	for url, want := range map[string]string{
		"https://hooks.example/x": "", "https://hooks.example:8443/x?a=b": "", "https://8.8.8.8/": "", "https://[2606:4700::1111]/": "",
		"nonsense": msgURL, "https://": msgURL, "https://a.example/#x": msgURL, "https://a..example/": msgURL, "https://a b/": msgURL,
		"http://a.example/": msgHTTPS, "ftp://a.example/": msgHTTPS, "https://u:p@a.example/": msgUser, "https://u@a.example/": msgUser,
		"https://a.example:22/": msgPort, "https://a.example:1023/": msgPort, "https://a.example:80/": "",
		"https://127.0.0.1/": msgAddress, "https://[::1]/": msgAddress, "https://[::]/": msgAddress, "https://0.0.0.0/": msgAddress,
		"https://2130706433/": msgAddress, "https://0x7f000001/": msgAddress, "https://127.1/": msgAddress, "https://0177.0.0.1/": msgAddress,
		"https://[::ffff:127.0.0.1]/": msgAddress, "https://[::ffff:7f00:1]/": msgAddress, "https://[64:ff9b::a00:1]/": msgAddress,
		"https://[2002:a00:1::]/": msgAddress, "https://[::127.0.0.1]/": msgAddress, "https://[fe80::1%25eth0]/": msgAddress,
		"https://[fd00::1]/": msgAddress, "https://100.64.0.1/": msgAddress, "https://169.254.169.254/": msgAddress,
		"https://224.0.0.1/": msgAddress, "https://255.255.255.255/": msgAddress, "https://192.0.2.1/": msgAddress,
	} {
		var got *domain.FieldError
		err := strict.Check(url)
		if errors.As(err, &got); err == nil && want != "" || err != nil && (got == nil || got.Message != want || got.Field != "url") {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
	}
	for url, want := range map[string]bool{
		"http://127.0.0.1:8080/": true, "http://[::ffff:127.0.0.1]/": true, "http://10.0.0.1/": false, "http://[::1]/": false,
	} {
		if err := open.Check(url); (err == nil) != want {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

// The dialer judges the address that a name has led to, whatever was judged before.
func TestControl(t *testing.T) {
	t.Parallel()
	g := NewGuard([]netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}, false)
	for address, want := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1111]:443": true, "192.168.7.1:443": true, "[::ffff:192.168.7.1]:443": true,
		"192.168.8.1:443": false, "127.0.0.1:443": false, "[::1]:443": false, "[::ffff:127.0.0.1]:443": false, "[fe80::1%eth0]:443": false,
		"[64:ff9b::7f00:1]:443": false, "[64:ff9b::808:808]:443": true, "[2002:7f00:1::]:443": false, "[2001:0:1::]:443": false, "nonsense": false,
	} {
		if err := g.control(t.Context(), "tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: got %v", address, err)
		}
	}
}
