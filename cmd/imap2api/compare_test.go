package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	gocmp "github.com/google/go-cmp/cmp"
)

// A copied message is what the mail server and the API must say alike.
type copied struct {
	Folder, Sum, Received, Flags string
	Size                         int64
}

// A known message is what the API says of one.
type known struct {
	copied
	MessageID string
}

func sortCopies(all []copied) {
	slices.SortFunc(all, func(a, b copied) int {
		return cmp.Or(strings.Compare(a.Folder, b.Folder), strings.Compare(a.Sum, b.Sum), strings.Compare(a.Received, b.Received),
			strings.Compare(a.Flags, b.Flags))
	})
}

// onServer is all mail as the mail server shows it, in the order of folders and UIDs.
func (w *world) onServer() []copied {
	w.t.Helper()
	var all []copied
	for _, folder := range w.folders() {
		for _, m := range w.user.Messages(w.t, folder) {
			all = append(all, copied{
				Folder: folder, Sum: sum(m.Raw), Size: int64(len(m.Raw)),
				Received: m.InternalDate.UTC().Format(time.RFC3339), Flags: joinFlags(m.Flags),
			})
		}
	}
	return all
}

func joinFlags[F ~string](flags []F) string {
	var names []string
	for _, f := range flags {
		if imap.Flag(f) != `\Recent` {
			names = append(names, string(f))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// inAPI is all mail of a server as the API gives it, by id, after the sums of raw messages.
func (c *client) inAPI(server int64) (map[int64]known, error) {
	ids, err := c.ids(fmt.Sprintf("&imap_server=%d", server))
	if err != nil {
		return nil, err
	}
	all := make(map[int64]known, len(ids))
	for _, id := range ids {
		path := fmt.Sprintf("/api/emails/%d/", id)
		var e email
		if err := c.call(http.StatusOK, "GET", path, nil, &e); err != nil {
			return nil, err
		}
		raw, err := c.do("GET", path+"raw/", nil)
		if err != nil || raw.status != http.StatusOK {
			return nil, fmt.Errorf("raw message of email %d: status %d, %w", id, raw.status, err)
		}
		if _, twice := all[id]; twice {
			return nil, fmt.Errorf("the list has email %d twice", id)
		}
		all[id] = known{copied{e.Folder, sum(raw.body), e.ReceivedAt, joinFlags(e.Flags), e.Size}, e.MessageID}
	}
	return all, nil
}

// look notes the sums of raw messages by id, of those that it has not seen yet.
func (c *client) look(seen map[int64]string) error {
	ids, err := c.ids("")
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, known := seen[id]; known {
			continue
		}
		raw, err := c.do("GET", fmt.Sprintf("/api/emails/%d/raw/", id), nil)
		if err != nil {
			return err
		}
		if raw.status == http.StatusOK { // else it has gone meanwhile
			seen[id] = sum(raw.body)
		}
	}
	return nil
}

// level fails the test where the API and the mail server differ.
func level(t testing.TB, server []copied, api map[int64]known) {
	t.Helper()
	want := slices.Clone(server)
	got := make([]copied, 0, len(api))
	for _, m := range api {
		got = append(got, m.copied)
	}
	sortCopies(want)
	sortCopies(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("the API differs from the mail server (-server +api):\n%s", diff)
	}
}

// same fails the test where an id does not mean what it meant. A message
// that was never copied keeps its id wherever it goes, if it can be recognised by a Message-ID.
func (w *world) same(server []copied, before map[int64]string, now map[int64]known) {
	t := w.t
	t.Helper()
	once := unique(server)
	ids := map[string]int64{}
	for id, m := range now {
		ids[m.Sum] = id
	}
	for id, s := range before {
		m, there := now[id]
		if there && m.Sum != s {
			t.Errorf("email %d is another message now", id)
		}
		if other, moved := ids[s]; !there && moved && once[s] && !w.copied[s] && now[other].MessageID != "" {
			t.Errorf("message %s was email %d and is email %d now", now[other].MessageID, id, other)
		}
	}
}

// unique are the sums that occur once.
func unique(server []copied) map[string]bool {
	n := map[string]int{}
	for _, m := range server {
		n[m.Sum]++
	}
	once := map[string]bool{}
	for s, count := range n {
		if count == 1 {
			once[s] = true
		}
	}
	return once
}

// lastRun returns the last run of a server.
func (c *client) lastRun(server int64) (run struct {
	ID       int64
	Status   string
	Error    json.RawMessage
	Started  time.Time `json:"started_at"`
	Finished time.Time `json:"finished_at"`
}, err error,
) {
	err = c.call(http.StatusOK, "GET", fmt.Sprintf("/api/imap-servers/%d/sync-status/", server), nil, &run)
	return run, err
}
