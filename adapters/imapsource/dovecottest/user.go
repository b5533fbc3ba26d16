package dovecottest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// A User is a login with mail: INBOX, Sent, Trash, Junk and Drafts, all empty
// at first. Its methods are what other mail programs do to it; each uses a
// connection of its own, unless Keep was called, and fails the test on an error.
type User struct {
	Name, Password string

	addr      string
	server    *Server // nil: another IMAP server
	delivered int
	keeps     bool
	kept      *imapclient.Client // that rests
}

// Stored is a message as the server shows it.
type Stored struct {
	UID          imap.UID
	Flags        []imap.Flag
	InternalDate time.Time
	Raw          []byte
}

// NewUser hands out a user that no other test has had, at most 50 a server.
func (s *Server) NewUser(t testing.TB) *User {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serial == users {
		t.Fatalf("all %d users of this dovecot are taken", users)
	}
	u := &User{Name: userName(s.serial), Password: password(s.serial), addr: s.PlainAddr(), server: s}
	s.serial++
	return u
}

// UserAt is a user of another IMAP server. Deliver and Renumber cannot be called.
func UserAt(addr, name, password string) *User {
	return &User{Name: name, Password: password, addr: addr}
}

// Connect logs in without TLS; the connection is closed when the test ends.
func (u *User) Connect(t testing.TB) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(u.addr, nil)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(u.Name, u.Password).Wait(); err != nil {
		t.Fatalf("log in as %s: %v", u.Name, err)
	}
	return c
}

// Keep lets the methods use one connection after the other's work, for tests that do much. They are then for
// one goroutine at a time.
func (u *User) Keep() { u.keeps = true }

// Do runs an action on a connection with a mailbox selected, or none if the
// name is empty.
func (u *User) Do(t testing.TB, mailbox string, action func(*imapclient.Client) error) {
	t.Helper()
	c := u.kept
	if u.kept = nil; c == nil || c.Noop().Wait() != nil { // it may have ended with a server that was killed
		c = u.Connect(t)
	}
	defer func() {
		if u.kept != c {
			_ = c.Close()
		}
	}()
	if mailbox != "" {
		if _, err := c.Select(mailbox, nil).Wait(); err != nil {
			t.Fatalf("select %s: %v", mailbox, err)
		}
	}
	if err := action(c); err != nil {
		t.Fatalf("user %s, mailbox %q: %v", u.Name, mailbox, err)
	}
	var err error
	if u.kept = c; !u.keeps {
		u.kept, err = nil, c.Logout().Wait()
	} else if mailbox != "" {
		err = c.Unselect().Wait()
	}
	if err != nil {
		t.Fatalf("end of what was done: %v", err)
	}
}

// Create makes a mailbox; "/" divides levels.
func (u *User) Create(t testing.TB, mailbox string) {
	t.Helper()
	u.Do(t, "", func(c *imapclient.Client) error { return c.Create(mailbox, nil).Wait() })
}

// Delete removes a mailbox with its mail.
func (u *User) Delete(t testing.TB, mailbox string) {
	t.Helper()
	u.Do(t, "", func(c *imapclient.Client) error { return c.Delete(mailbox).Wait() })
}

// Rename gives a mailbox another name.
func (u *User) Rename(t testing.TB, from, to string) {
	t.Helper()
	u.Do(t, "", func(c *imapclient.Client) error { return c.Rename(from, to, nil).Wait() })
}

// Recreate deletes a mailbox and makes it anew: no mail and another
// UIDVALIDITY. Dovecot takes that from the clock, in seconds.
func (u *User) Recreate(t testing.TB, mailbox string) {
	t.Helper()
	before := u.UIDValidity(t, mailbox)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		u.Delete(t, mailbox)
		u.Create(t, mailbox)
		if u.UIDValidity(t, mailbox) != before {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Fatalf("UIDVALIDITY of %s stays %d", mailbox, before)
}

// Renumber gives a mailbox another UIDVALIDITY, with the same mail under the same UIDs.
func (u *User) Renumber(t testing.TB, mailbox string) {
	t.Helper()
	next := strconv.FormatUint(uint64(u.UIDValidity(t, mailbox)+1), 10)
	out, err := exec.Command("doveadm", "-c", u.server.config(), "mailbox", "update", "-u", u.Name, "--uid-validity", next, mailbox).CombinedOutput()
	if err != nil {
		t.Fatalf("renumber %s: %v\n%s", mailbox, err, out)
	}
}

// UIDValidity is that of a mailbox now.
func (u *User) UIDValidity(t testing.TB, mailbox string) uint32 {
	t.Helper()
	var validity uint32
	u.Do(t, "", func(c *imapclient.Client) error {
		data, err := c.Status(mailbox, &imap.StatusOptions{UIDValidity: true}).Wait()
		if err == nil {
			validity = data.UIDValidity
		}
		return err
	})
	return validity
}

// Append stores a message by APPEND and returns its UID. A zero date is now.
func (u *User) Append(t testing.TB, mailbox string, raw []byte, date time.Time, flags ...imap.Flag) imap.UID {
	t.Helper()
	var uid imap.UID
	u.Do(t, "", func(c *imapclient.Client) error {
		for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
			data, err := appendOnce(c, mailbox, raw, &imap.AppendOptions{Flags: flags, Time: date})
			if err == nil {
				uid = data.UID
				return nil
			}
			// Of a mailbox that is new, and that a session has open which was there before under the name.
			if !strings.Contains(err.Error(), "deleted under us") || time.Now().After(deadline) {
				return err
			}
		}
	})
	return uid
}

