package mailparse

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// encodings are the character sets of mail under their names without hyphens and
// the like, see charsetKey. nil means: no statement at all, guess. Where a name
// stands for a set and a superset of it, as in browsers, the superset is meant.
var encodings = map[string]encoding.Encoding{
	"": nil, "usascii": nil, "ascii": nil, "646": nil, "ansix341968": nil, "iso646us": nil, "us": nil,
	"unknown8bit": nil, "xunknown": nil, "unknown": nil, "default": nil, "defaultcharset": nil, "binary": nil,
	"8bit": nil, "7bit": nil, "none": nil, "text": nil, "charset": nil,

	"windows1252": charmap.Windows1252, "ansi": charmap.Windows1252, "iso88591": charmap.Windows1252,
	"latin1": charmap.Windows1252, "88591": charmap.Windows1252, "l1": charmap.Windows1252,
	"iso88599": charmap.Windows1254, "latin5": charmap.Windows1254, "windows874": charmap.Windows874,
	"tis620": charmap.Windows874, "iso885911": charmap.Windows874, "latin2": charmap.ISO8859_2,
	"latin9": charmap.ISO8859_15, "latin0": charmap.ISO8859_15, "koi8": charmap.KOI8R, "koi8ru": charmap.KOI8U,
	"macroman": charmap.Macintosh, "xmacroman": charmap.Macintosh, "macintosh": charmap.Macintosh,
	"mac": charmap.Macintosh,

	"windows949": korean.EUCKR, "ksc5601": korean.EUCKR, "ksc56011987": korean.EUCKR, "ksc56011989": korean.EUCKR,
	"euckr": korean.EUCKR, "uhc": korean.EUCKR, "korean": korean.EUCKR,
	"windows932": japanese.ShiftJIS, "windows31j": japanese.ShiftJIS, "sjis": japanese.ShiftJIS,
	"shiftjis": japanese.ShiftJIS, "eucjp": japanese.EUCJP, "ujis": japanese.EUCJP,
	"iso2022jp": japanese.ISO2022JP, "iso2022jp1": japanese.ISO2022JP, "iso2022jp2": japanese.ISO2022JP,
	"iso2022jp3": japanese.ISO2022JP, "iso2022jp2004": japanese.ISO2022JP, "iso2022jpms": japanese.ISO2022JP,
	"windows50220": japanese.ISO2022JP, "windows50221": japanese.ISO2022JP, "csiso2022jp": japanese.ISO2022JP,
	"gb2312": simplifiedchinese.GB18030, "gbk": simplifiedchinese.GB18030, "gb18030": simplifiedchinese.GB18030,
	"windows936": simplifiedchinese.GB18030, "euccn": simplifiedchinese.GB18030, "gb": simplifiedchinese.GB18030,
	"gb231280": simplifiedchinese.GB18030, "hzgb2312": simplifiedchinese.HZGB2312, "hz": simplifiedchinese.HZGB2312,
	"big5": traditionalchinese.Big5, "windows950": traditionalchinese.Big5, "big5hkscs": traditionalchinese.Big5,

	"utf16": utf16{}, "ucs2": utf16{}, "iso10646ucs2": utf16{}, "unicode": utf16{},
	"utf16le": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf16be": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"utf32":   utf32.UTF32(utf32.BigEndian, utf32.UseBOM), "ucs4": utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
	"utf32le": utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), "utf32be": utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
	"utf7": utf7{}, "unicode11utf7": utf7{}, "unicode20utf7": utf7{}, "csunicode11utf7": utf7{},
	"iso2022kr": iso2022KR{}, "csiso2022kr": iso2022KR{},
}

