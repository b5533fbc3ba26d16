package imapsource

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// mail returns a message that is hard in one of several ways, as it is stored.
func mail(n int) []byte {
	head := fmt.Sprintf("Message-ID: <%d@example.org>\nSubject: message %d\n", n, n)
	switch n % 8 {
	case 0:
		return nil
	case 1:
		return []byte(head) // no body, no empty line
	case 2:
		return []byte(head + "\n" + strings.Repeat("line\n", 2000))
	case 3:
		return []byte(head + "\nnul \x00, 8 bit \xff\xfe, bare \r and CRLF\r\n")
	case 4:
		return []byte(head + "\n* 1 FETCH (UID 1 BODY[] {5}\r\nA1 OK done\r\n)")
	case 5:
		return []byte("no header at all")
	case 6:
		return []byte(head + "\n" + strings.Repeat("x", 200_000))
	}
	return []byte(head + "\n" + strings.Repeat("An ordinary message.\n", 20))
}

// account is a user of a server with n messages in INBOX.
func account(t testing.TB, d *dovecottest.Server, n int) *dovecottest.User {
	t.Helper()
	u := d.NewUser(t)
	for i := range n {
		flags := []imap.Flag{imap.FlagSeen, imap.FlagFlagged}[:i%3]
		u.Deliver(t, "INBOX", mail(i), time.Unix(1_700_000_000+int64(i), 0), flags...)
	}
	return u
}

func loginAt(t testing.TB, u *dovecottest.User, addr string) commands.Login {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return commands.Login{Host: host, Port: n, Username: u.Name, Password: u.Password}
}