func appendOnce(c *imapclient.Client, mailbox string, raw []byte, options *imap.AppendOptions) (*imap.AppendData, error) {
	cmd := c.Append(mailbox, int64(len(raw)), options)
	if _, err := cmd.Write(raw); err != nil {
		return nil, err
	}
	if err := cmd.Close(); err != nil {
		return nil, err
	}
	return cmd.Wait()
}

// Deliver puts a message into the Maildir as a file, octet for octet, as a
// mail transfer agent does. The mailbox must exist. A zero date is now. The
// server gives UIDs in the order of deliveries, when it next looks.
func (u *User) Deliver(t testing.TB, mailbox string, raw []byte, date time.Time, flags ...imap.Flag) {
	t.Helper()
	dir := filepath.Join(u.server.dir, "mail", u.Name)
	if mailbox != "INBOX" {
		dir = filepath.Join(dir, "."+strings.ReplaceAll(mailbox, "/", "."))
	}
	if _, err := os.Stat(filepath.Join(dir, "cur")); err != nil {
		u.Do(t, mailbox, func(*imapclient.Client) error { return nil }) // makes INBOX
	}
	u.delivered++
	name := fmt.Sprintf("%d.M%06dP%d.test,S=%d", time.Now().Unix(), u.delivered, os.Getpid(), len(raw))
	target := filepath.Join(dir, "new", name)
	if letters := maildirFlags(flags); letters != "" {
		target = filepath.Join(dir, "cur", name+":2,"+letters)
	}
	aside := filepath.Join(dir, "tmp", name)
	if err := os.WriteFile(aside, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := u.server.owner.give(aside); err != nil {
		t.Fatal(err)
	}
	if !date.IsZero() {
		if err := os.Chtimes(aside, date, date); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(aside, target); err != nil {
		t.Fatal(err)
	}
}

// maildirFlags are the letters of the flags in a file name, in the order of
// the alphabet.
func maildirFlags(flags []imap.Flag) string {
	var letters strings.Builder
	for _, f := range []struct {
		flag   imap.Flag
		letter string
	}{
		{imap.FlagDraft, "D"},
		{imap.FlagFlagged, "F"},
		{imap.FlagAnswered, "R"},
		{imap.FlagSeen, "S"},
		{imap.FlagDeleted, "T"},
	} {
		for _, have := range flags {
			if strings.EqualFold(string(have), string(f.flag)) {
				letters.WriteString(f.letter)
			}
		}
	}
	return letters.String()
}

// AddFlags sets flags of a message.
func (u *User) AddFlags(t testing.TB, mailbox string, uid imap.UID, flags ...imap.Flag) {
	t.Helper()
	u.store(t, mailbox, uid, imap.StoreFlagsAdd, flags)
}

// RemoveFlags takes flags from a message.
func (u *User) RemoveFlags(t testing.TB, mailbox string, uid imap.UID, flags ...imap.Flag) {
	t.Helper()
	u.store(t, mailbox, uid, imap.StoreFlagsDel, flags)
}

func (u *User) store(t testing.TB, mailbox string, uid imap.UID, op imap.StoreFlagsOp, flags []imap.Flag) {
	t.Helper()
	u.Do(t, mailbox, func(c *imapclient.Client) error {
		return c.Store(imap.UIDSetNum(uid), &imap.StoreFlags{Op: op, Silent: true, Flags: flags}, nil).Close()
	})
}

// Move moves messages to another mailbox, where they get new UIDs.
func (u *User) Move(t testing.TB, from, to string, uids ...imap.UID) {
	t.Helper()
	u.Do(t, from, func(c *imapclient.Client) error {
		_, err := c.Move(imap.UIDSetNum(uids...), to).Wait()
		return err
	})
}

// Copy copies messages to another mailbox.
func (u *User) Copy(t testing.TB, from, to string, uids ...imap.UID) {
	t.Helper()
	u.Do(t, from, func(c *imapclient.Client) error {
		_, err := c.Copy(imap.UIDSetNum(uids...), to).Wait()
		return err
	})
}

// Expunge removes messages for good.
func (u *User) Expunge(t testing.TB, mailbox string, uids ...imap.UID) {
	t.Helper()
	set := imap.UIDSetNum(uids...)
	u.Do(t, mailbox, func(c *imapclient.Client) error {
		mark := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
		if err := c.Store(set, mark, nil).Close(); err != nil {
			return err
		}
		return c.UIDExpunge(set).Close()
	})
}

// Messages is all mail of a mailbox by UID, without setting \Seen.
func (u *User) Messages(t testing.TB, mailbox string) []Stored {
	t.Helper()
	var found []Stored
	body := &imap.FetchItemBodySection{Peek: true}
	u.Do(t, mailbox, func(c *imapclient.Client) error {
		rows := c.Fetch(imap.UIDSet{imap.UIDRange{Start: 1}}, &imap.FetchOptions{
			UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{body},
		})
		for row := rows.Next(); row != nil; row = rows.Next() {
			m, err := row.Collect()
			if err != nil {
				return err
			}
			found = append(found, Stored{m.UID, m.Flags, m.InternalDate, bytes.Clone(m.FindBodySection(body))})
		}
		return rows.Close()
	})
	return found
}
