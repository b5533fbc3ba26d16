package postgres

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/imap2api/imap2api/domain"
)

// contentParts says what of a stored content to decode.
type contentParts uint8

const (
	headPart contentParts = 1 << iota // all but Text and HTML
	textPart
	htmlPart

	bodyParts   = textPart | htmlPart
	withoutHTML = headPart | textPart
	allParts    = withoutHTML | htmlPart
)

// contentFormat is the first octet of a stored content. After it come the JSON of all but
// Text and HTML, Text and HTML, the latter two packed by S2, each with its length as a
// uvarint before it. S2 packs mail text as well as the fastest zstd does and unpacks it in
// half the time, and a reader unpacks only the parts it needs.
const contentFormat = 2

var errContent = errors.New("damaged content")

// appendContent appends a content as it is stored.
func appendContent(to []byte, c *domain.Content) ([]byte, error) {
	head := *c
	head.Text, head.HTML = "", ""
	meta, err := json.Marshal(&head)
	if err != nil {
		return to, fmt.Errorf("encode content: %w", err)
	}
	to = append(to, contentFormat)
	to = appendSection(to, meta)
	for _, body := range []string{c.Text, c.HTML} {
		var packed []byte
		if body != "" {
			packed = s2.EncodeBetter(nil, []byte(body))
		}
		to = appendSection(to, packed)
	}
	return to, nil
}

func appendSection(to, section []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(section))), section...)
}

func decodeContent(data []byte, parts contentParts) (*domain.Content, error) {
	if len(data) == 0 || data[0] != contentFormat {
		return nil, errContent
	}
	head, rest, whole := cutSection(data[1:])
	text, rest, textWhole := cutSection(rest)
	html, rest, htmlWhole := cutSection(rest)
	if !whole || !textWhole || !htmlWhole || len(rest) > 0 {
		return nil, errContent
	}
	c := &domain.Content{}
	var err error
	if parts&headPart != 0 {
		err = json.Unmarshal(head, c)
	}
	if parts&textPart != 0 && err == nil {
		c.Text, err = unpackBody(text)
	}
	if parts&htmlPart != 0 && err == nil {
		c.HTML, err = unpackBody(html)
	}
	if err != nil {
		return nil, errors.Join(errContent, err)
	}
	return c, nil
}

func unpackBody(section []byte) (string, error) {
	if len(section) == 0 {
		return "", nil
	}
	body, err := s2.Decode(nil, section)
	return string(body), err
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
