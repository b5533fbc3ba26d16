package httpapi

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// texts is a JSON shape with texts of mail, which are nearly all of its octets. They are
// written by appendText, the rest by encoding/json.
type texts interface {
	// withoutTexts returns the shape with its long texts empty, and those as they follow
	// one another in its JSON.
	withoutTexts() (shape any, long []string)
}

// emptyTexts are the places of texts. No string in JSON contains them: a quote inside one has
// a backslash before it.
var emptyTexts = [][]byte{[]byte(`"body_text":""`), []byte(`"body_html":""`)}

// encodeTexts appends the JSON of v: the same octets as encode.
func encodeTexts(b *bytes.Buffer, v texts) error {
	shape, long := v.withoutTexts()
	rest := buffers.Get().(*bytes.Buffer)
	defer release(rest)
	if err := encode(rest, shape); err != nil {
		return err
	}
	left := rest.Bytes()
	for i, text := range long {
		place := emptyTexts[i%len(emptyTexts)]
		end := bytes.Index(left, place) + len(place) - len(`""`)
		b.Write(left[:end])
		left = left[end+len(`""`):]
		b.Write(appendText(b.AvailableBuffer(), text))
	}
	b.Write(left)
	return nil
}

// appendText appends text as JSON, as encoding/json writes it without care for HTML. It looks
// at eight octets at a time, which is several times as fast.
func appendText(b []byte, text string) []byte {
	if !utf8.ValidString(text) {
		var quoted bytes.Buffer
		if err := encode(&quoted, text); err == nil { // a string always can be encoded
			return append(b, quoted.Bytes()...)
		}
	}
	b = append(b, '"')
	for {
		n := plainLength(text)
		b = append(b, text[:n]...)
		if text = text[n:]; text == "" {
			return append(b, '"')
		}
		_, size := utf8.DecodeRuneInString(text)
		b = appendEscaped(b, text[:size])
		text = text[size:]
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainLength returns how many octets from the start of text on stand for themselves in JSON. It stops at
// what must be escaped, and at the first octet of U+2000 to U+2FFF, two of which must.
func plainLength(text string) int {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		x := eight(text[i : i+8])
		quote, backslash, high := x^ones*'"', x^ones*'\\', x^ones*0xE2
		special := (x-ones*' ')&^x | (quote-ones)&^quote | (backslash-ones)&^backslash | (high-ones)&^high
		if special &= highs; special != 0 {
			return i + bits.TrailingZeros64(special)/8 // borrows run upwards, so the lowest is true
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c == 0xE2 {
			break
		}
	}
	return i
}

// eight returns eight octets as a number, the first one lowest: one load.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// appendEscaped appends one character as it stands in a JSON string.
func appendEscaped(b []byte, char string) []byte {
	switch char[0] {
	case '\n':
		return append(b, '\\', 'n')
	case '"', '\\':
		return append(b, '\\', char[0])
	}
	if char[0] == 0xE2 && char != "\u2028" && char != "\u2029" {
		return append(b, char...)
	}
	quoted, err := json.Marshal(char)
	if err != nil {
		return b // a string always can be encoded
	}
	return append(b, quoted[1:len(quoted)-1]...)
}
