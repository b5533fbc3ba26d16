package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// file is octets that never change.
type file struct {
	kind        string // Content-Type
	disposition string
	tag         string // strong
	octets      []byte
}

// content sends a file, or the part of it that a range asks for (RFC 9110 section 14).
func (a *api) content(r *request, f file) (response, error) {
	h := r.w.Header()
	h.Set("ETag", f.tag)
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Add("Vary", "Accept-Encoding, Authorization")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Accept-Ranges", "bytes")
	r.wrote = true
	if noneMatch(r.Header.Values("If-None-Match"), f.tag) {
		r.w.WriteHeader(http.StatusNotModified)
		return response{done: true}, nil
	}
	size, status := int64(len(f.octets)), http.StatusOK
	from, to, ranged := rangeOf(r, f.tag, size)
	switch {
	case ranged && from >= to:
		r.wrote = false
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		h.Set("Content-Security-Policy", jsonPolicy)
		return response{}, errRange
	case ranged:
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, size))
	}
	h.Set("Content-Type", f.kind)
	h.Set("Content-Disposition", f.disposition)
	h.Set("Content-Length", strconv.FormatInt(to-from, 10))
	r.w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = r.w.Write(f.octets[from:to]) // the client has gone
	}
	return response{done: true}, nil
}

// rangeOf returns the octets that a Range header asks for, none (from >= to) if they are
// beyond the end. What is no single range of octets does not count (RFC 9110 section 14.2),
// nor does any but for GET, or if If-Range names another version.
func rangeOf(r *request, tag string, size int64) (from, to int64, ranged bool) {
	condition := r.Header.Get("If-Range")
	if r.Method != http.MethodGet || condition != "" && condition != tag {
		return 0, size, false
	}
	return parseRange(r.Header.Get("Range"), size)
}

// parseRange reads bytes=from-to, bytes=from- and bytes=-length.
func parseRange(spec string, size int64) (from, to int64, ok bool) {
	spec, ok = strings.CutPrefix(spec, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash || first+last == "" || strings.Trim(first+last, "0123456789") != "" {
		return 0, size, false
	}
	number := func(text string) int64 {
		n, _ := strconv.ParseInt(text, 10, 64) // out of range: the end of the range
		return n
	}
	switch {
	case first == "":
		return max(0, size-number(last)), size, true
	case last == "":
		return number(first), size, true
	case number(last) < number(first):
		return 0, size, false
	}
	return number(first), min(size-1, number(last)) + 1, true
}
