package public

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Timestamp is a moment as clients see it (api.md 4.2): no fraction, or six digits.
type Timestamp string

// Stamp returns t as clients see it, in UTC; what is less than a microsecond is cut off.
func Stamp(t time.Time) Timestamp {
	t = t.UTC()
	if t.Nanosecond()/1000 == 0 {
		return Timestamp(t.Format(time.RFC3339))
	}
	return Timestamp(t.Format("2006-01-02T15:04:05.000000Z"))
}

// StampOrNil returns nil for nil.
func StampOrNil(t *time.Time) *Timestamp {
	if t == nil {
		return nil
	}
	s := Stamp(*t)
	return &s
}

// eventJSON is an event (api.md 10.6).
type eventJSON struct {
	Position  events.Position   `json:"position"`
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	Timestamp Timestamp         `json:"timestamp"`
	Category  string            `json:"category"`
	Account   *domain.AccountID `json:"imap_server"`
	Resource  resourceJSON      `json:"resource"`
	Actor     *events.Actor     `json:"actor"`
	RequestID *string           `json:"request_id"`
	Data      any               `json:"data"`
	ErasedBy  events.Position   `json:"erased_by,omitempty"`
}

type resourceJSON struct {
	Kind string `json:"kind"`
	ID   any    `json:"id"` // a number; of a thread its public id; null for a user nobody knows
}

// Render returns the JSON of an event. base is the absolute address of the API root that
// its links begin with, such as https://mail.example.org/api/.
func Render(rec events.Recorded, base string) []byte {
	out := eventJSON{
		Position: rec.Position, ID: ID(rec.ID), Type: TypeOf(rec.Type), Timestamp: Stamp(rec.RecordedAt),
		Category: CategoryOf(rec.Type), Resource: resourceOf(rec.Stream), ErasedBy: rec.ErasedBy,
	}
	if out.Type == "" { // of a newer program; the feed has no gaps
		out.Type = string(rec.Type)
	}
	if rec.Account != 0 {
		out.Account = &rec.Account
	}
	if rec.Meta.Actor.Kind != "" {
		out.Actor = &rec.Meta.Actor
	}
	if rec.Meta.RequestID != "" {
		out.RequestID = &rec.Meta.RequestID
	}
	if rec.Event != nil {
		out.Data = dataOf(rec.Event, base)
	}
	return marshal(out)
}

var streamKinds = map[events.StreamKind]string{
	events.StreamMessage: "email", events.StreamThread: "thread", events.StreamMailbox: "folder",
	events.StreamAccount: "imap_server", events.StreamSync: "sync", events.StreamWebhook: "webhook",
	events.StreamToken: "token", events.StreamUser: "user", events.StreamModel: "projection", events.StreamChange: "change",
}

func resourceOf(s events.Stream) resourceJSON {
	out := resourceJSON{Kind: streamKinds[s.Kind], ID: s.ID}
	switch {
	case s.Kind == events.StreamThread:
		out.ID = domain.ThreadID(s.ID).String()
	case s.ID == 0:
		out.ID = nil
	}
	return out
}

// marshal encodes a shape of this package, compact, with <, > and & as they are.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // plain structs only
		panic(err)
	}
	return b.Bytes()[:b.Len()-1]
}

// MessageID returns the webhook-id of an event (webhooks.md 4).
func MessageID(event [16]byte) string { return "msg_" + ID(event) }

// crockford is the alphabet of ULIDs.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ID returns the text of a ULID: 26 characters, 5 bits each, the first one 3.
func ID(id [16]byte) string {
	var out [26]byte
	var bits uint
	var acc uint32
	at := len(out)
	for i := len(id) - 1; i >= 0; i-- {
		acc |= uint32(id[i]) << bits
		for bits += 8; bits >= 5; bits -= 5 {
			at--
			out[at] = crockford[acc&31]
			acc >>= 5
		}
	}
	out[0] = crockford[acc&31]
	return string(out[:])
}
