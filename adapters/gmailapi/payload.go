package gmailapi

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/queries"
)

type headerJSON struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// metadataJSON is a payload in the format metadata.
type metadataJSON struct {
	MIMEType string       `json:"mimeType"`
	Headers  []headerJSON `json:"headers,omitempty"`
}

// partJSON is a part of a payload in the format full.
type partJSON struct {
	PartID   string       `json:"partId"`
	MIMEType string       `json:"mimeType"`
	FileName string       `json:"filename"`
	Headers  []headerJSON `json:"headers,omitempty"`
	Body     bodyJSON     `json:"body"`
	Parts    []partJSON   `json:"parts,omitempty"`
}

type bodyJSON struct {
	AttachmentID string `json:"attachmentId,omitempty"`
	Size         int64  `json:"size"`
	Data         string `json:"data,omitempty"`
}

// attachmentPrefix begins the id of an attachment, which goes on with its MIME section number.
const attachmentPrefix = "part-"

// maxInline is how large a text may be that stands in the payload itself, in octets.
const maxInline = 1 << 20

func headersOf(fields []queries.HeaderField) []headerJSON {
	out := make([]headerJSON, len(fields))
	for i, f := range fields {
		out[i] = headerJSON(f)
	}
	return out
}

// metadataOf returns the header of a message; with names only those, in any case and in the order of the message.
func metadataOf(root *queries.MIMEPart, names []string) metadataJSON {
	headers := headersOf(root.Header)
	if len(names) > 0 {
		headers = slices.DeleteFunc(headers, func(h headerJSON) bool {
			return !slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, h.Name) })
		})
	}
	return metadataJSON{root.ContentType, headers}
}

// partOf returns a part with all that is in it. id counts from 0 and is "" for the root.
func partOf(p *queries.MIMEPart, id string) partJSON {
	out := partJSON{PartID: id, MIMEType: p.ContentType, FileName: p.FileName, Headers: headersOf(p.Header), Body: bodyOf(p)}
	for i, inner := range p.Parts {
		innerID := strconv.Itoa(i)
		if id != "" {
			innerID = id + "." + innerID
		}
		out.Parts = append(out.Parts, partOf(inner, innerID))
	}
	return out
}

func bodyOf(p *queries.MIMEPart) bodyJSON {
	if p.Octets == nil {
		return bodyJSON{}
	}
	if p.FileName != "" || !strings.HasPrefix(p.ContentType, "text/") || p.Size > maxInline {
		return bodyJSON{AttachmentID: attachmentPrefix + p.Section, Size: p.Size}
	}
	text := p.Text()
	return bodyJSON{Size: int64(len(text)), Data: base64.URLEncoding.EncodeToString(text)}
}
