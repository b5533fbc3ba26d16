package adminui

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// funcs are what templates can call.
func (u *ui) funcs() template.FuncMap {
	return template.FuncMap{
		"asset": func(name string) string { return u.path("/assets/" + u.files.names[name]) },
		"path":  func(parts ...any) string { return u.path(fmt.Sprint(parts...)) },
		"query": query, "num": grouped, "size": sizeOf, "when": u.when, "span": spanOf, "plural": plural, "initial": initial, "list": func(items ...any) []any { return items },
		"dict": dict, "marked": func(html string) template.HTML { return template.HTML(html) }, //nolint:gosec // queries.Highlight: all text in it is escaped
		"root": func() string { return u.opts.BasePath + "/" },
		"join": strings.Join, "lines": mailText,
	}
}

// query writes an address with parameters, empty ones left out.
func query(base string, pairs ...any) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := fmt.Sprint(pairs[i+1]); value != "" && value != "0" {
			v.Set(fmt.Sprint(pairs[i]), value)
		}
	}
	if len(v) == 0 {
		return base
	}
	return base + "?" + v.Encode()
}

// dict gives a part of a page several values by name.
func dict(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out
}

// grouped writes a number with thin spaces between thousands.
func grouped(n any) string {
	if p, ok := n.(*int); ok && p != nil {
		n = *p
	}
	text := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return sign + text
}

// sizeOf writes a number of octets as people read it.
func sizeOf(n int64) string {
	value, unit := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, next
	}
	if unit == "B" || value >= 10 {
		return strconv.FormatFloat(value, 'f', 0, 64) + "\u202f" + unit
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + "\u202f" + unit
}

// when writes a moment as short as it can be told from now; the browser's script puts it
// into the reader's own time zone.
func (u *ui) when(t any) template.HTML {
	var at time.Time
	switch t := t.(type) {
	case time.Time:
		at = t.UTC()
	case *time.Time:
		if t == nil {
			return "never"
		}
		at = t.UTC()
	}
	now := u.opts.Now().UTC()
	text := at.Format("2006-01-02")
	switch {
	case at.Format("20060102") == now.Format("20060102"):
		text = at.Format("15:04")
	case at.Year() == now.Year():
		text = at.Format("2 Jan")
	}
	return template.HTML(`<time datetime="` + at.Format(time.RFC3339) + `" title="` + at.Format("Mon, 2 Jan 2006 15:04:05 UTC") + `">` + text + `</time>`) //nolint:gosec // no text of others is in it
}

// spanOf says how long something takes or took.
func spanOf(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// plural writes a number with its noun: 1 email, 2 emails.
func plural(n any, one, many string) string {
	text := grouped(n)
	if text == "1" {
		many = one
	}
	return text + "\u00a0" + many
}

// initial is the first letter of a name, for a badge.
func initial(name string) string {
	for _, c := range name {
		return strings.ToUpper(string(c))
	}
	return "?"
}
