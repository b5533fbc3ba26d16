package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// response is what a handler answers.
type response struct {
	status   int    // 0: 200
	body     any    // to be encoded; nil: none
	raw      []byte // JSON that is encoded already, instead of body
	tag      string // strong entity tag of a versioned resource; "": a weak one over the body
	position position
	location string
	secret   bool // it contains a secret: no-store
	plain    bool // no entity tag, not to be kept: health and the like
	done     bool // the handler has written the answer itself
}

// textOrNil returns nil for "".
func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled is the largest buffer that is kept, in octets.
const maxPooled = 1 << 20

func release(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		b.Reset()
		buffers.Put(b)
	}
}

// encode appends the JSON of v: compact, <, > and & as they are.
func encode(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode %T: %w", v, err)
	}
	b.Truncate(b.Len() - 1) // the line end that Encode adds
	return nil
}

// encodeAny appends the JSON of the body of an answer.
func encodeAny(b *bytes.Buffer, v any) error {
	if v, ok := v.(texts); ok {
		return encodeTexts(b, v)
	}
	return encode(b, v)
}

// mustJSON encodes what cannot fail: text, numbers and lists of them.
func mustJSON(v any) []byte {
	var b bytes.Buffer
	if err := encode(&b, v); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// write sends what a handler answered.
func (a *api) write(r *request, res response) {
	if res.done {
		return
	}
	h := r.w.Header()
	if res.position > 0 {
		h.Set("X-Event-Position", strconv.FormatInt(int64(res.position), 10))
	}
	if res.location != "" {
		h.Set("Location", res.location)
	}
	status := max(res.status, http.StatusOK)
	if res.body == nil && res.raw == nil {
		r.wrote = true
		r.w.WriteHeader(status)
		return
	}
	body := res.raw
	if body == nil {
		b := buffers.Get().(*bytes.Buffer)
		defer release(b)
		if err := encodeAny(b, res.body); err != nil {
			a.fail(r, err)
			return
		}
		body = b.Bytes()
	}
	if a.conditional(r, res, status, body) {
		r.wrote = true
		h.Del("Content-Type")
		r.w.WriteHeader(http.StatusNotModified)
		return
	}
	a.send(r, status, body)
}

// conditional sets what caches need to know and reports whether the client has the body already (api.md 8.1).
func (a *api) conditional(r *request, res response, status int, body []byte) bool {
	h := r.w.Header()
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case res.secret || res.plain:
		h.Set("Cache-Control", "no-store")
		return false
	case res.tag != "":
		h.Set("ETag", res.tag)
	case reading && status == http.StatusOK:
		h.Set("ETag", weakTag(body))
	}
	if !reading || status != http.StatusOK {
		return false
	}
	h.Set("Cache-Control", "private, no-cache")
	h.Add("Vary", "Accept-Encoding, Authorization")
	return noneMatch(r.Header.Values("If-None-Match"), h.Get("ETag"))
}

// weakTag names a body, whatever its encoding.
func weakTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}

// noneMatch reports whether If-None-Match names the tag, by weak comparison (RFC 9110 section 13.1.2).
func noneMatch(lines []string, tag string) bool {
	for _, item := range listOf(lines) {
		if item == "*" || strings.TrimPrefix(item, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// writeJSON sends a body without caring for caches.
func (a *api) writeJSON(r *request, status int, v any) {
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)
	if err := encode(b, v); err != nil { // errors and fixed bodies encode
		panic(err)
	}
	a.send(r, status, b.Bytes())
}

// send writes status and body, compressed if that pays and the client takes it.
func (a *api) send(r *request, status int, body []byte) {
	h := r.w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	if coding := codingFor(r.Header.Values("Accept-Encoding"), len(body)); coding != "" {
		packed := buffers.Get().(*bytes.Buffer)
		defer release(packed)
		compress(packed, coding, body)
		h.Set("Content-Encoding", coding)
		body = packed.Bytes()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	r.wrote = true
	r.w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = r.w.Write(body) // the client has gone
	}
}
