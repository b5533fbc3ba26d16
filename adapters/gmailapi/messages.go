package gmailapi

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// messageJSON is a message in one of its formats (api.md 11.7).
type messageJSON struct {
	ID           string   `json:"id"`
	ThreadID     string   `json:"threadId"`
	LabelIDs     []string `json:"labelIds,omitempty"`
	Snippet      string   `json:"snippet,omitempty"`
	Payload      any      `json:"payload,omitempty"` // partJSON or metadataJSON
	SizeEstimate int64    `json:"sizeEstimate,omitempty"`
	Raw          string   `json:"raw,omitempty"`
	HistoryID    string   `json:"historyId,omitempty"`
	InternalDate string   `json:"internalDate,omitempty"`
}

// threadJSON is a thread with its messages, oldest first.
type threadJSON struct {
	ID        string        `json:"id"`
	HistoryID string        `json:"historyId,omitempty"`
	Messages  []messageJSON `json:"messages"`
}

// The formats of messages.
const (
	formatMinimal  = "minimal"
	formatMetadata = "metadata"
	formatFull     = "full"
	formatRaw      = "raw"
)

var snippetEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func escaped(snippet string) string { return snippetEscaper.Replace(snippet) }

// minimalOf returns what every format has.
func minimalOf(e queries.Entry) messageJSON {
	return messageJSON{
		ID: hexID(e.ID), ThreadID: hexID(e.Thread), LabelIDs: e.Labels, Snippet: escaped(e.Snippet), SizeEstimate: e.Size,
		HistoryID: historyID(e.Position), InternalDate: strconv.FormatInt(e.ReceivedAt.UnixMilli(), 10),
	}
}

// partsOf has how far a message is taken apart for each format.
var partsOf = map[string]queries.SourceParts{
	formatMinimal: queries.NoParts, formatMetadata: queries.HeaderOnly, formatFull: queries.AllParts, formatRaw: queries.OctetsOnly,
}

func (h *Handler) getMessage(c *call) (any, error) {
	format, err := c.oneOf("format", formatFull, formatMinimal, formatMetadata, formatFull, formatRaw)
	if err != nil {
		return nil, err
	}
	m, err := h.open(c, "id", partsOf[format])
	if err != nil {
		return nil, err
	}
	out := minimalOf(m.Entry)
	fill(&out, format, m.Source, c.Query["metadataHeaders"])
	return out, nil
}

// open returns the message of the path.
func (h *Handler) open(c *call, name string, parts queries.SourceParts) (queries.OpenedMessage, error) {
	id, err := pathID[domain.MessageID](c, name)
	if err != nil {
		return queries.OpenedMessage{}, err
	}
	return h.app.OpenMessage(c.ctx, queries.OpenMessage{Journal: c.Who.Journal, Accounts: c.accounts, ID: id, Parts: parts})
}

func (h *Handler) getThread(c *call) (any, error) {
	format, err := c.oneOf("format", formatFull, formatMinimal, formatMetadata, formatFull)
	if err != nil {
		return nil, err
	}
	entries, err := h.threadEntries(c)
	if err != nil {
		return nil, err
	}
	messages, err := h.formatted(c, format, entries)
	if err != nil {
		return nil, err
	}
	last := slices.MaxFunc(entries, func(a, b queries.Entry) int { return int(a.Position - b.Position) })
	return threadJSON{hexID(entries[0].Thread), historyID(last.Position), messages}, nil
}

// threadEntries returns the messages of the thread of the path.
func (h *Handler) threadEntries(c *call) ([]queries.Entry, error) {
	id, err := pathID[domain.ThreadID](c, "id")
	if err != nil {
		return nil, err
	}
	entries, err := h.app.GetEntries(c.ctx, queries.GetEntries{Journal: c.Who.Journal, Accounts: c.accounts, Thread: id})
	if err == nil && len(entries) == 0 {
		err = notFound()
	}
	return entries, err
}

// sourcesAtOnce is how many octets of raw messages are held at once, unless one is larger.
const sourcesAtOnce = 32 << 20

// formatted returns messages in a format. It reads as many raw messages at once as fit.
func (h *Handler) formatted(c *call, format string, entries []queries.Entry) ([]messageJSON, error) {
	out := make([]messageJSON, 0, len(entries))
	for _, e := range entries {
		out = append(out, minimalOf(e))
	}
	parts := partsOf[format]
	for from := 0; parts != queries.NoParts && from < len(entries); {
		to, octets := from+1, entries[from].Size
		for to < len(entries) && octets+entries[to].Size <= sourcesAtOnce {
			octets += entries[to].Size
			to++
		}
		sources, err := h.sources(c, entries[from:to], parts)
		if err != nil {
			return nil, err
		}
		for i, s := range sources {
			fill(&out[from+i], format, s, c.Query["metadataHeaders"])
		}
		from = to
	}
	return out, nil
}

func (h *Handler) sources(c *call, entries []queries.Entry, parts queries.SourceParts) ([]queries.Source, error) {
	sums := make([][]byte, len(entries))
	for i, e := range entries {
		sums[i] = e.SHA256
	}
	sources, err := h.app.GetSources(c.ctx, queries.GetSources{Journal: c.Who.Journal, SHA256: sums, Parts: parts})
	if err != nil {
		return nil, fmt.Errorf("open %d messages: %w", len(entries), err)
	}
	return sources, nil
}

func fill(m *messageJSON, format string, s queries.Source, names []string) {
	switch format {
	case formatRaw:
		m.Raw = base64.URLEncoding.EncodeToString(s.Octets)
	case formatMetadata:
		m.Payload = metadataOf(s.Root, names)
	case formatFull:
		m.Payload = partOf(s.Root, "")
	}
}

type attachmentJSON struct {
	Size int64  `json:"size"`
	Data string `json:"data,omitempty"`
}

func (h *Handler) getAttachment(c *call) (any, error) {
	m, err := h.open(c, "messageId", queries.AllParts)
	if err != nil {
		return nil, err
	}
	section, ok := strings.CutPrefix(c.param("id"), attachmentPrefix)
	if !ok {
		return nil, invalidArgument("Invalid attachment token")
	}
	part := m.Root.Find(section)
	if part == nil {
		return nil, notFound()
	}
	octets := part.Octets()
	return attachmentJSON{int64(len(octets)), base64.URLEncoding.EncodeToString(octets)}, nil
}
