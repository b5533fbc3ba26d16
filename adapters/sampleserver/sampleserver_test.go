package sampleserver

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-message/mail"
)

var day = time.Date(2026, 3, 4, 10, 30, 0, 0, time.UTC)

// start runs a server until the test ends.
func start(t *testing.T, opts Options) *Server {
	t.Helper()
	opts.Now = func() time.Time { return day }
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

func connect(t *testing.T, s *Server, options *imapclient.Options) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(s.Addr().String(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(Username, Password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryLetterIsSound(t *testing.T) {
	t.Parallel()
	all := letters(day)
	for n := range 200 {
		all = append(all, arrival(n, day))
	}
	if len(all) < 400 {
		t.Errorf("got %d letters, want a few hundred and the arrivals", len(all))
	}
	ids, languages, attached := map[string]bool{}, 0, 0
	for _, l := range all {
		r, err := mail.CreateReader(bytes.NewReader(l.octets()))
		if err != nil {
			t.Fatalf("%s: %v", l.id, err)
		}
		subject, err := r.Header.Subject()
		if err != nil || subject != l.subject || l.subject == "" {
			t.Errorf("%s: got subject %q, %v, want %q", l.id, subject, err, l.subject)
		}
		if ids[l.id] || l.from.addr == "" || l.to.addr == "" || len(l.text) < 10 || l.at.IsZero() {
			t.Errorf("%s: not whole, or twice: %+v", l.id, l)
		}
		ids[l.id] = true
		for _, ref := range l.references {
			if !ids[ref] && !slices.ContainsFunc(all, func(o letter) bool { return o.id == ref }) {
				t.Errorf("%s answers %s, which is not there", l.id, ref)
			}
		}
		if !slices.ContainsFunc(folders, func(f folder) bool { return f.name == l.folder }) {
			t.Errorf("%s: there is no folder %q", l.id, l.folder)
		}
		if bytes.Contains(l.octets(), []byte("=?utf-8?")) {
			languages++
		}
		attached += len(l.files)
	}
	if languages < 30 || attached < 50 {
		t.Errorf("got %d letters with more than ASCII and %d attachments, want more", languages, attached)
	}
	if !bytes.Equal(letters(day)[7].octets(), letters(day)[7].octets()) {
		t.Error("the same letter has other octets")
	}
}

func TestFoldersTellWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, Options{Every: -1}), nil)
	boxes, err := c.List("", "*", &imap.ListOptions{ReturnSpecialUse: true, ReturnStatus: &imap.StatusOptions{NumMessages: true}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	total := uint32(0)
	uses := map[string]string{}
	for _, b := range boxes {
		total += *b.Status.NumMessages
		for _, a := range b.Attrs {
			uses[b.Mailbox] = string(a)
		}
	}
	if len(boxes) != len(folders) || uses["Sent"] != `\Sent` || uses["Trash"] != `\Trash` || int(total) != len(letters(day)) {
		t.Errorf("got %d folders with %d messages and uses %v", len(boxes), total, uses)
	}
}

func TestMailArrivesByItself(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Every: time.Millisecond})
	arrived := make(chan struct{}, 100)
	c := connect(t, s, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(*imapclient.UnilateralDataMailbox) {
			select {
			case arrived <- struct{}{}:
			default:
			}
		},
	}})
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		<-arrived
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNewRunVoidsUIDsAndKeepsWhatArrived(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.json")
	now := func() time.Time { return day }
	first, err := Open(Options{Every: -1, StateFile: file, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close() //nolint:errcheck // its mail is looked at, not its listener
	first.state.Arrived = make([]int64, 21)
	if err := first.state.save(file); err != nil {
		t.Fatal(err)
	}
	second, err := Open(Options{Every: -1, StateFile: file, Now: func() time.Time { return day.AddDate(0, 1, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close() //nolint:errcheck // as above
	options := &imap.StatusOptions{NumMessages: true, UIDValidity: true}
	before, _ := first.user.Status("INBOX", options)
	after, err := second.user.Status("INBOX", options)
	if err != nil {
		t.Fatal(err)
	}
	if before.UIDValidity == after.UIDValidity {
		t.Errorf("got UIDVALIDITY %d twice, want another one", after.UIDValidity)
	}
	if got := *after.NumMessages - *before.NumMessages; got != 12 {
		t.Errorf("got %d more messages in INBOX, want the 12 of 21 arrivals that go there", got)
	}
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:143", "example.org:143", ":143"} {
		if s, err := Open(Options{Listen: addr}); err == nil {
			_ = s.Close()
			t.Errorf("listens on %s", addr)
		}
	}
}
