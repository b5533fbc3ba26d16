package adminui

import (
	"html/template"
	"regexp"
	"strings"
)

// mailLine is a line of plain text, with how deep it is quoted.
type mailLine struct {
	Depth int // 0 to 3
	HTML  template.HTML
}

// address matches what is made a link: http and https only.
var address = regexp.MustCompile(`https?://[^\s<>"']+[^\s<>"'.,;:!?)\]]`)

// mailText makes lines of plain text: quoted ones are told apart, addresses are links.
func mailText(text string) []mailLine {
	var out []mailLine
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		depth, rest := 0, line
		for strings.HasPrefix(rest, ">") {
			depth++
			rest = strings.TrimPrefix(rest[1:], " ")
		}
		out = append(out, mailLine{min(depth, 3), linked(line)})
	}
	return out
}

func linked(line string) template.HTML {
	var b strings.Builder
	end := 0
	for _, at := range address.FindAllStringIndex(line, -1) {
		b.WriteString(template.HTMLEscapeString(line[end:at[0]]))
		to := template.HTMLEscapeString(line[at[0]:at[1]])
		b.WriteString(`<a href="` + to + `" target="_blank" rel="noopener noreferrer nofollow">` + to + `</a>`)
		end = at[1]
	}
	b.WriteString(template.HTMLEscapeString(line[end:]))
	return template.HTML(b.String()) //nolint:gosec // every part is escaped above
}
