package imapsource

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/commands"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestLogin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		caps     string
		user     string // ann if empty
		password string // s3cret if empty
		refuse   string // the tagged answer to the login
		sent     []string
		code     string
		message  string
	}{
		"initial response": {caps: "AUTH=PLAIN SASL-IR", sent: []string{"AUTHENTICATE PLAIN " + b64("\x00ann\x00s3cret")}},
		"plain":            {caps: "AUTH=LOGIN AUTH=PLAIN", sent: []string{"AUTHENTICATE PLAIN", b64("\x00ann\x00s3cret")}},
		"login":            {caps: "AUTH=LOGIN AUTH=CRAM-MD5", sent: []string{"AUTHENTICATE LOGIN", b64("ann"), b64("s3cret")}},
		"command":          {caps: "AUTH=CRAM-MD5", sent: []string{`LOGIN "ann" "s3cret"`}},
		"quotes":           {user: `a"b`, password: `c\d`, sent: []string{`LOGIN "a\"b" "c\\d"`}},
		"one literal":      {password: "pässword", sent: []string{`LOGIN "ann" {9}`, "pässword"}},
		"two literals":     {user: "änn", password: "ü", sent: []string{"LOGIN {4}", "änn {2}", "ü"}},
		"utf-8 by plain":   {caps: "AUTH=PLAIN SASL-IR", password: "ü", sent: []string{"AUTHENTICATE PLAIN " + b64("\x00ann\x00ü")}},
		"unknown mechanism": {
			caps: "AUTH=PLAIN SASL-IR", refuse: "BAD what is AUTHENTICATE",
			sent: []string{"AUTHENTICATE PLAIN " + b64("\x00ann\x00s3cret"), `LOGIN "ann" "s3cret"`},
			code: commands.CodeAuthFailed,
		},
		"disabled": {caps: "LOGINDISABLED AUTH=PLAIN", code: commands.CodeAuthFailed, message: "127.0.0.1 takes no password on this connection."},
		"wrong password": {
			refuse: "NO [AUTHENTICATIONFAILED] s3cret is not it", sent: []string{`LOGIN "ann" "s3cret"`},
			code: commands.CodeAuthFailed, message: "Login to 127.0.0.1 was refused.",
		},
		"tried once": {
			caps: "AUTH=PLAIN AUTH=LOGIN SASL-IR", refuse: "NO no", sent: []string{"AUTHENTICATE PLAIN " + b64("\x00ann\x00s3cret")},
			code: commands.CodeAuthFailed,
		},
		"too many": {
			refuse: "NO [LIMIT] Maximum number of connections from user+IP exceeded", sent: []string{`LOGIN "ann" "s3cret"`},
			code: commands.CodeThrottled,
		},
		"repeated plain": {
			caps: "AUTH=PLAIN SASL-IR", refuse: "NO what is " + b64("\x00ann\x00s3cret"), sent: []string{"AUTHENTICATE PLAIN " + b64("\x00ann\x00s3cret")},
			code: commands.CodeAuthFailed,
		},
		"unavailable": {refuse: "NO [UNAVAILABLE] Temporary authentication failure", sent: []string{`LOGIN "ann" "s3cret"`}, code: commands.CodeThrottled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{Caps: strings.TrimSpace("IMAP4rev1 " + test.caps)}
			var sent []string
			s.Answer = func(c *scriptedConn, tag, command string) bool {
				line := strings.TrimSpace(tag + " " + command)
				word, _, _ := strings.Cut(command, " ")
				switch {
				case c.tag != "": // the next line of a login
					sent = append(sent, line)
				case word == "LOGIN", word == "AUTHENTICATE":
					sent = append(sent, command)
					c.tag = tag
				default:
					return false
				}
				want := test.sent[:min(len(sent), len(test.sent))]
				more := len(sent) < len(test.sent) && test.refuse == ""
				if slices.Equal(sent, want) && more {
					c.send("+ \r\n")
					return true
				}
				answer := "OK in"
				if test.refuse != "" {
					answer = test.refuse
				}
				c.send(c.tag + " " + answer + "\r\n")
				c.tag = ""
				return true
			}
			s.start(t)
			login := s.login()
			if test.user != "" {
				login.Username = test.user
			}
			if test.password != "" {
				login.Password = test.password
			}
			var log bytes.Buffer
			c, err := New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Open(t.Context(), login)
			if err == nil {
				defer func() { _ = c.Close() }()
			}
			_, message := "", ""
			if err != nil {
				_, message = codeAndMessage(err)
			}
			if code(err) != test.code || test.message != "" && message != test.message {
				t.Errorf("got %v (%s), want %q (%s)", err, message, test.code, test.message)
			}
			if diff := cmp.Diff(test.sent, sent); diff != "" {
				t.Error(diff)
			}
			for _, secret := range []string{login.Password, b64(login.Password), b64("\x00" + login.Username + "\x00" + login.Password)} {
				if err != nil && strings.Contains(err.Error()+log.String(), secret) {
					t.Errorf("the password is in %q or the log", err)
				}
			}
			if asked := len(s.seen("CAPABILITY")); err == nil && asked != 2 {
				t.Errorf("asked for capabilities %d times, want before and after the login", asked)
			}
		})
	}
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	for greeting, test := range map[string]struct{ code, message string }{
		"* OK IMAP\r\n":                             {},
		"SSH-2.0-OpenSSH\r\n":                       {commands.CodeNotIMAP, "is not an IMAP server."},
		"+OK POP3 ready\r\n":                        {commands.CodeNotIMAP, ""},
		"220 smtp ESMTP\r\n":                        {commands.CodeNotIMAP, ""},
		"HTTP/1.1 400 Bad Request\r\n\r\n":          {commands.CodeNotIMAP, ""},
		"\x15\x03\x01\x00\x02\x02\n":                {commands.CodeNotIMAP, ""},
		strings.Repeat("x", 1<<18) + "\n":           {commands.CodeNotIMAP, ""},
		"* BYE [ALERT] Too many connections\r\n":    {commands.CodeThrottled, ""},
		"* BYE go away\r\n":                         {commands.CodeProtocolError, "127.0.0.1 refused the connection."},
		"* PREAUTH welcome\r\n":                     {commands.CodeTLSFailed, ""},
		"* OK [CAPABILITY IMAP4rev1 \x00] ready\n":  {},
		"* OK [CAPABILITY IMAP4rev1 LOGIN-X] hi\n":  {},
		"* ok lower case is fine as well, surely\n": {},
	} {
		t.Run(greeting[:min(len(greeting), 20)], func(t *testing.T) {
			t.Parallel()
			s := (&scripted{Greeting: greeting}).start(t)
			p := New(Options{DialTimeout: 5 * time.Second}).Probe(t.Context(), s.login())
			want := test.code
			if want == "" {
				want = commands.CodeOK
			}
			if p.Code != want || !strings.HasSuffix(p.Message, test.message) || p.TLS != "" {
				t.Errorf("got %+v, want %s, %s", p, want, test.message)
			}
			if strings.Contains(p.Message, "SSH") || strings.Contains(p.Message, "Too many") {
				t.Errorf("message %q echoes the service", p.Message)
			}
		})
	}
}

