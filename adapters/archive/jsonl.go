package archive

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"time"
)

// jsonLine is a message as a line of JSON. Raw is base64.
type jsonLine struct {
	ID         int64    `json:"id"`
	Folder     string   `json:"folder"`
	Flags      []string `json:"flags"`
	ReceivedAt string   `json:"received_at"`
	MessageID  *string  `json:"message_id"`
	ThreadID   string   `json:"thread_id"`
	Size       int      `json:"size"`
	SHA256     string   `json:"sha256"`
	Raw        []byte   `json:"raw"`
}

// jsonLines is a file with a line for each message, in the words of the API.
type jsonLines struct {
	file *os.File
	out  *bufio.Writer
	enc  *json.Encoder
}

func newJSONLines(path string) (*jsonLines, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w := &jsonLines{file: f, out: bufio.NewWriterSize(f, 1<<16)}
	w.enc = json.NewEncoder(w.out)
	w.enc.SetEscapeHTML(false)
	return w, nil
}

func (w *jsonLines) put(m *Message) error {
	line := jsonLine{
		ID: m.ID, Folder: m.Folder, Flags: append([]string{}, m.Flags...), ReceivedAt: m.ReceivedAt.UTC().Format(time.RFC3339),
		ThreadID: "thread-" + strconv.FormatInt(m.Thread, 10), Size: len(m.Octets), SHA256: hex.EncodeToString(m.SHA256), Raw: m.Octets,
	}
	if m.MessageID != "" {
		id := "<" + m.MessageID + ">"
		line.MessageID = &id
	}
	return w.enc.Encode(line)
}

func (w *jsonLines) close() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.out.Flush(), sync(w.file))
	w.file = nil
	return err
}
