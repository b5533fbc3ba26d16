package mailparse

import (
	"strings"
	"time"
)

// parseDate reads a Date field in any order of its parts: RFC 5322 section 3.3, the
// obsolete forms of section 4.3, asctime and ISO 8601. A zone that is not known
// counts as UTC. It gives false for what is no date from 1970 to 9999.
func parseDate(v []byte) (time.Time, bool) {
	d := dateScanner{s: dropComments(v[:min(len(v), 256)]), year: -1, hour: -1}
	for d.pos < len(d.s) {
		d.step()
	}
	return d.result()
}

// A dateScanner collects the parts of a date; 0 or -1 means not seen yet.
type dateScanner struct {
	s                []byte
	pos              int
	day, month, year int
	hour, min, sec   int
	offset           int // of the zone, in seconds east of UTC
	zoned            bool
	utc              bool // the zone was GMT or the like, a number behind it counts
	half             byte // a or p of AM and PM
}

// step reads one run of letters or digits.
func (d *dateScanner) step() {
	c := d.s[d.pos]
	switch {
	case '0' <= c && c <= '9':
		d.number(d.signBefore())
	case isLetter(c):
		start := d.pos
		for d.pos < len(d.s) && isLetter(d.s[d.pos]) {
			d.pos++
		}
		d.word(strings.ToLower(string(d.s[start:d.pos])))
	default:
		d.pos++
	}
}

func isLetter(c byte) bool { return 'a' <= lower(c) && lower(c) <= 'z' }

// signBefore returns the plus or minus just before pos, else 0.
func (d *dateScanner) signBefore() byte {
	if d.pos > 0 && (d.s[d.pos-1] == '+' || d.s[d.pos-1] == '-') {
		return d.s[d.pos-1]
	}
	return 0
}

// digits reads a number; its value stops growing at nine digits.
func (d *dateScanner) digits() (n, length int) {
	for ; d.pos < len(d.s) && '0' <= d.s[d.pos] && d.s[d.pos] <= '9'; d.pos++ {
		if length++; length <= 9 {
			n = n*10 + int(d.s[d.pos]-'0')
		}
	}
	return n, length
}

func (d *dateScanner) at(c byte) bool { return d.pos < len(d.s) && d.s[d.pos] == c }

// separator passes over white space if a colon follows it.
func (d *dateScanner) separator() {
	for i := d.pos; i < len(d.s); i++ {
		if d.s[i] == ':' {
			d.pos = i
		}
		if d.s[i] != ' ' {
			return
		}
	}
}

// number decides what a number is by its neighbours and by what is still missing.
func (d *dateScanner) number(sign byte) {
	n, length := d.digits()
	if d.hour < 0 {
		d.separator()
	}
	switch {
	case sign != 0 && d.hour >= 0 && (!d.zoned || d.utc):
		d.zone(n, length, sign)
	case d.hour < 0 && (d.at(':') || d.at('.') && d.year >= 0 && d.month > 0):
		d.clock(n)
	case length >= 3 && d.year < 0:
		d.year = n
		if length == 3 {
			d.year += 1900
		}
	case d.year >= 0 && d.month == 0 && sign == '-':
		d.month = n
	case d.day == 0 && length <= 2:
		d.day = n
	case d.year < 0 && length == 2:
		d.year = n + 1900
		if n < 50 { // RFC 5322 section 4.3
			d.year += 100
		}
	}
}

// clock reads the rest of a time of day whose hour is n.
func (d *dateScanner) clock(n int) {
	d.hour = n
	sep := d.s[d.pos]
	d.pos++
	for d.at(' ') {
		d.pos++
	}
	d.min, _ = d.digits()
	d.separator()
	if d.at(sep) {
		d.pos++
		for d.at(' ') {
			d.pos++
		}
		d.sec, _ = d.digits()
	}
	if d.at('.') || d.at(',') {
		d.pos++
		d.digits() // a fraction
	}
}

// zone reads +hhmm, +hh:mm or +hh.
func (d *dateScanner) zone(n, length int, sign byte) {
	hours, minutes := n/100, n%100
	if length <= 2 {
		hours, minutes = n, 0
		if d.at(':') {
			d.pos++
			minutes, _ = d.digits()
		}
	}
	d.zoned, d.utc = true, false
	if hours >= 24 || minutes >= 60 {
		return
	}
	d.offset = (hours*60 + minutes) * 60
	if sign == '-' {
		d.offset = -d.offset
	}
}

var months = map[string]int{
	"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}

// zones are the names of RFC 5322 section 4.3, in hours.
var zones = map[string]int{
	"ut": 0, "utc": 0, "gmt": 0, "z": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
}

// word reads a month or a zone; days of the week say nothing new.
func (d *dateScanner) word(w string) {
	if hours, ok := zones[w]; ok && d.hour >= 0 {
		if !d.zoned {
			d.zoned, d.utc, d.offset = true, hours == 0, hours*3600
		}
		return
	}
	if (w == "am" || w == "pm") && d.hour >= 0 {
		d.half = w[0]
		return
	}
	if len(w) >= 3 && d.month == 0 {
		d.month = months[w[:3]]
	}
}

// result checks the parts and puts them together.
func (d *dateScanner) result() (time.Time, bool) {
	switch {
	case d.half == 'p' && d.hour < 12:
		d.hour += 12
	case d.half == 'a' && d.hour == 12:
		d.hour = 0
	}
	d.hour = max(d.hour, 0)
	if d.sec == 60 { // a leap second, RFC 5322 section 3.3
		d.sec = 59
	}
	if d.month < 1 || d.month > 12 || d.day < 1 || d.hour > 23 || d.min > 59 || d.sec > 59 || d.year < 0 || d.year > 9999 {
		return time.Time{}, false
	}
	t := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.min, d.sec, 0, time.UTC)
	if t.Day() != d.day {
		return time.Time{}, false
	}
	t = t.Add(-time.Duration(d.offset) * time.Second)
	if t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t, true
}
