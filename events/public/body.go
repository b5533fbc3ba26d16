package public

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/imap2api/imap2api/events"
)

const (
	// MaxBody is the most octets that the body of a webhook has (webhooks.md 4).
	MaxBody = 20 << 10
	// maxCut is how long the JSON of a text or a list may be in a body that is cut.
	maxCut = 512
)

// bodyJSON is what a webhook sends.
type bodyJSON struct {
	Type      string          `json:"type"`
	Timestamp Timestamp       `json:"timestamp"`
	Position  events.Position `json:"position"`
	Data      json.RawMessage `json:"data"`
}

// Body returns the body with which webhooks tell of an event: its type, time, position and data, the
// last as Render has it. Only data that would make it longer than MaxBody, of a message with hundreds of
// recipients for example, is cut: then it has the key truncated too.
func Body(rec events.Recorded, base string) []byte {
	out := bodyJSON{TypeOf(rec.Type), Stamp(rec.RecordedAt), rec.Position, marshal(dataOf(rec.Event, base))}
	body := marshal(out)
	if len(body) > MaxBody {
		out.Data = append(cutData(out.Data, 2), `,"truncated":true}`...)
		body = marshal(out)
	}
	return body
}

// SampleBody returns a body with sample data of a public type, for a test of a webhook. It is no event:
// its position is 0.
func SampleBody(name string, at Timestamp) (body []byte, known bool) {
	for _, k := range kinds {
		if k.name != name || !k.deliverable && name != TypeTest {
			continue
		}
		data := marshal(k.example)
		if name != TypeTest {
			data = append(data[:len(data)-1], `,"test":true}`...)
		}
		return marshal(bodyJSON{name, at, 0, data}), true
	}
	return nil, false
}

// TypeTest is the public type of a test of a webhook, which is no event.
const TypeTest = "webhook.test"

// IsWebhookType reports whether a webhook may ask for a public type or a family.
func IsWebhookType(name string) bool {
	family, isFamily := strings.CutSuffix(name, "*")
	for _, k := range kinds {
		if k.deliverable && (k.name == name || isFamily && strings.HasSuffix(family, ".") && strings.HasPrefix(k.name, family)) {
			return true
		}
	}
	return false
}

// cutData shortens the long texts and lists in an object, as deep as depth, and leaves its last
// brace off.
func cutData(object json.RawMessage, depth int) []byte {
	dec := json.NewDecoder(bytes.NewReader(object))
	var b bytes.Buffer
	for token, err := dec.Token(); err == nil; token, err = dec.Token() {
		name, isName := token.(string)
		if !isName {
			continue // a brace
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil { // it was written by us
			break
		}
		b.WriteString(map[bool]string{true: "{", false: ","}[b.Len() == 0])
		b.Write(marshal(name))
		b.WriteByte(':')
		b.Write(cutValue(value, depth-1))
	}
	return b.Bytes()
}

func cutValue(value json.RawMessage, depth int) []byte {
	switch {
	case value[0] == '{' && depth > 0:
		return append(cutData(value, depth), '}')
	case len(value) <= maxCut:
	case value[0] == '"':
		var text string
		_ = json.Unmarshal(value, &text) // it was written by us
		for len(value) > maxCut {
			text = strings.ToValidUTF8(text[:len(text)*9/10], "")
			value = marshal(text)
		}
	case value[0] == '[':
		var list []json.RawMessage
		_ = json.Unmarshal(value, &list) // it was written by us
		for len(value) > maxCut {
			list = list[:len(list)*9/10]
			value = marshal(list)
		}
	}
	return value
}
