package mailparse

import (
	"bytes"
	"errors"
	utf "unicode/utf16"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// decodeAll converts b in steps of 64 KB, and stops when over says so.
func decodeAll(enc encoding.Encoding, b []byte, over func() bool) []byte {
	if d, ok := enc.(wholeDecoder); ok {
		return d.decode(b)
	}
	dec := enc.NewDecoder().Transformer
	out := make([]byte, 0, len(b)+len(b)/2+16)
	for step := 0; ; step++ {
		if cap(out)-len(out) < 64 {
			out = append(out, make([]byte, len(out)/2+1024)...)[:len(out)]
		}
		src, last := b, true
		if len(b) > 64<<10 {
			src, last = b[:64<<10], false
		}
		n, used, err := dec.Transform(out[len(out):cap(out)], src, last)
		out, b = out[:len(out)+n], b[used:]
		if len(b) == 0 && err == nil || over != nil && over() {
			break
		}
		if err != nil && !errors.Is(err, transform.ErrShortDst) && n == 0 && used == 0 {
			out, b = append(out, "\ufffd"...), b[1:] // a decoder that stops instead of replacing
		}
	}
	out, _ = validUTF8(out)
	return out
}

// A wholeDecoder is a character set that x/text does not have, decoded in one go.
type wholeDecoder interface {
	encoding.Encoding
	decode(b []byte) []byte
}

// whole makes a decoder usable in the table of encodings.
type whole struct{}

func (whole) NewDecoder() *encoding.Decoder { return encoding.Nop.NewDecoder() }
func (whole) NewEncoder() *encoding.Encoder { return encoding.Nop.NewEncoder() }

// utf16 is UTF-16 without a statement on the order of octets: a mark says it, or
// the place of the zeros does, and else it is big-endian (RFC 2781 section 4.3).
type utf16 struct{ whole }

func (utf16) decode(b []byte) []byte {
	order := unicode.BigEndian
	even, odd := 0, 0
	for i, c := range b[:min(len(b), 512)] {
		if c == 0 && i%2 == 0 {
			even++
		}
		if c == 0 && i%2 == 1 {
			odd++
		}
	}
	if odd > even {
		order = unicode.LittleEndian
	}
	return decodeAll(unicode.UTF16(order, unicode.UseBOM), b, nil)
}

// utf7 is UTF-7 (RFC 2152).
type utf7 struct{ whole }

func (utf7) decode(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for {
		i := bytes.IndexByte(b, '+')
		if i < 0 {
			break
		}
		out = append(out, b[:i]...)
		b = b[i+1:]
		n := 0
		for n < len(b) && base64Known[b[n]] == 1 {
			n++
		}
		if n == 0 {
			out = append(out, '+')
		} else {
			out = appendShifted(out, b[:n])
		}
		b = b[n:]
		if len(b) > 0 && b[0] == '-' {
			b = b[1:]
		}
	}
	out, _ = validUTF8(append(out, b...))
	return out
}

// appendShifted appends UTF-16 in base64 without padding.
func appendShifted(dst, b []byte) []byte {
	units, _ := decodeBase64(nil, b)
	u := make([]uint16, len(units)/2)
	for i := range u {
		u[i] = uint16(units[2*i])<<8 | uint16(units[2*i+1])
	}
	return append(dst, string(utf.Decode(u))...)
}

// iso2022KR is ISO-2022-KR (RFC 1557): between SO and SI stand the octets of EUC-KR
// without their high bit.
type iso2022KR struct{ whole }

func (iso2022KR) decode(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte("\x1b$)C"), nil)
	out := make([]byte, 0, len(b))
	shifted := false
	for _, c := range b {
		switch {
		case c == 0x0e || c == 0x0f:
			shifted = c == 0x0e
		case c == '\n':
			shifted = false
			out = append(out, c)
		case shifted && c > ' ' && c < 0x7f:
			out = append(out, c|0x80)
		default:
			out = append(out, c)
		}
	}
	return decodeAll(korean.EUCKR, out, nil)
}
