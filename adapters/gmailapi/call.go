package gmailapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const jsonType = "application/json; charset=UTF-8"

// call is a request and what was found out about it.
type call struct {
	Request
	ctx      context.Context //nolint:containedctx // a call lives as long as its context
	accounts []domain.AccountID
	params   map[string]string // of the path
}

func (c *call) param(name string) string { return c.params[name] }

// checkCommon checks the parameters that all methods have (api.md 11.2).
func (c *call) checkCommon() error {
	for _, name := range []string{"access_token", "oauth_token", "callback"} {
		if c.Query.Has(name) {
			return invalidArgument("The parameter " + name + " is not accepted.")
		}
	}
	if alt := c.last("alt"); alt != "" && alt != "json" {
		return invalidParameter("alt")
	}
	if _, err := c.boolean("prettyPrint"); err != nil {
		return err
	}
	return nil
}

// last returns the last value of a parameter, "" if it is not given.
func (c *call) last(name string) string {
	values := c.Query[name]
	if len(values) == 0 {
		return ""
	}
	return strings.ToValidUTF8(values[len(values)-1], "\ufffd")
}

func (c *call) boolean(name string) (bool, error) {
	switch c.last(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, invalidParameter(name)
}

const (
	defaultResults = 100
	maxResults     = 500
)

// limit returns maxResults: 100 if it is not given, from 1 to 500.
func (c *call) limit() (int, error) {
	text := c.last("maxResults")
	if text == "" {
		return defaultResults, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, invalidParameter("maxResults")
	}
	return int(min(max(n, 1), maxResults)), nil
}

// listBinding names a list with its filters, which page tokens belong to.
func (c *call) listBinding(names ...string) string {
	var b strings.Builder
	b.WriteString(c.Path)
	for _, name := range names {
		fmt.Fprintf(&b, " %s=%q", name, c.Query[name])
	}
	return b.String()
}

// hexID returns an id as clients see it (api.md 11.4).
func hexID[N ~int64](id N) string { return fmt.Sprintf("%016x", int64(id)) }

// parseID reads an id: 1 to 16 hexadecimal digits. An id that nothing can have is 0.
func parseID[N ~int64](text string) (N, error) {
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) > 16 {
		return 0, invalidArgument("Invalid id value")
	}
	return N(max(0, int64(n))), nil
}

// pathID returns the id of the path. It returns a fault for one that cannot be.
func pathID[N ~int64](c *call, name string) (N, error) {
	id, err := parseID[N](c.param(name))
	if err == nil && id == 0 {
		return 0, notFound()
	}
	return id, err
}

func historyID(pos events.Position) string { return strconv.FormatInt(int64(pos), 10) }

// answer encodes what a method has returned, nil for nothing.
func (c *call) answer(m *method, body any) (Answer, error) {
	if body == nil {
		return Answer{Status: http.StatusNoContent}, nil
	}
	out, err := encode(body)
	if err != nil {
		return Answer{}, err
	}
	if fields := c.last("fields"); fields != "" {
		if out, err = selectFields(out, fields, m.response); err != nil {
			return Answer{}, err
		}
	}
	if pretty, _ := c.boolean("prettyPrint"); pretty {
		var b bytes.Buffer
		if err := json.Indent(&b, out, "", "  "); err != nil {
			return Answer{}, fmt.Errorf("indent answer: %w", err)
		}
		out = b.Bytes()
	}
	return Answer{Status: http.StatusOK, ContentType: jsonType, Body: out}, nil
}

// encode returns the JSON of v: compact, <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// oneOf reads a parameter that is one of some words, in any case.
func (c *call) oneOf(name, otherwise string, words ...string) (string, error) {
	text := strings.ToLower(c.last(name))
	if text == "" {
		return otherwise, nil
	}
	if !slices.Contains(words, text) {
		return "", invalidParameter(name)
	}
	return text, nil
}
