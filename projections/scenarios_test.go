package projections

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/imap2api/imap2api/events"
)

var update = flag.Bool("update", false, "rewrite rows.json of the scenarios, to be read in the diff")

// logOf reads events, one in a line, of a second each. One whose payload was
// erased has none.
func logOf(t *testing.T, jsonl []byte) []events.Recorded {
	t.Helper()
	var out []events.Recorded
	for line := range strings.Lines(string(jsonl)) {
		var stored struct {
			Type    events.Type     `json:"type"`
			Payload json.RawMessage `json:"payload"`
		}
		if err := json.Unmarshal([]byte(line), &stored); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		rec := events.Recorded{
			Journal: 1, Position: events.Position(len(out) + 1), Type: stored.Type,
			RecordedAt: time.Date(2026, 1, 2, 3, 4, len(out)+1, 0, time.UTC),
		}
		if len(stored.Payload) > 0 {
			e, err := events.Decode(stored.Type, 1, stored.Payload)
			if err != nil {
				t.Fatal(err)
			}
			rec.Event, rec.Stream, rec.Account = e, e.EventStream(), e.EventAccount()
		}
		out = append(out, rec)
	}
	return out
}

// part returns a file of an archive.
func part(a *txtar.Archive, name string) *txtar.File {
	for i := range a.Files {
		if a.Files[i].Name == name {
			return &a.Files[i]
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name})
	return &a.Files[len(a.Files)-1]
}

// TestScenarios tells stories: events.jsonl gives rows.json, in one batch and in
// batches of one event each.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for name, m := range models {
		paths, err := filepath.Glob(filepath.Join("testdata", name, "*.txtar"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("scenarios of %s: %v, %v", name, paths, err)
		}
		for _, path := range paths {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
				t.Parallel()
				archive, err := txtar.ParseFile(path)
				if err != nil {
					t.Fatal(err)
				}
				log := logOf(t, part(archive, "events.jsonl").Data)
				whole := pretty(t, fold(t, m.empty(), m.handles, log, func() bool { return false }))
				single := pretty(t, fold(t, m.empty(), m.handles, log, func() bool { return true }))
				want := part(archive, "rows.json")
				if *update {
					want.Data = whole
					if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(string(want.Data), string(whole)); diff != "" {
					t.Errorf("%s in one batch (-want +got):\n%s", path, diff)
				}
				if diff := cmp.Diff(string(want.Data), string(single)); diff != "" {
					t.Errorf("%s event by event (-want +got):\n%s", path, diff)
				}
			})
		}
	}
}

// pretty writes rows as JSON, a row in a line.
func pretty(t *testing.T, r rows) []byte {
	t.Helper()
	var out bytes.Buffer
	for i, table := range slices.Sorted(maps.Keys(r)) {
		out.WriteString([]string{"{\n", ",\n"}[min(i, 1)])
		compact, err := json.Marshal(r[table])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%q: ", table)
		var list []json.RawMessage
		if json.Unmarshal(compact, &list) != nil || len(list) == 0 {
			out.Write(compact)
			continue
		}
		for j, row := range list {
			out.WriteString([]string{"[\n\t", ",\n\t"}[min(j, 1)])
			out.Write(row)
		}
		out.WriteString("\n]")
	}
	out.WriteString("\n}\n")
	return out.Bytes()
}
