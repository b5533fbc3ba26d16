package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const benchMessages = 20_000

// BenchmarkFirstSync syncs a mailbox of IMAP2API_TEST_BENCH_COUNT messages until the
// API shows all of them, and, in turn with that, drains it with a client that
// throws everything away, and fetches and indexes it with mbsync and notmuch if they
// are installed. Each finds a Dovecot without indexes. After the first round every
// message is read back and compared with what the generator wrote.
func BenchmarkFirstSync(b *testing.B) {
	g := newRig(b, number(b, "BENCH_COUNT", benchMessages))
	var ours, drained, theirs, fetched, first time.Duration
	var peak int64
	rounds := 0
	for b.Loop() {
		steps := []func(){
			func() { drained += g.drain() },
			func() {
				s := g.sync()
				ours, first, peak = ours+s.took, max(first, s.first), max(peak, s.peak)
				if rounds == 0 {
					g.nothingLost(s)
				}
				if _, err := s.program.stop(); err != nil {
					b.Fatal(err)
				}
			},
			func() {
				f, i := g.mbsync()
				fetched, theirs = fetched+f, theirs+f+i
			},
		}
		for i := range steps { // each is the first now and then
			g.cold(steps[(i+rounds)%len(steps)])
		}
		rounds++
	}
	n := float64(rounds * g.count)
	b.ReportMetric(n/ours.Seconds(), "msg/s")
	b.ReportMetric(first.Seconds(), "s-to-first")
	b.ReportMetric(float64(peak)/1e6, "peak-MB")
	b.ReportMetric(n/drained.Seconds(), "drained/s")
	b.ReportMetric(drained.Seconds()/ours.Seconds(), "of-drain")
	if theirs > 0 {
		b.ReportMetric(n/fetched.Seconds(), "mbsync/s")
		b.ReportMetric(n/theirs.Seconds(), "mbsync+notmuch/s")
		b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-mbsync+notmuch")
	}
	b.ReportMetric(0, "ns/op")
}

// drain fetches every message and throws it away.
func (g *rig) drain() time.Duration {
	g.b.Helper()
	begun := time.Now()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(g.port)))
	g.must(err)
	defer conn.Close() //nolint:errcheck // all is read
	in := bufio.NewReaderSize(conn, 256<<10)
	_, err = fmt.Fprint(conn, "a LOGIN test test\r\nb EXAMINE INBOX\r\nc UID FETCH 1:* (UID BODY.PEEK[])\r\n")
	g.must(err)
	literals := 0
	for {
		line, err := in.ReadSlice('\n')
		g.must(err)
		line = bytes.TrimRight(line, "\r\n")
		if bytes.HasPrefix(line, []byte("c ")) {
			break
		}
		if at := bytes.LastIndexByte(line, '{'); at >= 0 && bytes.HasSuffix(line, []byte("}")) {
			size, err := strconv.ParseInt(string(line[at+1:len(line)-1]), 10, 64)
			g.must(err)
			_, err = io.CopyN(io.Discard, in, size)
			g.must(err)
			literals++
		}
	}
	if literals < g.count*99/100 { // messages without octets come as ""
		g.b.Fatalf("drained %d messages, want %d", literals, g.count)
	}
	return time.Since(begun)
}

// mbsync fetches the mailbox to an empty Maildir and indexes it, as a user would without us.
func (g *rig) mbsync() (fetch, index time.Duration) {
	g.b.Helper()
	for _, name := range []string{"mbsync", "notmuch"} {
		if _, err := exec.LookPath(name); err != nil {
			g.b.Logf("not compared with mbsync and notmuch: %v", err)
			return 0, 0
		}
	}
	dir, err := os.MkdirTemp(g.dir, "maildir-")
	g.must(err)
	defer os.RemoveAll(dir) //nolint:errcheck // goes with the rig
	mail := filepath.Join(dir, "mail")
	g.must(os.Mkdir(mail, 0o755))
	config := filepath.Join(dir, "mbsyncrc")
	g.must(os.WriteFile(config, fmt.Appendf(nil, `IMAPAccount bench
Host 127.0.0.1
Port %d
User test
Pass test
SSLType None
AuthMechs LOGIN

IMAPStore far
Account bench

MaildirStore near
Path %s/
Inbox %s/INBOX

Channel bench
Far :far:
Near :near:
Patterns INBOX
Create Near
Sync Pull
SyncState *
`, g.port, mail, mail), 0o600))
	fetch = g.command(nil, "mbsync", "-q", "-c", config, "bench")
	settings := filepath.Join(dir, "notmuch")
	g.must(os.WriteFile(settings, fmt.Appendf(nil, "[database]\npath=%s\n[user]\nname=b\nprimary_email=b@example.org\n[new]\ntags=new\n", mail), 0o600))
	return fetch, g.command([]string{"NOTMUCH_CONFIG=" + settings}, "notmuch", "new", "--quiet")
}

// nothingLost reads every message back and compares all with what the generator wrote.
func (g *rig) nothingLost(s *synced) {
	g.b.Helper()
	text, err := os.ReadFile(filepath.Join(g.mail(), "test.manifest.jsonl"))
	g.must(err)
	missing, kinds := map[string][]string{}, map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var m struct{ SHA256, Kind string }
		g.must(json.Unmarshal([]byte(line), &m))
		missing[m.SHA256] = append(missing[m.SHA256], m.Kind)
		kinds[m.Kind] = true
	}
	ids, err := s.ids("")
	g.must(err)
	for _, hash := range s.hashes(g.b, ids) {
		if len(missing[hash]) == 0 {
			g.b.Errorf("the API has a message %s that is not in the mailbox, or not so often", hash)
			continue
		}
		if missing[hash] = missing[hash][1:]; len(missing[hash]) == 0 {
			delete(missing, hash)
		}
	}
	for hash, lost := range missing {
		g.b.Errorf("message %s of kind %v is lost", hash, lost)
	}
	g.b.Logf("%d raw messages of %d kinds read back and compared", len(ids), len(kinds))
}

// hashes returns the sums of the raw messages with these ids.
func (c *client) hashes(b *testing.B, ids []int64) []string {
	b.Helper()
	out := make([]string, len(ids))
	var all sync.WaitGroup
	const readers = 2
	for r := range readers {
		all.Go(func() {
			for i := r; i < len(ids); i += readers {
				a, err := c.do("GET", fmt.Sprintf("/api/emails/%d/raw/", ids[i]), nil)
				if err != nil || a.status != http.StatusOK {
					b.Errorf("raw message %d: %d %v", ids[i], a.status, err)
					continue
				}
				out[i] = sum(a.body)
			}
		})
	}
	all.Wait()
	return out
}
