package mailparse

import (
	"regexp"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
)

// Sanitize returns HTML that can be shown without running anything and without
// fetching anything (api.md 9.6): scripts, forms, event handlers, embedded documents
// and remote content are removed. Images stay if they are in the message (cid:) or in
// the HTML itself (data:). Links stay, for the reader to follow, with rel noopener.
func Sanitize(html string) string {
	return local().Sanitize(html)
}

// SanitizeWithImages is Sanitize, but images of other hosts stay: showing them tells those
// hosts that, when and where the message is read.
func SanitizeWithImages(html string) string {
	return remote().Sanitize(html)
}

// The policies are built once; they are not changed afterwards, so they are safe for concurrent use.
var (
	local  = sync.OnceValue(func() *bluemonday.Policy { return policy(localImage) })
	remote = sync.OnceValue(func() *bluemonday.Policy { return policy(anyImage) })
)

// policy returns what stays of HTML; images are those whose address matches.
func policy(images *regexp.Regexp) *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br", "caption",
		"center", "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em", "figcaption",
		"figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "img", "ins", "kbd", "li",
		"main", "mark", "nav", "ol", "p", "pre", "q", "s", "samp", "section", "small", "span", "strike", "strong", "sub",
		"summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var", "wbr")
	p.SkipElementsContent("svg", "math", "template", "select", "applet", "embed", "audio", "video", "canvas")
	p.AllowAttrs("dir").Matching(bluemonday.Direction).Globally()
	p.AllowAttrs("lang").Matching(regexp.MustCompile(`^[a-zA-Z-]{1,20}$`)).Globally()
	p.AllowAttrs("title", "alt").Globally()
	p.AllowAttrs("align", "valign").Matching(regexp.MustCompile(`(?i)^[a-z]{1,10}$`)).Globally()
	p.AllowAttrs("width", "height", "border", "cellpadding", "cellspacing", "colspan", "rowspan", "size", "start", "hspace", "vspace").
		Matching(regexp.MustCompile(`^[0-9]{1,5}(px|%)?$`)).Globally()
	p.AllowAttrs("color", "bgcolor").Matching(regexp.MustCompile(`(?i)^#?[a-z0-9]{1,30}$`)).Globally()
	p.AllowAttrs("face").Matching(regexp.MustCompile(`^[\p{L}\p{N}\s,'-]{1,200}$`)).OnElements("font")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("src").Matching(images).OnElements("img")
	p.AllowURLSchemes("http", "https", "mailto", "tel", "cid")
	p.AllowDataURIImages()
	p.AllowRelativeURLs(false)
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)
	p.AllowStyles(styles...).MatchingHandler(harmlessStyle).Globally()
	return p
}

// localImage matches images that need no request; no SVG, which is a document.
var localImage = regexp.MustCompile(`(?i)^\s*(cid:|data:image/(png|jpe?g|gif|webp);base64,)`)

// anyImage matches those of other hosts too.
var anyImage = regexp.MustCompile(`(?i)^\s*(https?://|cid:|data:image/(png|jpe?g|gif|webp);base64,)`)

// styles are the CSS properties that stay.
var styles = []string{
	"background-color", "border", "border-bottom", "border-collapse", "border-color", "border-left", "border-radius",
	"border-right", "border-spacing", "border-style", "border-top", "border-width", "color", "direction", "display",
	"font", "font-family", "font-size", "font-style", "font-variant", "font-weight", "height", "letter-spacing",
	"line-height", "list-style-type", "margin", "margin-bottom", "margin-left", "margin-right", "margin-top",
	"max-height", "max-width", "min-height", "min-width", "padding", "padding-bottom", "padding-left", "padding-right",
	"padding-top", "text-align", "text-decoration", "text-indent", "text-transform", "vertical-align", "white-space",
	"width", "word-break", "word-spacing", "word-wrap",
}

var styleValue = regexp.MustCompile(`^[\p{L}\p{N}\s#%.,'"()!+-]{1,200}$`)

// styleFunction matches the functions of CSS that only compute.
var styleFunction = regexp.MustCompile(`(?i)\b(rgba?|hsla?)\(`)

// harmlessStyle reports whether the value of a property fetches nothing: it has no
// URL, no escape and no function but those of colours.
func harmlessStyle(value string) bool {
	if !styleValue.MatchString(value) {
		return false
	}
	return !strings.Contains(styleFunction.ReplaceAllString(value, ""), "(")
}