// charsetKey brings the name of a character set into the form of the table: lower
// case letters and digits, cp1252 and win-1251 as windows..., iso8859_1 as iso88591.
func charsetKey(name string) string {
	name = strings.TrimLeft(name, " \t\"'")
	if i := strings.IndexAny(name, " \t\"';,*"); i >= 0 { // with a language, RFC 2231 section 5
		name = name[:i]
	}
	key := make([]byte, 0, 32)
	for i := 0; i < len(name) && len(key) < 32; i++ {
		if c := lower(name[i]); 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			key = append(key, c)
		}
	}
	s := string(key)
	for _, prefix := range []string{"xwindows", "xcp", "xms", "cp", "ms", "win", "xansicp", "xsjis", "xeuc", "xgbk", "xbig5"} {
		rest, ok := strings.CutPrefix(s, prefix)
		switch {
		case !ok:
		case rest != "" && '0' <= rest[0] && rest[0] <= '9':
			return windowsPage(rest)
		case prefix[0] == 'x' && prefix != "xms" && prefix != "xcp" && prefix != "xwindows":
			return s[1:]
		}
	}
	if rest, ok := strings.CutPrefix(s, "windows"); ok {
		return windowsPage(rest)
	}
	return s
}

// windowsPage names a code page; 28591 to 28605 are those of ISO 8859.
func windowsPage(number string) string {
	switch {
	case len(number) == 5 && strings.HasPrefix(number, "2859"):
		return "iso8859" + number[4:]
	case len(number) == 5 && strings.HasPrefix(number, "2860"):
		return "iso88591" + number[4:]
	case number == "65001":
		return "utf8"
	case number == "51949" || number == "949":
		return "euckr"
	case number == "20866":
		return "koi8r"
	case number == "31j" || number == "874":
	case len(number) == 3 && number[0] < '9':
		return "cp" + number
	}
	return "windows" + number
}

// toUTF8 converts b from a character set, as named in the message, to valid UTF-8.
// Without a usable name it guesses. What cannot be decoded becomes U+FFFD. over,
// if not nil, may end the work early. The result may be b itself.
func toUTF8(name string, b []byte, over func() bool) ([]byte, defect) {
	key := charsetKey(name)
	if key == "utf8" || key == "utf" || key == "xutf8j" {
		return validUTF8(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	}
	enc, known := encodings[key]
	if known && enc == nil {
		return guessText(b), 0
	}
	if isASCII(b) && !escapes(key) {
		return b, 0
	}
	if enc != nil {
		return decodeAll(enc, b, over), 0
	}
	for _, spelling := range []string{
		strings.TrimSpace(name), "iso-8859-" + strings.TrimPrefix(key, "iso8859"),
		strings.Replace(key, "windows", "windows-", 1), strings.Replace(key, "cp", "ibm", 1), strings.Replace(key, "koi8", "koi8-", 1),
	} {
		if r, err := charset.Reader(spelling, bytes.NewReader(b)); err == nil {
			if out, err := io.ReadAll(r); err == nil {
				out, d := validUTF8(out)
				return out, d
			}
		}
	}
	return guessText(b), unknownCharset
}

// escapes reports whether ASCII octets may mean something else in a character set.
func escapes(key string) bool {
	for _, prefix := range []string{"utf", "ucs", "unicode", "iso2022", "csiso2022", "hz", "iso10646", "csunicode", "windows5022", "ibm", "cp037", "ebcdic"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// validUTF8 replaces what is not UTF-8 by U+FFFD.
func validUTF8(b []byte) ([]byte, defect) {
	if utf8.Valid(b) {
		return b, 0
	}
	return bytes.ToValidUTF8(b, []byte("\ufffd")), badCharset
}

// guessText converts text of an unknown character set: UTF-8 if it is, UTF-16 with
// a mark, ISO-2022-JP by its escapes, else windows-1252.
func guessText(b []byte) []byte {
	switch {
	case bytes.IndexByte(b, 0x1b) >= 0 && (bytes.Contains(b, []byte("\x1b$B")) || bytes.Contains(b, []byte("\x1b$@"))) && isASCII(b):
		return decodeAll(japanese.ISO2022JP, b, nil)
	case utf8.Valid(b):
		return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	case len(b)%2 == 0 && (bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff"))):
		return decodeAll(utf16{}, b, nil)
	}
	return decodeAll(charmap.Windows1252, b, nil)
}

func isASCII(b []byte) bool {
	for len(b) >= 8 {
		if (b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7])&0x80 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
