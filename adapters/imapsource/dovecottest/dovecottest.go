// Package dovecottest runs a private Dovecot for tests: on free ports of
// loopback addresses, with mail, certificates and sockets in a temporary
// directory, ended with the test. It also plays the other mail program, which
// delivers, flags, moves and expunges while the code under test looks on. It
// does not use the code under test.
package dovecottest

import (
	"bufio"
	"context"
	"crypto/x509"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	plainHost      = "127.0.0.2" // no TLS at all, STARTTLS is not offered
	tlsHost        = "127.0.0.1" // a certificate of the test's authority
	selfSignedHost = "127.0.0.3" // a certificate nobody vouches for

	users    = 50               // Dovecot looks at its list of users once a second, so all are there from the start
	patience = 20 * time.Second // for Dovecot to start or to end
)

// Options sets a Dovecot up. The zero value works.
type Options struct {
	// Settings are further lines of dovecot.conf, e.g.
	// "mail_max_userip_connections = 2". Later lines win.
	Settings []string
}

// A Server is a private Dovecot. All its addresses show the same mail.
type Server struct {
	// Port is that of plain IMAP and of STARTTLS, TLSPort that of TLS.
	Port, TLSPort int
	// Authority vouches for the certificate at 127.0.0.1 and localhost;
	// AuthorityFile is the same in PEM.
	Authority     *x509.CertPool
	AuthorityFile string

	dir    string // of everything
	owner  account
	binary string

	mu     sync.Mutex
	serial int // users handed out
	master *os.Process
	exited chan struct{} // closed when the master has been reaped
}

// Start runs a Dovecot until the test ends. Without Dovecot on the machine
// the test fails.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	s := &Server{dir: tempDir(t), binary: find(t)}
	owner, err := mailOwner()
	if err != nil {
		t.Fatalf("dovecot: %v", err)
	}
	s.owner = owner
	for _, sub := range []string{"base", "state", "mail", "tls"} {
		if err := os.Mkdir(filepath.Join(s.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.owner.give(filepath.Join(s.dir, "mail")); err != nil {
		t.Fatal(err)
	}
	certs := makeCertificates(t, filepath.Join(s.dir, "tls"))
	s.Authority, s.AuthorityFile = certs.pool, certs.authority
	s.Port, s.TLSPort = freePort(t), freePort(t)
	s.writeConfig(t, certs, opts.Settings)
	s.run(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// PlainAddr is where IMAP is spoken without TLS and without STARTTLS.
func (s *Server) PlainAddr() string { return address(plainHost, s.Port) }

// StartTLSAddr is where IMAP is spoken with STARTTLS.
func (s *Server) StartTLSAddr() string { return address(tlsHost, s.Port) }

// TLSAddr is where IMAP is spoken over TLS.
func (s *Server) TLSAddr() string { return address(tlsHost, s.TLSPort) }

// SelfSignedAddr is where IMAP is spoken over TLS with a certificate that the
// authority did not sign.
func (s *Server) SelfSignedAddr() string { return address(selfSignedHost, s.TLSPort) }

// Stop ends the server with a goodbye to each client and waits for it. It
// does nothing if the server does not run.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.end(t, syscall.SIGTERM)
}

// Kill ends the server and all its sessions at once, as a crash would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.end(t, syscall.SIGKILL)
}

// Restart stops the server if it runs and starts it on the same ports with
// the same mail.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.run(t)
}

// run starts the master from an OS thread that waits for it: the kernel tells
// the master to end when that thread dies, hence also with a killed test.
func (s *Server) run(t testing.TB) {
	t.Helper()
	s.unlock(t)
	cmd := exec.Command(s.binary, "-F", "-c", s.config())
	cmd.SysProcAttr = attributes()
	cmd.Dir = "/"
	s.exited = make(chan struct{})
	started, exited := make(chan error), s.exited
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // ends by signal
			close(exited)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start dovecot: %v", err)
	}
	s.master = cmd.Process
	s.waitForGreeting(t)
}

// unlock removes what a killed Dovecot has left: its number, and locks that the
// next one would respect for two minutes.
func (s *Server) unlock(t testing.TB) {
	t.Helper()
	_ = os.Remove(filepath.Join(s.dir, "base", "master.pid"))
	err := filepath.WalkDir(filepath.Join(s.dir, "mail"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".lock") {
			err = os.Remove(path)
		}
		return err
	})
	if err != nil {
		t.Errorf("remove locks: %v", err)
	}
}

func (s *Server) waitForGreeting(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !greets(s.PlainAddr()) {
		select {
		case <-s.exited:
			t.Fatalf("dovecot ended at once:\n%s", s.Log())
		case <-ctx.Done():
			t.Fatalf("dovecot does not greet:\n%s", s.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// end signals the master, by force to its group, which holds nothing but its
// children, and waits.
func (s *Server) end(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if s.master == nil {
		return
	}
	group := -s.master.Pid
	if signal == syscall.SIGKILL {
		_ = syscall.Kill(group, signal)
	} else {
		_ = s.master.Signal(signal)
	}
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-s.exited
		t.Errorf("dovecot did not end within %v", patience)
	}
	s.master = nil
	for deadline := time.Now().Add(patience); syscall.Kill(group, 0) == nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(group, syscall.SIGKILL)
			t.Errorf("sessions of dovecot did not end within %v", patience)
			return
		}
	}
}

// Log is what Dovecot has logged so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "dovecot.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func greets(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "* OK")
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// freePort is a port that is free on all three addresses.
func freePort(t testing.TB) int {
	t.Helper()
	for range 50 {
		first, err := net.Listen("tcp", address(plainHost, 0))
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, errSecond := net.Listen("tcp", address(tlsHost, port))
		third, errThird := net.Listen("tcp", address(selfSignedHost, port))
		for _, l := range []net.Listener{first, second, third} {
			if l != nil {
				_ = l.Close()
			}
		}
		if errSecond == nil && errThird == nil {
			return port
		}
	}
	t.Fatal("no port is free on all loopback addresses")
	return 0
}

// find is the Dovecot of this machine, of a version whose configuration we
// can write.
func find(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("dovecot")
	if err != nil {
		path = "/usr/sbin/dovecot" // not on the path of ordinary users
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		t.Fatalf("this test needs Dovecot (on Debian: apt-get install dovecot-imapd): %v", err)
	}
	if version := strings.TrimSpace(string(out)); !strings.HasPrefix(version, "2.3.") {
		t.Fatalf("this test needs Dovecot 2.3, this machine has %s", version)
	}
	return path
}

// tempDir is a directory that every user can pass through, with a path short
// enough for sockets below it.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "i2a-dovecot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
