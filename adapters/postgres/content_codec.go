package postgres

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/imap2api/imap2api/domain"
)

// contentParts says how much of a stored content to decode.
type contentParts bool

const (
	withoutHTML contentParts = false
	withHTML    contentParts = true
)

// contentFormat is the first octet of a stored content. After it come the length
// of the first zstd frame as a uvarint, that frame, and the second, which is
// missing without HTML. The first frame has the length of the JSON of all but
// Text and HTML as a uvarint, that JSON, and Text; the second has HTML. So a
// search need not unpack HTML.
const contentFormat = 1

var errContent = errors.New("damaged content")

func encodeContent(c *domain.Content) ([]byte, error) {
	head := *c
	head.Text, head.HTML = "", ""
	meta, err := json.Marshal(&head)
	if err != nil {
		return nil, fmt.Errorf("encode content: %w", err)
	}
	plain := make([]byte, 0, binary.MaxVarintLen64+len(meta)+len(c.Text))
	plain = binary.AppendUvarint(plain, uint64(len(meta)))
	plain = append(append(plain, meta...), c.Text...)
	first := packer.EncodeAll(plain, make([]byte, 0, len(plain)/2+64))
	out := make([]byte, 0, 1+binary.MaxVarintLen64+len(first)+len(c.HTML)/2)
	out = append(out, contentFormat)
	out = binary.AppendUvarint(out, uint64(len(first)))
	out = append(out, first...)
	if c.HTML != "" {
		out = packer.EncodeAll([]byte(c.HTML), out)
	}
	return out, nil
}

func decodeContent(data []byte, parts contentParts) (*domain.Content, error) {
	if len(data) < 2 || data[0] != contentFormat {
		return nil, errContent
	}
	first, html, ok := cutSection(data[1:])
	if !ok {
		return nil, errContent
	}
	plain, err := unpacker.DecodeAll(first, nil)
	if err != nil {
		return nil, errors.Join(errContent, err)
	}
	meta, text, ok := cutSection(plain)
	if !ok {
		return nil, errContent
	}
	c := &domain.Content{}
	if err := json.Unmarshal(meta, c); err != nil {
		return nil, errors.Join(errContent, err)
	}
	c.Text = string(text)
	if parts == withHTML && len(html) > 0 {
		body, err := unpacker.DecodeAll(html, nil)
		if err != nil {
			return nil, errors.Join(errContent, err)
		}
		c.HTML = string(body)
	}
	return c, nil
}

// cutSection cuts a section with its length before it off.
func cutSection(b []byte) (section, rest []byte, ok bool) {
	n, width := binary.Uvarint(b)
	if width <= 0 || n > uint64(len(b)-width) {
		return nil, nil, false
	}
	b = b[width:]
	return b[:n], b[n:], true
}
