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
	hidden bool            // what is moved counts as copied
	leaves bool            // a folder with others below is not deleted: not all servers allow it
	done   []string        // what was done, for the log of a failed test
}

func newWorld(t testing.TB, user *dovecottest.User, seed uint64, folders ...string) *world {
	t.Helper()
	user.Keep()
	w := &world{t: t, user: user, rng: rand.New(rand.NewPCG(seed, 0)), copied: map[string]bool{}}
	for _, folder := range folders {
		user.Create(t, folder)
	}
	return w
}

// folders are all that can be opened, by name.
func (w *world) folders() (names []string) {
	w.t.Helper()
	w.user.Do(w.t, "", func(c *imapclient.Client) error {
		listed, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{UIDNext: true}}).Collect()
		for _, l := range listed {
			if l.Status != nil { // Dovecot lists a name that has only others below it, too
				names = append(names, l.Mailbox)
			}
		}
		return err
	})
	slices.Sort(names)
	return names
}

func (w *world) pick(names []string) string { return names[w.rng.IntN(len(names))] }

// some are up to n UIDs of a folder.
func (w *world) some(folder string, n int) (uids []imap.UID) {
	w.t.Helper()
	w.user.Do(w.t, folder, func(c *imapclient.Client) error {
		found, err := c.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
		if err == nil {
			uids = found.AllUIDs()
		}
		return err
	})
	w.rng.Shuffle(len(uids), func(i, j int) { uids[i], uids[j] = uids[j], uids[i] })
	return uids[:min(len(uids), 1+w.rng.IntN(n))]
}

// did notes what was done.
func (w *world) did(format string, args ...any) {
	w.done = append(w.done, fmt.Sprintf(format, args...))
}

// append stores n new messages.
func (w *world) append(folder string, n int) {
	w.t.Helper()
	w.did("append %d to %s", n, folder)
	for range n {
		raw, date := w.message()
		w.user.Append(w.t, folder, raw, date, w.flags()...)
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
		w.twice(folder, uids)
		w.user.Copy(w.t, folder, to, uids...)
	default:
		if to := w.pick(names); to != folder {
			w.did("move %v of %s to %s", uids, folder, to)
			if w.hidden {
				w.twice(folder, uids)
			}
			w.user.Move(w.t, folder, to, uids...)
		}
	}
}

// twice notes that messages, or all of a folder for nil, are in two places at some time.
func (w *world) twice(folder string, uids []imap.UID) {
	w.t.Helper()
	for _, m := range w.user.Messages(w.t, folder) {
		if uids == nil || slices.Contains(uids, m.UID) {
			w.copied[sum(m.Raw)] = true
		}
	}
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
	kind := w.rng.IntN(3)
	if kind > 0 && w.leaves && slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, folder+"/") }) {
		return
	}
	switch kind {
	case 0:
		if w.rng.IntN(2) == 0 {
			fresh = w.pick(names) + "/" + fresh
		}
		if strings.HasPrefix(fresh, folder+"/") || strings.HasPrefix(fresh, "INBOX/") {
			return // into itself
		}
		w.did("rename %s to %s", folder, fresh)
		if w.hidden {
			w.twice(folder, nil)
		}
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

// subscribe changes which folders mail programs show, which is nobody's business here.
func (w *world) subscribe() {
	w.t.Helper()
	folder := w.pick(w.folders())
	w.did("change the subscription of %s", folder)
	w.user.Do(w.t, "", func(c *imapclient.Client) error {
		if w.rng.IntN(2) == 0 {
			return c.Unsubscribe(folder).Wait()
		}
		return c.Subscribe(folder).Wait()
	})
}

// renumber gives a folder another UIDVALIDITY, with the same mail.
func (w *world) renumber() {
	w.t.Helper()
	folder := w.pick(w.folders())
	w.did("renumber %s", folder)
	w.user.Renumber(w.t, folder)
}
