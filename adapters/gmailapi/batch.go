package gmailapi

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
)

// maxParts is how many requests a batch may have.
const maxParts = 100

func isBatch(path string) bool { return path == "/batch" || path == "/batch/gmail/v1" }

// batchPart is a request in a batch; without a request it cannot be answered.
type batchPart struct {
	contentID string
	request   *http.Request
}

// batch answers several requests as if each had come alone, in order (api.md 11.13).
func (h *Handler) batch(c *call) (Answer, error) {
	if c.Method != http.MethodPost {
		return Answer{}, notFound()
	}
	body, err := c.Body()
	if err != nil {
		return Answer{}, err
	}
	parts, err := readParts(c.Header.Get("Content-Type"), body)
	if err != nil {
		return Answer{}, err
	}
	boundary := "batch_" + rand.Text()
	stream := func(w io.Writer) error {
		for _, p := range parts {
			if err := p.answer(c, w, boundary); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, "--"+boundary+"--\r\n")
		return err
	}
	return Answer{Status: http.StatusOK, ContentType: "multipart/mixed; boundary=" + boundary, Stream: stream}, nil
}

// readParts takes a batch apart. It returns a fault for one that is no batch, or too long.
func readParts(contentType string, body []byte) ([]batchPart, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" || params["boundary"] == "" {
		return nil, invalidArgument("Failed to parse batch request: multipart/mixed with a boundary is needed.")
	}
	var out []batchPart
	for reader := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) && len(out) > 0 {
			return out, nil
		}
		if err != nil {
			return nil, parseError()
		}
		if len(out) == maxParts {
			return nil, invalidArgument(fmt.Sprintf("The batch request has more than %d parts.", maxParts))
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, parseError()
		}
		out = append(out, batchPart{part.Header.Get("Content-Id"), readRequest(content)})
	}
}

// readRequest reads the request of a part, with CRLF or LF; nil if it is none.
func readRequest(content []byte) *http.Request {
	from := bufio.NewReader(bytes.NewReader(bytes.TrimLeft(content, "\r\n")))
	r, err := http.ReadRequest(from)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	if r.ContentLength <= 0 { // clients leave the length out: the part ends where it ends
		if body, err = io.ReadAll(from); err != nil {
			return nil
		}
		body = bytes.TrimSpace(body)
	}
	r.ContentLength = int64(len(body))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

// answer writes the answer to one part.
func (p batchPart) answer(c *call, w io.Writer, boundary string) error {
	var b bytes.Buffer
	b.WriteString("--" + boundary + "\r\nContent-Type: application/http\r\n")
	if p.contentID != "" {
		b.WriteString("Content-ID: <response-" + strings.Trim(p.contentID, "<>") + ">\r\n")
	}
	b.WriteString("\r\n")
	if p.request == nil || p.request.URL.Host != "" || !strings.HasPrefix(p.request.URL.Path, "/gmail/v1/") {
		refused := invalidArgument("A part of a batch is a request for a path below /gmail/v1/.").answer()
		writeResponse(&b, refused.Status, http.Header{"Content-Type": {refused.ContentType}}, refused.Body)
	} else {
		res := c.Part(p.request)
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return fmt.Errorf("read answer to a part: %w", err)
		}
		writeResponse(&b, res.StatusCode, res.Header, body)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// partHeaders are those that the answer to a part has.
var partHeaders = []string{"Content-Type", "ETag", "Retry-After", "WWW-Authenticate"}

func writeResponse(b *bytes.Buffer, status int, header http.Header, body []byte) {
	b.WriteString("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\n")
	for _, name := range partHeaders {
		if value := header.Get(name); value != "" {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
	b.Write(body)
	b.WriteString("\r\n")
}
