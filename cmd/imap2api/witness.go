package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
)

const (
	witnessFile  = "heads.jsonl"    // in the data directory
	witnessEvery = 15 * time.Second // so much at most is not in it
	idsBetween   = 1_000_000        // that may have been drawn since it was written
	losesTold    = 5                // journals that the log names
)

// witnessIDs is the first line of a witness file: the last ids that were drawn. Signed heads follow.
type witnessIDs struct {
	IDs map[domain.IDKind]int64 `json:"ids"`
}

// witness keeps, beside the database, how far the journals and the ids had come: who restores an
// older backup of the database is told, and no id is given out twice.
type witness struct {
	s    *system
	path string

	ids   map[domain.IDKind]int64
	lines map[events.JournalID]events.SignedHead
}

func newWitness(s *system) *witness {
	return &witness{s: s, path: filepath.Join(s.config.dataDir, witnessFile), lines: map[events.JournalID]events.SignedHead{}}
}

// compare compares the database with what was written, raises the ids and says what to do.
func (w *witness) compare(ctx context.Context) error {
	ids, heads, err := readWitness(w.path)
	unknown := errors.Is(err, fs.ErrNotExist)
	if err != nil && !unknown {
		return fmt.Errorf("read %s: %w", w.path, err)
	}
	lost, err := w.s.events.Losses(ctx, heads)
	if err != nil || len(lost) == 0 && !unknown {
		return err
	}
	above, err := w.s.events.RecordedIDs(ctx)
	if err != nil {
		return err
	}
	for kind, id := range ids {
		above[kind] = max(above[kind], id+idsBetween)
	}
	raised, err := w.s.events.RaiseIDs(ctx, above)
	if err != nil {
		return err
	}
	if len(raised) > 0 {
		w.s.log.Warn("ids were behind, they are raised", slog.Any("kinds", raised))
	}
	if len(lost) == 0 {
		return nil
	}
	kept := w.path + "." + now().Format("20060102T150405Z")
	if err := os.Rename(w.path, kept); err != nil {
		return fmt.Errorf("keep earlier heads: %w", err)
	}
	w.tell(lost, kept)
	return nil
}

func (w *witness) tell(lost []eventlog.Loss, kept string) {
	for _, l := range lost[:min(len(lost), losesTold)] {
		w.s.log.Warn("journal has lost events", slog.Int64("journal", int64(l.Stated.Journal)), slog.Int64("ends_at", int64(l.Ends)),
			slog.Int64("had_come_to", int64(l.Stated.Position)), slog.Time("recorded_at", l.Stated.RecordedAt))
	}
	w.s.log.Error("the database is older than what this data directory has seen: a backup was restored, or another database is meant. "+
		"If a newer backup exists, stop the program and restore that. To go on with this one nothing need be done: mail is fetched again, ids are not given out twice, "+
		"clients that ask for later positions are told to begin anew", slog.Int("journals", len(lost)), slog.String("earlier_heads", kept))
}

// keep writes what is new, now and then and at the end of ctx.
func (w *witness) keep(ctx context.Context) {
	tick := time.NewTicker(witnessEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin/2)
		if err := w.write(last); err != nil {
			w.s.log.Warn("write heads beside the database", slog.Any("err", err))
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
	}
}

// write writes the file anew if anything has changed. Heads are read first: what the file says of ids is never behind them.
func (w *witness) write(ctx context.Context) error {
	heads, err := w.s.events.Heads(ctx)
	if err != nil {
		return err
	}
	ids, err := w.s.events.LastIDs(ctx)
	if err != nil {
		return err
	}
	changed := !maps.Equal(ids, w.ids)
	for _, h := range heads {
		if w.lines[h.Journal].Position != h.Position || w.lines[h.Journal].Link != h.Link {
			w.lines[h.Journal], changed = w.s.secrets.SignHead(h), true
		}
	}
	if !changed {
		return nil
	}
	w.ids = ids
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(witnessIDs{ids}); err != nil {
		return err
	}
	for _, j := range slices.Sorted(maps.Keys(w.lines)) {
		b.Write(public.RenderHead(w.lines[j]))
		b.WriteByte('\n')
	}
	return replaceFile(w.path, b.Bytes())
}

// replaceFile puts octets in the place of a file, whole or not at all.
func replaceFile(path string, octets []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(octets)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// readWitness reads what write wrote.
func readWitness(path string) (map[domain.IDKind]int64, []events.Head, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var first witnessIDs
	var heads []events.Head
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		if n == 1 && isWitnessIDs(lines.Bytes()) {
			if err := json.Unmarshal(lines.Bytes(), &first); err != nil {
				return nil, nil, fmt.Errorf("line %d: %w", n, err)
			}
			continue
		}
		h, err := public.ParseHead(lines.Bytes())
		if err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", n, err)
		}
		heads = append(heads, h.Head)
	}
	return first.IDs, heads, lines.Err()
}

// isWitnessIDs tells the first line of a witness file from a statement.
func isWitnessIDs(line []byte) bool { return bytes.HasPrefix(line, []byte(`{"ids":`)) }
