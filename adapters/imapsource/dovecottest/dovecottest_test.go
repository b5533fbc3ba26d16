package dovecottest

import (
	"bytes"
	"crypto/tls"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"
)

const mail = "From: a@example.org\r\nSubject: Hello\r\nMessage-ID: <1@example.org>\r\n\r\nText.\r\n"

func TestWhatHappensToMail(t *testing.T) {
	t.Parallel()
	u := Start(t, Options{}).NewUser(t)
	then := time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)
	first := u.Append(t, "INBOX", []byte(mail), then, imap.FlagSeen)
	u.Deliver(t, "INBOX", []byte(strings.ReplaceAll(mail, "\r\n", "\n")), then, imap.FlagFlagged)
	u.Deliver(t, "INBOX", []byte(mail), time.Time{})
	u.AddFlags(t, "INBOX", first, imap.FlagAnswered, "$Junk")
	u.RemoveFlags(t, "INBOX", first, imap.FlagSeen)
	got := u.Messages(t, "INBOX")
	if len(got) != 3 {
		t.Fatalf("got %d messages, want 3", len(got))
	}
	for n, m := range got {
		if string(m.Raw) != mail {
			t.Errorf("message %d: got %q", n, m.Raw)
		}
	}
	if !got[0].InternalDate.Equal(then) || !got[1].InternalDate.Equal(then) {
		t.Errorf("internal dates %v and %v, want %v", got[0].InternalDate, got[1].InternalDate, then)
	}
	if !cmp.Equal(flags(got[0]), []string{"$Junk", `\Answered`}) || !cmp.Equal(flags(got[1]), []string{`\Flagged`}) {
		t.Errorf("flags %v and %v", got[0].Flags, got[1].Flags)
	}
	u.Create(t, "Projekt/Über")
	u.Move(t, "INBOX", "Projekt/Über", got[0].UID, got[1].UID)
	u.Deliver(t, "Projekt/Über", []byte(mail), then)
	u.Copy(t, "Projekt/Über", "Trash", 1)
	u.Expunge(t, "Projekt/Über", 1)
	for mailbox, want := range map[string]int{"INBOX": 1, "Projekt/Über": 2, "Trash": 1} {
		if got := len(u.Messages(t, mailbox)); got != want {
			t.Errorf("%s: got %d messages, want %d", mailbox, got, want)
		}
	}
	u.Rename(t, "Projekt/Über", "Done")
	u.Recreate(t, "Done")
	if got := u.Messages(t, "Done"); len(got) != 0 {
		t.Errorf("made anew: got %d messages", len(got))
	}
	u.Delete(t, "Done")
}

// flags are those of a message, sorted, without \Recent.
func flags(m Stored) []string {
	var found []string
	for _, name := range []imap.Flag{"$Junk", imap.FlagAnswered, imap.FlagFlagged, imap.FlagSeen} {
		for _, have := range m.Flags {
			if have == name {
				found = append(found, string(have))
			}
		}
	}
	return found
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	u := s.NewUser(t)
	trusting := &imapclient.Options{TLSConfig: &tls.Config{RootCAs: s.Authority, ServerName: "localhost"}}
	dials := map[string]func() (*imapclient.Client, error){
		"TLS":      func() (*imapclient.Client, error) { return imapclient.DialTLS(s.TLSAddr(), trusting) },
		"STARTTLS": func() (*imapclient.Client, error) { return imapclient.DialStartTLS(s.StartTLSAddr(), trusting) },
	}
	for name, dial := range dials {
		c, err := dial()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.Login(u.Name, u.Password).Wait(); err != nil {
			t.Errorf("%s: log in: %v", name, err)
		}
		_ = c.Close()
	}
	if c, err := imapclient.DialTLS(s.SelfSignedAddr(), trusting); err == nil {
		_ = c.Close()
		t.Error("the self-signed certificate is trusted")
	}
	if c, err := imapclient.DialStartTLS(s.PlainAddr(), trusting); err == nil {
		_ = c.Close()
		t.Error("STARTTLS is offered at the plain address")
	}
}

func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Settings: []string{"mail_max_userip_connections = 7"}})
	u := s.NewUser(t)
	u.Append(t, "INBOX", []byte(mail), time.Time{})
	c := u.Connect(t)
	s.Kill(t)
	if err := c.Noop().Wait(); err == nil {
		t.Error("the session outlives the server")
	}
	s.Restart(t)
	if got := len(u.Messages(t, "INBOX")); got != 1 {
		t.Errorf("after kill and restart: got %d messages, want 1", got)
	}
	s.Stop(t)
	if left := processes(t, s.dir); left != "" {
		t.Errorf("processes are left: %s", left)
	}
}

// processes are the command lines that name dir.
func processes(t *testing.T, dir string) string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte(dir)) {
			found = append(found, string(line))
		}
	}
	return strings.Join(found, "\n")
}

// As root, the same as an ordinary user.
func TestAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("the other tests run as one already")
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	home := tempDir(t)
	if err := os.Chown(home, uid, gid); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "dovecot.test")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-test.v", "-test.timeout=60s", "-test.run", "TestWhat|TestTLS|TestKill")
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestKillAndRestart")) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	if left := processes(t, home); left != "" {
		t.Errorf("processes are left: %s", left)
	}
}