// examined opens INBOX without TLS.
func examined(t testing.TB, d *dovecottest.Server, u *dovecottest.User) (*Conn, domain.UIDSet) {
	t.Helper()
	c, err := New(Options{}).open(t.Context(), loginAt(t, u, d.PlainAddr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	uids, err := c.UIDs(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return c, uids
}

// truth is what another client reads.
func truth(t *testing.T, u *dovecottest.User, mailbox string) map[domain.UID]dovecottest.Stored {
	t.Helper()
	m := make(map[domain.UID]dovecottest.Stored)
	for _, s := range u.Messages(t, mailbox) {
		m[domain.UID(s.UID)] = s
	}
	return m
}

func flagsOf(given []imap.Flag) []domain.Flag {
	var flags []domain.Flag
	for _, f := range given {
		flags = append(flags, domain.Flag(f))
	}
	return domain.Flags(flags)
}

func TestDovecotFetch(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 320)
	c, uids := examined(t, d, u)
	want := truth(t, u, "INBOX")
	if len(want) != 320 || uids.Count() != 320 {
		t.Fatalf("%d messages, %d uids, want 320", len(want), uids.Count())
	}
	missing, err := c.Fetch(t.Context(), uids, 0, func(m commands.FetchedMessage) error {
		w := want[m.UID]
		if sha256.Sum256(m.Raw) != sha256.Sum256(w.Raw) || m.Size != int64(len(w.Raw)) || m.Truncated {
			t.Errorf("uid %d: got %d octets of %d, want %d", m.UID, len(m.Raw), m.Size, len(w.Raw))
		}
		if !m.InternalDate.Equal(w.InternalDate) || fmt.Sprint(m.Flags) != fmt.Sprint(flagsOf(w.Flags)) || m.ModSeq == 0 {
			t.Errorf("uid %d: got %v %v %d, want %v %v", m.UID, m.InternalDate, m.Flags, m.ModSeq, w.InternalDate, w.Flags)
		}
		delete(want, m.UID)
		return nil
	})
	if err != nil || len(missing) > 0 || len(want) > 0 {
		t.Errorf("missing %v, not delivered %d, error %v", missing, len(want), err)
	}
	for _, m := range u.Messages(t, "INBOX") {
		seen := domain.HasFlag(flagsOf(m.Flags), domain.FlagSeen)
		if n := m.InternalDate.Unix() - 1_700_000_000; seen != (n%3 > 0) {
			t.Errorf("uid %d: \\Seen is %v after the fetch", m.UID, seen)
		}
	}
}

func TestDovecotFlagsAndHeaders(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 24)
	c, uids := examined(t, d, u)
	count := func(after domain.ModSeq) (n int, highest domain.ModSeq) {
		err := c.Flags(t.Context(), uids, after, func(f commands.FlagState) error {
			n, highest = n+1, max(highest, f.ModSeq)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n, highest
	}
	n, highest := count(0)
	if n != 24 || highest == 0 {
		t.Errorf("got flags of %d messages up to mod-sequence %d", n, highest)
	}
	u.AddFlags(t, "INBOX", 7, imap.FlagAnswered, "$Junk")
	if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	if n, _ := count(highest); n != 1 {
		t.Errorf("got flags of %d messages, want the changed one", n)
	}
	heads := make(map[domain.UID]commands.MessageHead)
	err := c.Headers(t.Context(), uids, func(h commands.MessageHead) error {
		heads[h.UID] = h
		return nil
	})
	if err != nil || len(heads) != 24 {
		t.Fatalf("got headers of %d messages, error %v", len(heads), err)
	}
	for uid, m := range truth(t, u, "INBOX") {
		h := heads[uid]
		sent := strings.Contains(string(m.Raw), "Message-ID: "+h.MsgID+"\r\n") || h.MsgID == ""
		if h.Size != int64(len(m.Raw)) || !h.InternalDate.Equal(m.InternalDate) || !sent {
			t.Errorf("got %+v for %d octets of %v", h, len(m.Raw), m.InternalDate)
		}
	}
	since, err := c.UIDs(t.Context(), time.Now().Add(48*time.Hour))
	if err != nil || len(since) > 0 {
		t.Errorf("got %v since the day after tomorrow, error %v", since, err)
	}
}

func TestDovecotListAndExamine(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 3)
	for _, name := range []string{"Work/Größe & Maß", `a "b" [c]`, "日本語"} {
		u.Create(t, name)
	}
	c, _ := examined(t, d, u)
	boxes, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[domain.MailboxName]domain.Listed)
	for _, b := range boxes {
		found[b.Name] = b
		if b.NoSelect {
			continue
		}
		status, err := c.Examine(t.Context(), b.Name)
		if b.Status == nil || err != nil || status.UIDValidity != b.Status.UIDValidity || status.Messages != b.Status.Messages || status.UIDNext != b.Status.UIDNext {
			t.Errorf("%s: listed %+v, examined %+v, error %v", b.Name, b.Status, status, err)
		}
	}
	if found["INBOX"].Status.Messages != 3 || found["Sent"].Role != domain.RoleSent || found["Work/Größe & Maß"].Delimiter != "/" ||
		found["日本語"].Name == "" || found[`a "b" [c]`].Name == "" {
		t.Errorf("got %+v", boxes)
	}
	if _, err := c.Examine(t.Context(), "nothing"); code(err) != commands.CodeFolderMissing {
		t.Errorf("got %v, want folder_missing", err)
	}
}

func TestDovecotProbe(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 2)
	for name, test := range map[string]struct {
		addr          string
		tls, trust    bool
		password      string
		code, version string
	}{
		"tls":                  {addr: d.TLSAddr(), tls: true, trust: true, code: commands.CodeOK, version: "TLS 1.3"},
		"starttls":             {addr: d.StartTLSAddr(), trust: true, code: commands.CodeOK, version: "TLS 1.3"},
		"plain":                {addr: d.PlainAddr(), code: commands.CodeOK},
		"untrusted":            {addr: d.TLSAddr(), tls: true, code: commands.CodeCertificateInvalid},
		"untrusted starttls":   {addr: d.StartTLSAddr(), code: commands.CodeCertificateInvalid},
		"self-signed":          {addr: d.SelfSignedAddr(), tls: true, trust: true, code: commands.CodeCertificateInvalid},
		"tls at the wrong end": {addr: d.PlainAddr(), tls: true, code: commands.CodeTLSFailed},
		"wrong password":       {addr: d.TLSAddr(), tls: true, trust: true, password: "guess", code: commands.CodeAuthFailed, version: "TLS 1.3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opt := Options{}
			if test.trust {
				opt.RootCAs = d.Authority
			} else {
				opt.RootCAs = x509.NewCertPool()
			}
			login := loginAt(t, u, test.addr)
			login.UseTLS = test.tls
			if test.password != "" {
				login.Password = test.password
			}
			p := New(opt).Probe(t.Context(), login)
			if p.Code != test.code || p.TLS != test.version {
				t.Errorf("got %+v, want %s with %q", p, test.code, test.version)
			}
			if ok := test.code == commands.CodeOK; ok != (len(p.Mailboxes) == 5 && len(p.Capabilities) > 10) {
				t.Errorf("got %d mailboxes, %d capabilities", len(p.Mailboxes), len(p.Capabilities))
			}
		})
	}
}