func TestEndOfConnectionBeforeLogin(t *testing.T) {
	t.Parallel()
	s := &scripted{}
	s.Answer = func(c *scriptedConn, _, _ string) bool { _ = c.Close(); return true }
	s.start(t)
	if p := New(Options{}).Probe(t.Context(), s.login()); p.Code != commands.CodeConnectFailed {
		t.Errorf("got %+v", p)
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := closed.Addr().(*net.TCPAddr).Port
	_ = closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	quiet := silent.Addr().(*net.TCPAddr).Port
	for name, test := range map[string]struct {
		host string
		port int
		tls  bool
		code string
	}{
		"closed port":     {"127.0.0.1", port, false, commands.CodeConnectFailed},
		"silence":         {"127.0.0.1", quiet, false, commands.CodeTimeout},
		"silence and tls": {"127.0.0.1", quiet, true, commands.CodeTimeout},
		"metadata":        {"169.254.169.254", 80, true, commands.CodeBlockedAddress},
		"mapped":          {"::ffff:169.254.169.254", 80, true, commands.CodeBlockedAddress},
		"link-local":      {"fe80::1", 80, true, commands.CodeBlockedAddress},
		"multicast":       {"224.0.0.1", 80, true, commands.CodeBlockedAddress},
		"multicast 6":     {"ff02::1", 80, true, commands.CodeBlockedAddress},
		"unspecified":     {"0.0.0.0", port, true, commands.CodeBlockedAddress},
		"unspecified 6":   {"::", port, true, commands.CodeBlockedAddress},
		"unknown name":    {"no such host", 993, true, commands.CodeDNSFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := New(Options{DialTimeout: 200 * time.Millisecond})
			p := src.Probe(t.Context(), commands.Login{Host: test.host, Port: test.port, UseTLS: test.tls, Username: "ann", Password: "s3cret"})
			if p.Code != test.code || p.Message == "" {
				t.Errorf("got %+v, want %s", p, test.code)
			}
		})
	}
}

