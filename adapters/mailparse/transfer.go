package mailparse

import "bytes"

// decodeTransfer undoes a Content-Transfer-Encoding (RFC 2045 section 6). What is
// not known is returned as it is; the result may share memory with b.
func decodeTransfer(encoding string, b []byte) ([]byte, defect) {
	switch encoding {
	case "base64":
		return decodeBase64(make([]byte, 0, len(b)/4*3+3), b)
	case "quoted-printable":
		return decodeQuoted(make([]byte, 0, len(b)), b)
	case "x-uuencode", "uuencode", "x-uue", "uue":
		return decodeUU(b), 0
	}
	return b, 0
}

// transferSize returns how many octets decodeTransfer gives.
func transferSize(encoding string, b []byte) int64 {
	switch encoding {
	case "base64":
		if i := bytes.IndexByte(b, '='); i >= 0 && len(bytes.Trim(b[i:], "=\r\n\t ")) > 0 {
			break // padding within: several encodings one after another
		}
		n := 0
		for _, c := range b {
			n += int(base64Known[c])
		}
		return int64(n/4*3 + (n%4)*3/4)
	case "quoted-printable", "x-uuencode", "uuencode", "x-uue", "uue":
	default:
		return int64(len(b))
	}
	out, _ := decodeTransfer(encoding, b)
	return int64(len(out))
}

// base64Values has 0 to 63 for the letters of RFC 4648 section 4, and other numbers for the rest.
const (
	base64Other = 0x80 // not in the alphabet
	base64Space = 0x81
	base64Pad   = 0x82
)

var base64Values, base64Known = func() (v, known [256]byte) {
	for i := range v {
		v[i] = base64Other
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		v[c], known[c] = byte(i), 1
	}
	for _, c := range []byte("\r\n\t ") {
		v[c] = base64Space
	}
	v['='] = base64Pad
	return v, known
}()

// decodeBase64 appends the decoded octets of b to dst. RFC 2045 section 6.8:
// characters outside the alphabet are ignored. Padding ends a quantum; what comes
// behind it is a new one, as in encodings that were put together.
func decodeBase64(dst, b []byte) ([]byte, defect) {
	var bad defect
	var acc uint32
	n := 0
	for i := 0; i < len(b); i++ {
		for n == 0 && i+4 <= len(b) {
			v0, v1, v2, v3 := base64Values[b[i]], base64Values[b[i+1]], base64Values[b[i+2]], base64Values[b[i+3]]
			if (v0|v1|v2|v3)&0x80 != 0 {
				break
			}
			dst = append(dst, v0<<2|v1>>4, v1<<4|v2>>2, v2<<6|v3)
			i += 4
		}
		if i >= len(b) {
			break
		}
		v := base64Values[b[i]]
		switch {
		case v < 64:
			acc = acc<<6 | uint32(v)
			if n++; n == 4 {
				dst = append(dst, byte(acc>>16), byte(acc>>8), byte(acc))
				acc, n = 0, 0
			}
		case v == base64Pad:
			dst = appendRest(dst, acc, n)
			acc, n = 0, 0
			if !moreBase64(b[i+1:]) {
				return dst, bad
			}
		case v == base64Other:
			bad = badBase64
		}
	}
	if n > 0 {
		bad = badBase64
	}
	return appendRest(dst, acc, n), bad
}

// moreBase64 reports whether another encoding follows behind padding: its first
// line has nothing but letters of the alphabet. Lists add their footers as plain text.
func moreBase64(b []byte) bool {
	b = bytes.TrimLeft(b, "=\r\n\t ")
	text, _ := line(b, 0)
	for _, c := range text {
		if base64Values[c] == base64Other {
			return false
		}
	}
	return len(text) > 0
}

// appendRest appends the octets of a quantum of n characters, n below 4.
func appendRest(dst []byte, acc uint32, n int) []byte {
	switch n {
	case 2:
		return append(dst, byte(acc>>4))
	case 3:
		return append(dst, byte(acc>>10), byte(acc>>2))
	}
	return dst
}

// decodeQuoted appends the decoded octets of b to dst (RFC 2045 section 6.7). An
// equals sign that encodes nothing stays.
func decodeQuoted(dst, b []byte) ([]byte, defect) {
	var bad defect
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		text, end := b, 0
		if i >= 0 {
			text, end = b[:i], 1
			b = b[i+1:]
			if i > 0 && text[i-1] == '\r' {
				text, end = text[:i-1], 2
			}
		} else {
			b = nil
		}
		if n := len(text); n > 0 && isBlank(text[n-1]) {
			text = bytes.TrimRight(text, " \t") // rule 3: it was added on the way
		}
		soft := false
		if n := len(text); n > 0 && text[n-1] == '=' {
			text, soft = text[:n-1], true
		}
		var d defect
		dst, d = quotedLine(dst, text)
		bad |= d
		if !soft && end > 0 {
			dst = append(dst, "\r\n"[2-end:]...)
		}
	}
	return dst, bad
}

// quotedLine appends one line without its end.
func quotedLine(dst, text []byte) ([]byte, defect) {
	var bad defect
	for {
		i := bytes.IndexByte(text, '=')
		if i < 0 {
			return append(dst, text...), bad
		}
		dst = append(dst, text[:i]...)
		text = text[i:]
		if len(text) >= 3 {
			if hi, lo := unhex(text[1]), unhex(text[2]); hi < 16 && lo < 16 {
				dst = append(dst, hi<<4|lo)
				text = text[3:]
				continue
			}
		}
		bad = badQuotedPrintable
		dst = append(dst, '=')
		text = text[1:]
	}
}

// unhex returns the value of a hexadecimal digit, 16 for anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 16
}

// decodeUU decodes the lines between "begin" and "end" of uuencoded data. Without
// such lines b is returned as it is.
func decodeUU(b []byte) []byte {
	start := bytes.Index(b, []byte("begin "))
	if start < 0 || start > 0 && b[start-1] != '\n' {
		return b
	}
	_, pos := line(b, start)
	var out []byte
	for pos < len(b) {
		text, next := line(b, pos)
		pos = next
		if bytes.HasPrefix(text, []byte("end")) || len(text) == 0 {
			break
		}
		out = uuLine(out, text)
	}
	return out
}

// uuLine appends one line: its first character is the number of octets, then four
// characters stand for three of them.
func uuLine(dst, text []byte) []byte {
	want := int(text[0]-' ') & 63
	at := func(i int) byte {
		if i < len(text) {
			return (text[i] - ' ') & 63
		}
		return 0
	}
	for i := 1; want > 0; i += 4 {
		a, b, c, d := at(i), at(i+1), at(i+2), at(i+3)
		three := [3]byte{a<<2 | b>>4, b<<4 | c>>2, c<<6 | d}
		n := min(want, 3)
		dst = append(dst, three[:n]...)
		want -= n
	}
	return dst
}
