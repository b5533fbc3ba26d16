package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// number reads a number for a test from the environment.
func number(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv("IMAP2API_TEST_" + name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("IMAP2API_TEST_%s: %q is no number", name, text)
	}
	return n
}

// A world is a mailbox that somebody else works in, by chance.
type world struct {
	t    testing.TB
	user *dovecottest.User
	rng  *rand.Rand

	serial int
	ids    []string        // of messages that can be answered
	copied map[string]bool // sums of what was there twice at some time
	done   []string        // what was done, for the log of a failed test
}

func newWorld(t testing.TB, user *dovecottest.User, seed uint64, folders ...string) *world {
	t.Helper()
	w := &world{t: t, user: user, rng: rand.New(rand.NewPCG(seed, 0)), copied: map[string]bool{}}
	for _, folder := range folders {
		user.Create(t, folder)
	}
	return w
}

// folders are all that can be opened, by name.
func (w *world) folders() []string {
	w.t.Helper()
	c := w.user.Connect(w.t)
	defer c.Close() //nolint:errcheck // only read
	listed, err := c.List("", "*", nil).Collect()
	if err != nil {
		w.t.Fatalf("list folders: %v", err)
	}
	var names []string
	for _, l := range listed { // Dovecot lists a name that has only others below it, too
		if _, err := c.Status(l.Mailbox, &imap.StatusOptions{UIDNext: true}).Wait(); err == nil {
			names = append(names, l.Mailbox)
		}
	}
	slices.Sort(names)
	return names
}

func (w *world) pick(names []string) string { return names[w.rng.IntN(len(names))] }

// some are up to n UIDs of a folder.
func (w *world) some(folder string, n int) []imap.UID {
	w.t.Helper()
	c := w.user.Connect(w.t)
	defer c.Close() //nolint:errcheck // only read
	if _, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		w.t.Fatalf("select %s: %v", folder, err)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
	if err != nil {
		w.t.Fatalf("search %s: %v", folder, err)
	}
	uids := found.AllUIDs()
	w.rng.Shuffle(len(uids), func(i, j int) { uids[i], uids[j] = uids[j], uids[i] })
	return uids[:min(len(uids), 1+w.rng.IntN(n))]
}

// did notes what was done.
func (w *world) did(format string, args ...any) {
	w.done = append(w.done, fmt.Sprintf(format, args...))
}

// append stores n new messages over a connection of their own.
func (w *world) append(folder string, n int) {
	w.t.Helper()
	w.did("append %d to %s", n, folder)
	c := w.user.Connect(w.t)
	defer c.Close() //nolint:errcheck // logged out below
	for range n {
		raw, date := w.message()
		w.store(c, folder, raw, date, w.flags())
	}
	if err := c.Logout().Wait(); err != nil {
		w.t.Fatalf("log out: %v", err)
	}
}

func (w *world) store(c *imapclient.Client, folder string, raw []byte, date time.Time, flags []imap.Flag) {
	w.t.Helper()
	cmd := c.Append(folder, int64(len(raw)), &imap.AppendOptions{Flags: flags, Time: date})
	_, err := cmd.Write(raw)
	if err == nil {
		err = cmd.Close()
	}
	if err == nil {
		_, err = cmd.Wait()
	}
	if err != nil {
		w.t.Fatalf("append to %s: %v", folder, err)
	}
}

// message makes a message of its own, and its internal date: half a day away from any whole number of days ago.
func (w *world) message() ([]byte, time.Time) {
	w.serial++
	date := time.Now().UTC().Add(-12*time.Hour).AddDate(0, 0, -w.rng.IntN(w.rng.IntN(1500)+1)).Truncate(time.Second)
	id := fmt.Sprintf("<%d.%d@world.example>", w.serial, w.rng.Uint64())
	var text strings.Builder
	header := func(name, value string) { fmt.Fprintf(&text, "%s: %s\r\n", name, value) }
	header("From", fmt.Sprintf("Person %d <p%d@world.example>", w.serial%7, w.serial%7))
	header("To", "me@example.org")
	header("Date", date.Format(time.RFC1123Z))
	header("Message-ID", id)
	subject := fmt.Sprintf("Matter %d", w.serial)
	if len(w.ids) > 0 && w.rng.IntN(3) == 0 {
		header("In-Reply-To", w.ids[w.rng.IntN(len(w.ids))])
		subject = "Re: " + subject
	}
	header("Subject", subject)
	w.ids = append(w.ids, id)
	if w.rng.IntN(4) == 0 {
		w.attach(&text)
		return []byte(text.String()), date
	}
	text.WriteString("\r\n")
	for range w.rng.IntN(60) {
		fmt.Fprintf(&text, "line %d of a message that says nothing\r\n", w.rng.IntN(1000))
	}
	return []byte(text.String()), date
}

