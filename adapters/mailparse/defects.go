package mailparse

// A defect is one thing that was broken in a message, as a bit.
type defect uint32

const (
	badBase64 defect = 1 << iota
	badCharset
	badContentType
	badDate
	badHeader
	badQuotedPrintable
	deadline
	depthLimit
	headerLimit
	noBoundary
	noEndBoundary
	panicked
	partLimit
	unknownCharset
)

// defectNames are the words of Content.Defects, in the order of the bits, which
// is alphabetical.
var defectNames = [...]string{
	"bad-base64", "bad-charset", "bad-content-type", "bad-date", "bad-header", "bad-quoted-printable",
	"deadline", "depth-limit", "header-limit", "no-boundary", "no-end-boundary", "panic", "part-limit",
	"unknown-charset",
}

// names returns the words for the bits of d, sorted; nil if there are none.
func (d defect) names() []string {
	var out []string
	for i, name := range defectNames {
		if d&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}
