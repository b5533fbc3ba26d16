package httpapi

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The messages of api.md 5.3.
const (
	msgRequired  = "This field is required."
	msgNull      = "This field may not be null."
	msgBlank     = "This field may not be blank."
	msgEmptyList = "This list may not be empty."
	msgString    = "Not a valid string."
	msgInteger   = "A valid integer is required."
	msgBoolean   = "Must be a valid boolean."
	msgNUL       = "Null characters are not allowed."
	msgLong      = "String value too large."
	msgDate      = "Enter a valid date."
	msgChoice    = "Select a valid choice. That choice is not one of the available choices."
	msgDatetime  = "Datetime has wrong format. Use one of these formats instead: " +
		"YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)

func tooLong(limit int) string {
	return fmt.Sprintf("Ensure this field has no more than %d characters.", limit)
}

func notAChoice(text string) string { return `"` + text + `" is not a valid choice.` }

// maxNumberText is the longest text that is read as a number.
const maxNumberText = 1000

// A decoder reads the fields of one object as DRF serializers do (api.md 4.3). Its
// methods return nil for a field that is not given or wrong; what is wrong is
// collected in the order of the calls.
type decoder struct {
	fields map[string]json.RawMessage
	faults inputError
}

func newDecoder(fields map[string]json.RawMessage) *decoder { return &decoder{fields: fields} }

// given reports whether there is a field, be it null.
func (d *decoder) given(name string) bool { _, ok := d.fields[name]; return ok }

// fault notes what is wrong with a field.
func (d *decoder) fault(name string, messages ...string) { d.faults.add(name, messages...) }

// err returns what was wrong, nil if nothing was.
func (d *decoder) err() error { return d.faults.err() }

// rule is what a field has to obey.
type rule struct {
	required bool
	nullable bool
	min, max int  // of a number; max of characters of a text, 0 for no limit
	blank    bool // text may be blank
	keep     bool // text is not trimmed
}

// value returns a field that is there and not null.
func (d *decoder) value(name string, r rule) (json.RawMessage, bool) {
	value, ok := d.fields[name]
	switch {
	case !ok && r.required:
		d.fault(name, msgRequired)
	case ok && kindOf(value) == "NoneType":
		ok = false
		if !r.nullable {
			d.fault(name, msgNull)
		}
	}
	return value, ok
}

// text reads a string, or a number as its text.
func (d *decoder) text(name string, r rule) *string {
	value, ok := d.value(name, r)
	if !ok {
		return nil
	}
	text := string(value)
	switch kindOf(value) {
	case "str":
		text = unquote(value)
	case "int", "float":
	default:
		d.fault(name, msgString)
		return nil
	}
	if !r.keep {
		text = strings.TrimSpace(text)
	}
	if text == "" && !r.blank {
		d.fault(name, msgBlank)
		return nil
	}
	return d.fitText(name, text, r)
}

func (d *decoder) fitText(name, text string, r rule) *string {
	var wrong []string
	if r.max > 0 && utf8.RuneCountInString(text) > r.max {
		wrong = append(wrong, tooLong(r.max))
	}
	if strings.ContainsRune(text, 0) {
		wrong = append(wrong, msgNUL)
	}
	if len(wrong) > 0 {
		d.fault(name, wrong...)
		return nil
	}
	return &text
}

// integer reads a whole number of min to max.
func (d *decoder) integer(name string, r rule) *int {
	value, ok := d.value(name, r)
	if !ok {
		return nil
	}
	n, fault := wholeNumber(value)
	if fault == "" {
		fault = outside(n, int64(r.min), int64(r.max))
	}
	if fault != "" {
		d.fault(name, fault)
		return nil
	}
	out := int(n)
	return &out
}

// outside is the fault of a number that is not of least to most, "" if it is.
func outside[N int64 | float64](n, least, most N) string {
	switch {
	case n < least || math.IsNaN(float64(n)):
		return fmt.Sprintf("Ensure this value is greater than or equal to %v.", least)
	case n > most:
		return fmt.Sprintf("Ensure this value is less than or equal to %v.", most)
	}
	return ""
}

// wholeNumber reads 7, 7.0, "7", " 7 " and "7.0"; beyond 64 bits it stays at their end.
func wholeNumber(value json.RawMessage) (n int64, fault string) {
	text := string(value)
	switch kindOf(value) {
	case "str":
		if text = unquote(value); len(text) > maxNumberText {
			return 0, msgLong
		}
	case "float":
		if strings.ContainsAny(text, "eE") { // as Python writes it
			f, err := strconv.ParseFloat(text, 64)
			if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1e16 {
				return 0, msgInteger
			}
			return int64(f), ""
		}
	case "int":
	default:
		return 0, msgInteger
	}
	text = strings.TrimSpace(text)
	if whole, fraction, ok := strings.Cut(text, "."); ok && strings.Trim(fraction, "0") == "" {
		text = whole
	}
	if digits := strings.TrimLeft(text, "+-"); digits == "" || len(text)-len(digits) > 1 || strings.Trim(digits, "0123456789") != "" {
		return 0, msgInteger
	}
	n, _ = strconv.ParseInt(text, 10, 64) // out of range: the end of the range
	return n, ""
}

// boolean reads true, false, 1, 0 and the words of api.md 4.2.
func (d *decoder) boolean(name string) *bool {
	value, ok := d.value(name, rule{})
	if !ok {
		return nil
	}
	text := string(value)
	switch kindOf(value) {
	case "str":
		text = unquote(value)
	case "list", "dict":
		text = ""
	}
	b, ok := parseBool(strings.TrimSpace(text))
	if !ok {
		d.fault(name, msgBoolean)
		return nil
	}
	return &b
}

// parseBool reads the words of api.md 4.2.
func parseBool(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "on", "1":
		return true, true
	case "false", "f", "no", "n", "off", "0":
		return false, true
	}
	return false, false
}

// choice reads one of the given texts, exactly.
func (d *decoder) choice(name string, choices ...string) *string {
	value, ok := d.value(name, rule{})
	if !ok {
		return nil
	}
	text := string(value)
	if kindOf(value) == "str" {
		text = unquote(value)
	}
	if !slices.Contains(choices, text) {
		d.fault(name, notAChoice(text))
		return nil
	}
	return &text
}

// list reads the items of an array; nil if it is not given or wrong.
func (d *decoder) list(name string) []json.RawMessage {
	value, ok := d.value(name, rule{})
	if !ok {
		return nil
	}
	items := []json.RawMessage{}
	if kindOf(value) != "list" || json.Unmarshal(value, &items) != nil {
		d.fault(name, expectsList(value))
		return nil
	}
	return items
}

// timestampLayouts are those of msgDatetime; without a zone it is UTC.
var timestampLayouts = []string{"2006-01-02T15:04Z07:00", time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04:05"}

// moment reads a timestamp.
func (d *decoder) moment(name string, r rule) *time.Time {
	value, ok := d.value(name, r)
	if !ok {
		return nil
	}
	if kindOf(value) == "str" {
		if t, ok := parseMoment(unquote(value)); ok {
			return &t
		}
	}
	d.fault(name, msgDatetime)
	return nil
}

// parseMoment reads a timestamp; microseconds are kept.
func parseMoment(text string) (time.Time, bool) {
	for _, layout := range timestampLayouts {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil && t.Year() > 0 {
			return t.UTC().Truncate(time.Microsecond), true
		}
	}
	return time.Time{}, false
}

// unquote returns the text of a JSON string.
func unquote(value json.RawMessage) string {
	var text string
	_ = json.Unmarshal(value, &text) // kindOf has looked
	return text
}