// attach makes a message one with an attachment of up to 30,000 octets.
func (w *world) attach(text *strings.Builder) {
	content := make([]byte, 1+w.rng.IntN(30_000))
	for i := range content {
		content[i] = byte(w.rng.IntN(256))
	}
	text.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nattached\r\n" +
		"--b\r\nContent-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	code := base64.StdEncoding.EncodeToString(content)
	for len(code) > 76 {
		text.WriteString(code[:76] + "\r\n")
		code = code[76:]
	}
	text.WriteString(code + "\r\n--b--\r\n")
}

var someFlags = []imap.Flag{imap.FlagSeen, imap.FlagFlagged, imap.FlagAnswered, imap.FlagDraft, "$Forwarded", "Urgent"}

func (w *world) flags() []imap.Flag {
	var flags []imap.Flag
	for _, f := range someFlags {
		if w.rng.IntN(4) == 0 {
			flags = append(flags, f)
		}
	}
	return flags
}

// change does one thing to the mail.
func (w *world) change() {
	w.t.Helper()
	names := w.folders()
	folder := w.pick(names)
	kind := w.rng.IntN(10)
	if kind < 3 {
		w.append(folder, 1+w.rng.IntN(8))
		return
	}
	uids := w.some(folder, 6)
	if len(uids) == 0 {
		return
	}
	switch kind {
	case 3, 4, 5:
		flag := someFlags[w.rng.IntN(len(someFlags))]
		w.did("flag %v of %s with %s", uids, folder, flag)
		for _, uid := range uids {
			if w.rng.IntN(2) == 0 {
				w.user.AddFlags(w.t, folder, uid, flag)
			} else {
				w.user.RemoveFlags(w.t, folder, uid, flag)
			}
		}
	case 6:
		w.did("expunge %v of %s", uids, folder)
		w.user.Expunge(w.t, folder, uids...)
	case 7:
		to := w.pick(names)
		w.did("copy %v of %s to %s", uids, folder, to)
		for _, s := range w.sums(folder, uids) {
			w.copied[s] = true
		}
		w.user.Copy(w.t, folder, to, uids...)
	default:
		if to := w.pick(names); to != folder {
			w.did("move %v of %s to %s", uids, folder, to)
			w.user.Move(w.t, folder, to, uids...)
		}
	}
}

// sums are those of messages.
func (w *world) sums(folder string, uids []imap.UID) []string {
	w.t.Helper()
	var sums []string
	for _, m := range w.user.Messages(w.t, folder) {
		if slices.Contains(uids, m.UID) {
			sums = append(sums, sum(m.Raw))
		}
	}
	return sums
}

// changeFolders makes, renames, deletes or makes anew a folder.
func (w *world) changeFolders() {
	w.t.Helper()
	names := w.folders()
	own := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.Contains([]string{"INBOX", "Sent", "Trash", "Junk", "Drafts"}, name)
	})
	w.serial++
	fresh := fmt.Sprintf("Folder %d é", w.serial)
	if len(own) == 0 || w.rng.IntN(4) == 0 {
		w.did("create %s", fresh)
		w.user.Create(w.t, fresh)
		w.append(fresh, 1+w.rng.IntN(5))
		return
	}
	folder := w.pick(own)
	switch w.rng.IntN(3) {
	case 0:
		if w.rng.IntN(2) == 0 {
			fresh = w.pick(names) + "/" + fresh
		}
		if strings.HasPrefix(fresh, folder+"/") || strings.HasPrefix(fresh, "INBOX/") {
			return // into itself
		}
		w.did("rename %s to %s", folder, fresh)
		w.user.Rename(w.t, folder, fresh)
	case 1:
		w.did("delete %s", folder)
		w.user.Delete(w.t, folder)
	case 2:
		w.did("recreate %s", folder)
		w.user.Recreate(w.t, folder)
		w.append(folder, 1+w.rng.IntN(5))
	}
}
