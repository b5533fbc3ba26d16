// Package cyrustest runs a private Cyrus IMAP server for tests: on a free port of a loopback address, with all its
// files in a temporary directory, ended with the test. Who does something to the mail there is a user of dovecottest.
package cyrustest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

const (
	host     = "127.0.0.2"
	patience = 20 * time.Second // for Cyrus to start or to end
)

// A Server is a private Cyrus. Any user may log in, with any password.
type Server struct {
	// Port is that of plain IMAP at 127.0.0.2.
	Port int

	dir    string
	master *exec.Cmd
	exited chan struct{} // closed when the master has been reaped
}

// Start runs a Cyrus until the test ends. Without Cyrus on the machine the test fails.
func Start(t testing.TB) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "i2a-cyrus-") // a short path for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{dir: dir, exited: make(chan struct{})}
	if err := s.prepare(); err != nil {
		t.Fatalf("cyrus: %v", err)
	}
	if err := s.run(); err != nil {
		t.Fatalf("cyrus: %v", err)
	}
	t.Cleanup(func() { s.stop(t) })
	for deadline := time.Now().Add(patience); !s.greets(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("cyrus does not greet")
		}
	}
	return s
}

// Addr is where IMAP is spoken.
func (s *Server) Addr() string { return net.JoinHostPort(host, strconv.Itoa(s.Port)) }

// NewUser is a user with INBOX, Sent, Trash, Junk and Drafts. Of the methods those that need the files of Dovecot
// cannot be called.
func (s *Server) NewUser(name string) *dovecottest.User {
	return dovecottest.UserAt(s.Addr(), name, "secret")
}

const imapdConf = `configdirectory: DIR/conf
defaultpartition: default
partition-default: DIR/mail
proc_path: DIR/proc
mboxname_lockpath: DIR/lock
idlesocket: DIR/idle
cyrus_user: USER
cyrus_group: GROUP
sasl_pwcheck_method: alwaystrue
sasl_mech_list: PLAIN LOGIN
allowplaintext: yes
unixhierarchysep: yes
altnamespace: yes
virtdomains: off
autocreate_quota: 0
autocreate_inbox_folders: Sent|Trash|Junk|Drafts
imapidlepoll: 1
expunge_mode: immediate
delete_mode: immediate
skiplist_unsafe: yes
`

const cyrusConf = `START {
  recover cmd="BIN/ctl_cyrusdb -C DIR/imapd.conf -r"
}
SERVICES {
  imap cmd="DIR/imapd -C DIR/imapd.conf" listen="ADDR" prefork=1
}
EVENTS {
}
`

// binaries is where Debian has what Cyrus is made of.
const binaries = "/usr/lib/cyrus/bin"

// prepare makes the directories and the settings.
func (s *Server) prepare() error {
	owner, group, err := owner()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return err
	}
	s.Port = listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	imapd, err := readImapd()
	if err != nil {
		return err
	}
	fill := strings.NewReplacer("DIR", s.dir, "USER", owner.Username, "GROUP", group, "BIN", binaries, "ADDR", s.Addr())
	for _, sub := range []string{"conf", "mail", "proc", "lock"} {
		err = errors.Join(err, os.Mkdir(filepath.Join(s.dir, sub), 0o755))
	}
	err = errors.Join(
		err, os.Chmod(s.dir, 0o755),
		os.WriteFile(filepath.Join(s.dir, "imapd"), imapd, 0o755), //nolint:gosec // a program
		os.WriteFile(filepath.Join(s.dir, "imapd.conf"), []byte(fill.Replace(imapdConf)), 0o644),
		os.WriteFile(filepath.Join(s.dir, "cyrus.conf"), []byte(fill.Replace(cyrusConf)), 0o644),
	)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return err
	}
	return filepath.Walk(s.dir, func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Lchown(path, uid, -1))
	})
}

// owner is whose the mail is: the user cyrus for root, since Cyrus does not run as root.
func owner() (*user.User, string, error) {
	me, err := user.Current()
	if os.Geteuid() == 0 {
		me, err = user.Lookup("cyrus")
	}
	if err != nil {
		return nil, "", fmt.Errorf("find owner of the mail: %w", err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return nil, "", fmt.Errorf("find group of %s: %w", me.Username, err)
	}
	return me, group.Name, nil
}

// readImapd reads the program: that of the machine, or the one that scripts/install.sh has put beside Dovecot, as Debian
// lets nobody have two IMAP servers.
func readImapd() ([]byte, error) {
	for _, path := range []string{filepath.Join(binaries, "imapd"), "../../bin/cyrus/imapd", "../../../bin/cyrus/imapd"} {
		if program, err := os.ReadFile(path); err == nil {
			return program, nil
		}
	}
	return nil, errors.New("this test needs Cyrus (scripts/install.sh test)")
}

func (s *Server) run() error {
	s.master = exec.Command(filepath.Join(binaries, "master"), "-C", filepath.Join(s.dir, "imapd.conf"),
		"-M", filepath.Join(s.dir, "cyrus.conf"), "-p", filepath.Join(s.dir, "master.pid"), "-L", filepath.Join(s.dir, "log"))
	s.master.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.master.Start(); err != nil {
		return err
	}
	go func() {
		_ = s.master.Wait() // ends by signal
		close(s.exited)
	}()
	return nil
}

// stop ends the master and its children.
func (s *Server) stop(t testing.TB) {
	t.Helper()
	group := -s.master.Process.Pid
	_ = s.master.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Errorf("cyrus did not end within %v", patience)
	}
	for deadline := time.Now().Add(patience); syscall.Kill(group, syscall.SIGKILL) == nil; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("sessions of cyrus do not end")
			return
		}
	}
}

func (s *Server) greets() bool {
	conn, err := net.DialTimeout("tcp", s.Addr(), time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	greeting := make([]byte, 4)
	_, err = conn.Read(greeting)
	return err == nil && string(greeting) == "* OK"
}