func TestBlockedName(t *testing.T) {
	t.Parallel()
	src := New(Options{BlockedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
	if p := src.Probe(t.Context(), commands.Login{Host: "localhost", Port: 993}); p.Code != commands.CodeBlockedAddress {
		t.Errorf("got %+v", p)
	}
}

func TestBlocked(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"169.254.169.254": true, "::ffff:169.254.0.1": true, "64:ff9b::a9fe:a9fe": true, "fe80::1%lo": true,
		"10.0.0.1": false, "127.0.0.1": false, "::1": false, "2001:db8::1": false, "64:ff9b::a00:1": false,
	} {
		if got := blocked(DefaultBlockedNetworks(), netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: blocked %v, want %v", addr, got, want)
		}
	}
}

func TestCancelledWhileOpening(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := &scripted{}
	s.Answer = func(*scriptedConn, string, string) bool { cancel(); return true }
	s.start(t)
	if _, err := New(Options{}).Open(ctx, s.login()); code(err) != commands.CodeCancelled {
		t.Errorf("got %v", err)
	}
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t)
	pin := sha256.Sum256(cert.Certificate[0])
	for name, test := range map[string]struct {
		roots  *x509.CertPool
		pin    string
		answer string // instead of OK
		inject string // plain text after the OK
		code   string
	}{
		"trusted":   {roots: pool, code: commands.CodeOK},
		"untrusted": {roots: x509.NewCertPool(), code: commands.CodeCertificateInvalid},
		"pinned":    {roots: x509.NewCertPool(), pin: strings.ToUpper(hex.EncodeToString(pin[:])), code: commands.CodeOK},
		"other pin": {roots: pool, pin: strings.Repeat("0", 64), code: commands.CodeCertificateInvalid},
		"bad pin":   {roots: pool, pin: "xyz", code: commands.CodeCertificateInvalid},
		"refused":   {roots: pool, answer: "NO not now", code: commands.CodeTLSFailed},
		"injected":  {roots: pool, inject: "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", code: commands.CodeTLSFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{Caps: "IMAP4rev1 STARTTLS", Boxes: "* LIST () \"/\" INBOX\r\n"}
			s.Answer = func(c *scriptedConn, tag, command string) bool {
				switch {
				case command == "STARTTLS" && test.answer != "":
					c.send(tag + " " + test.answer + "\r\n")
				case command == "STARTTLS":
					c.send(tag + " OK go\r\n" + test.inject)
					c.Conn = tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
				default:
					return false
				}
				return true
			}
			s.start(t)
			login := s.login()
			login.CertSHA256 = test.pin
			p := New(Options{RootCAs: test.roots}).Probe(t.Context(), login)
			if p.Code != test.code {
				t.Errorf("got %+v, want %s", p, test.code)
			}
			if test.code == commands.CodeOK {
				if p.TLS != "TLS 1.3" || !slices.Contains(p.Capabilities, "IMAP4rev1") || len(p.Mailboxes) != 1 {
					t.Errorf("got %+v", p)
				}
				return
			}
			if p.TLS != "" || len(s.seen("LOGIN")) > 0 || len(s.seen("AUTH")) > 0 {
				t.Errorf("logged in without TLS: %q, %v", p.TLS, s.seen(""))
			}
		})
	}
}

// What was said before TLS is void, and what is said after it holds.
func TestCapabilitiesFromBeforeTLS(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t)
	for caps, sent := range map[string]string{
		"IMAP4rev1 LOGINDISABLED AUTH=LOGIN":         "AUTHENTICATE LOGIN",
		"IMAP4rev1 LOGINDISABLED AUTH=PLAIN SASL-IR": "AUTHENTICATE PLAIN " + b64("\x00ann\x00s3cret"),
		"IMAP4rev1 LOGINDISABLED":                    "",
		"IMAP4rev1":                                  `LOGIN "ann" "s3cret"`,
	} {
		s := &scripted{Caps: "IMAP4rev1 STARTTLS AUTH=XYZZY AUTH=PLAIN"}
		s.Answer = func(c *scriptedConn, tag, command string) bool {
			if command != "STARTTLS" {
				return false
			}
			c.send(tag + " OK go\r\n")
			c.Conn = tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
			s.Caps = caps
			return true
		}
		s.start(t)
		want := commands.CodeOK
		if sent == "" {
			want = commands.CodeAuthFailed
		}
		if p := New(Options{RootCAs: pool}).Probe(t.Context(), s.login()); sent == "" && p.Code != want {
			t.Errorf("%s: got %+v", caps, p)
		}
		if logins := slices.Concat(s.seen("AUTHENTICATE"), s.seen("LOGIN")); sent == "" && len(logins) > 0 || sent != "" && !slices.Equal(logins[:1], []string{sent}) {
			t.Errorf("%s: sent %q", caps, logins)
		}
	}
}

func TestCertificateForAnotherName(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		if conn, err := l.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	login := commands.Login{Host: "localhost", Port: l.Addr().(*net.TCPAddr).Port, UseTLS: true}
	p := New(Options{RootCAs: pool}).Probe(t.Context(), login)
	if p.Code != commands.CodeCertificateInvalid || p.Message != "The certificate of localhost is for another name." {
		t.Errorf("got %+v", p)
	}
}

func TestOldTLS(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		if conn, err := l.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	login := commands.Login{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, UseTLS: true}
	if p := New(Options{RootCAs: pool}).Probe(t.Context(), login); p.Code != commands.CodeTLSFailed {
		t.Errorf("got %+v", p)
	}
}

func TestTLSToPlainServer(t *testing.T) {
	t.Parallel()
	s := (&scripted{}).start(t)
	login := s.login()
	login.UseTLS = true
	if p := New(Options{}).Probe(t.Context(), login); p.Code != commands.CodeTLSFailed {
		t.Errorf("got %+v", p)
	}
}

// selfSigned returns a certificate for 127.0.0.1, and the authority it is.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