func TestDovecotTooManyConnections(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{Settings: []string{"mail_max_userip_connections = 1"}})
	u := account(t, d, 0)
	c, err := New(Options{}).Open(t.Context(), loginAt(t, u, d.PlainAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if p := New(Options{}).Probe(t.Context(), loginAt(t, u, d.PlainAddr())); p.Code != commands.CodeThrottled {
		t.Errorf("got %+v", p)
	}
}

func TestDovecotKilledInMidFetch(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 200)
	c, uids := examined(t, d, u)
	want := truth(t, u, "INBOX")
	n := 0
	missing, err := c.Fetch(t.Context(), uids, 0, func(m commands.FetchedMessage) error {
		if n++; n == 60 {
			d.Kill(t)
			d.Restart(t)
		}
		if string(m.Raw) != string(want[m.UID].Raw) {
			t.Errorf("uid %d: got %d octets, want %d", m.UID, len(m.Raw), len(want[m.UID].Raw))
		}
		delete(want, m.UID)
		return nil
	})
	if err != nil || len(missing) > 0 || len(want) > 0 || n != 200 {
		t.Errorf("got %d messages, missing %v, not delivered %d, error %v", n, missing, len(want), err)
	}
}

func TestDovecotGoneForGood(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 200)
	c, uids := examined(t, d, u)
	c.src.wait = time.Millisecond
	n := 0
	missing, err := c.Fetch(t.Context(), uids, 0, func(commands.FetchedMessage) error {
		if n++; n == 10 {
			d.Kill(t)
		}
		return nil
	})
	if code(err) != commands.CodeConnectFailed || len(missing) > 0 {
		t.Errorf("got %d messages, missing %v, error %v", n, missing, err)
	}
	d.Restart(t)
	if _, err := c.List(t.Context()); err != nil {
		t.Errorf("list after the restart: %v", err)
	}
}

func TestDovecotExpungeInMidFetch(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 200)
	c, uids := examined(t, d, u)
	got := make(map[domain.UID]bool)
	missing, err := c.Fetch(t.Context(), uids, 0, func(m commands.FetchedMessage) error {
		if len(got) == 0 {
			u.Expunge(t, "INBOX", 3, 4, 5, 20)
		}
		got[m.UID] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range missing {
		if !m.Gone || got[m.UID] || m.UID != 20 && (m.UID < 3 || m.UID > 5) {
			t.Errorf("got %+v", m)
		}
	}
	if len(got)+len(missing) != 200 {
		t.Errorf("got %d messages, missing %v", len(got), missing)
	}
}

func TestDovecotUIDValidityChangesInMidFetch(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := d.NewUser(t)
	u.Create(t, "Work")
	for i := range 120 {
		u.Deliver(t, "Work", mail(i), time.Time{})
	}
	c, err := New(Options{}).open(t.Context(), loginAt(t, u, d.PlainAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Examine(t.Context(), "Work"); err != nil {
		t.Fatal(err)
	}
	uids, err := c.UIDs(t.Context(), time.Time{})
	if err != nil || uids.Count() != 120 {
		t.Fatalf("got %d uids, error %v", uids.Count(), err)
	}
	n := 0
	_, err = c.Fetch(t.Context(), uids, 0, func(commands.FetchedMessage) error {
		if n++; n == 5 {
			u.Recreate(t, "Work")
			d.Kill(t)
			d.Restart(t)
		}
		return nil
	})
	if n < 120 && err == nil {
		t.Errorf("got %d messages and no error", n)
	}
}

func BenchmarkFetch(b *testing.B) {
	d := dovecottest.Start(b, dovecottest.Options{})
	u := d.NewUser(b)
	raw := []byte("Subject: benchmark\n\n" + strings.Repeat(strings.Repeat("x", 76)+"\n", 180)) // 14 KB
	for range 2000 {
		u.Deliver(b, "INBOX", raw, time.Time{})
	}
	c, uids := examined(b, d, u)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		missing, err := c.Fetch(b.Context(), uids, 0, func(m commands.FetchedMessage) error {
			n++
			b.SetBytes(2000 * m.Size)
			return nil
		})
		if n != 2000 || err != nil || len(missing) > 0 {
			b.Fatalf("got %d messages, missing %v, error %v", n, missing, err)
		}
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
