package domain

import "time"

// Address is one mailbox of RFC 5322 section 3.4: a display name, decoded, ""
// if there is none, and an address without angle brackets, as sent.
type Address struct {
	Name string `json:"name,omitempty"`
	Addr string `json:"addr,omitempty"`
}

// Content is what the octets of one message say, as one version of the parser
// reads them. All text is valid UTF-8 without NUL and other control characters
// (bodies keep LF and TAB); line ends are LF. Parsing never fails: what cannot
// be read is left empty and named in Defects.
type Content struct {
	// MsgID, InReplyTo and References are message-ids without angle brackets and
	// without white space, in the order of the fields, as sent (RFC 5322 section
	// 3.6.4). Prose around them is dropped.
	MsgID      string   `json:"msg_id,omitempty"`
	InReplyTo  []string `json:"in_reply_to,omitempty"`
	References []string `json:"references,omitempty"`

	Subject string    `json:"subject,omitempty"` // decoded and unfolded
	From    []Address `json:"from,omitempty"`
	To      []Address `json:"to,omitempty"`
	Cc      []Address `json:"cc,omitempty"`
	Bcc     []Address `json:"bcc,omitempty"`
	ReplyTo []Address `json:"reply_to,omitempty"`
	// Date is the Date field in UTC, in whole seconds; zero if missing or unreadable.
	Date time.Time `json:"date,omitzero"`

	// Text is the plain text of the message: its text/plain bodies, and for a body
	// that is only HTML text derived from it. Markup is never in it.
	Text string `json:"text,omitempty"`
	// HTML is the text/html body as sent, decoded to UTF-8; "" if there is none.
	HTML string `json:"html,omitempty"`
	// Snippet is up to 200 characters of Text, white space collapsed.
	Snippet string `json:"snippet,omitempty"`

	Attachments []Attachment `json:"attachments,omitempty"` // in the order of their sections

	// ThreadIndex is the GUID of Microsoft's Thread-Index field, 16 octets; nil without one.
	ThreadIndex []byte `json:"thread_index,omitempty"`
	ListID      string `json:"list_id,omitempty"`      // of List-Id, without brackets
	DeliveredTo string `json:"delivered_to,omitempty"` // of the first Delivered-To

	// Defects names what was broken: short words such as "no-boundary",
	// "bad-base64", "unknown-charset", "truncated", "deadline". Sorted, each once.
	Defects []string `json:"defects,omitempty"`
}

// Attachment is a leaf part with a file name or the disposition attachment, an
// inline part with a Content-ID, or an attached message (api.md 10.4).
type Attachment struct {
	Section     string `json:"section"`             // MIME section number, such as 2 or 1.3 (RFC 9051 section 6.4.5)
	FileName    string `json:"file_name,omitempty"` // decoded, without path separators and control characters
	ContentType string `json:"content_type"`        // lower case, without parameters
	Size        int64  `json:"size"`                // octets of the decoded content
	Inline      bool   `json:"inline,omitempty"`
	ContentID   string `json:"content_id,omitempty"` // without angle brackets
}
