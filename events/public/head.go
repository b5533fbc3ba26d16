package public

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/events"
)

// headJSON is a statement of the end of a journal, as the API and the command line give it.
type headJSON struct {
	Journal    events.JournalID `json:"journal"`
	Position   events.Position  `json:"position"`
	Link       string           `json:"link"` // hexadecimal
	RecordedAt Timestamp        `json:"recorded_at"`
	KeyID      string           `json:"key_id"`
	PublicKey  string           `json:"public_key"` // base64
	Signature  string           `json:"signature"`  // base64, over text
	Text       string           `json:"text"`
}

// RenderHead returns the JSON of a statement.
func RenderHead(s events.SignedHead) []byte {
	return marshal(headJSON{
		s.Journal, s.Position, hex.EncodeToString(s.Link[:]), Stamp(s.RecordedAt), events.KeyID(s.PublicKey),
		base64.StdEncoding.EncodeToString(s.PublicKey), base64.StdEncoding.EncodeToString(s.Signature), string(s.Text()),
	})
}

// ErrSignature is returned for a statement whose signature does not agree with it.
var ErrSignature = errors.New("the signature does not agree with the statement")

// ParseHead reads what RenderHead wrote. It returns ErrSignature for a statement that was altered,
// or that nobody signed.
func ParseHead(b []byte) (events.SignedHead, error) {
	var in headJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return events.SignedHead{}, fmt.Errorf("read head: %w", err)
	}
	link, err := hex.DecodeString(in.Link)
	at, err2 := time.Parse(time.RFC3339Nano, string(in.RecordedAt))
	key, err3 := base64.StdEncoding.DecodeString(in.PublicKey)
	signature, err4 := base64.StdEncoding.DecodeString(in.Signature)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return events.SignedHead{}, fmt.Errorf("read head: %w", err)
	}
	out := events.SignedHead{Head: events.Head{Journal: in.Journal, Position: in.Position, RecordedAt: at.UTC()}, PublicKey: key, Signature: signature}
	if len(link) != len(out.Link) || copy(out.Link[:], link) != len(link) || !out.Holds() || in.Text != string(out.Text()) {
		return out, ErrSignature
	}
	return out, nil
}
