package eventlog

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
)

// Limits of one decision; larger ones are split by the command.
const (
	maxEvents = 1000
	maxOctets = 4 << 20 // of all payloads as stored
)

// storedRow is an event as a row of log.events has it.
type storedRow struct {
	position events.Position
	id       ulid.ULID
	typ      events.Type
	version  int16
	encoding int16
	stream   events.Stream
	account  int64
	payload  []byte
}

// leaf returns what the chain knows of the event.
func (s *storedRow) leaf() events.Hash {
	return events.Leaf(s.typ, s.version, s.encoding, 0, s.stream, s.account, s.id, s.payload)
}

// pendingCommit is a commit with its events, as they are stored.
type pendingCommit struct {
	commit events.Commit
	link   events.Hash
	meta   []byte
	events []storedRow
}

// newCommit numbers, encodes and chains the events of a decision after the head.
func (j *Journal) newCommit(h journalHead, scope commands.Scope, at time.Time, list []events.Event) (*pendingCommit, error) {
	if len(list) > maxEvents {
		return nil, fmt.Errorf("decision of %d events is over %d", len(list), maxEvents)
	}
	meta, err := json.Marshal(scope.Meta)
	if err != nil {
		return nil, fmt.Errorf("encode meta: %w", err)
	}
	n := &pendingCommit{meta: meta, events: make([]storedRow, len(list))}
	if err := j.ids.fill(at, n.events); err != nil {
		return nil, err
	}
	leaves, octets := make([]events.Hash, len(list)), 0
	for i, e := range list {
		s := &n.events[i]
		t, version := e.EventType()
		s.position, s.typ, s.version = h.position+1+events.Position(i), t, int16(version)
		s.stream, s.account = e.EventStream(), int64(e.EventAccount())
		if s.encoding, s.payload, err = encodePayload(e, j.log.opts.Compress); err != nil {
			return nil, err
		}
		leaves[i] = s.leaf()
		octets += len(s.payload)
	}
	if octets > maxOctets {
		return nil, fmt.Errorf("decision of %d octets is over %d", octets, maxOctets)
	}
	n.commit = events.Commit{
		Journal: scope.Journal, First: h.position + 1, Last: h.position + events.Position(len(list)),
		RecordedAt: at, AppendID: scope.Append, MetaLeaf: events.MetaLeaf(meta), Root: events.Root(leaves),
	}
	n.link = n.commit.Link(h.link)
	return n, nil
}

// idSource makes the ids of events: ULIDs, ascending within a commit.
type idSource struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
}

func newIDSource() *idSource {
	return &idSource{entropy: ulid.Monotonic(bufio.NewReader(rand.Reader), 0)}
}

func (s *idSource) fill(at time.Time, list []storedRow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		id, err := ulid.New(ulid.Timestamp(at), s.entropy)
		if err != nil {
			return fmt.Errorf("make event id: %w", err)
		}
		list[i].id = id
	}
	return nil
}
