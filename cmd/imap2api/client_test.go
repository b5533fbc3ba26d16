package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// A client talks to the API as a user's program would.
type client struct {
	base, token string
}

// An answer is what the API said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request; body nil is none.
func (c *client) do(method, path string, body []byte) (answer, error) {
	req, err := http.NewRequest(method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Token "+c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, text}, err
}

// call sends a request whose answer must have a status, and decodes it if into is not nil.
func (c *client) call(status int, method, path string, in, into any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	a, err := c.do(method, path, body)
	if err != nil {
		return err
	}
	if a.status != status {
		return fmt.Errorf("%s %s: got %d, want %d: %s", method, path, a.status, status, a.body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("%s %s: %w: %s", method, path, err, a.body)
	}
	return nil
}

// login gets the token of a user.
func (c *client) login(user, password string) error {
	var out struct{ Token string }
	err := c.call(http.StatusOK, "POST", "/api-token-auth/", map[string]string{"username": user, "password": password}, &out)
	c.token = out.Token
	return err
}

// sync syncs a server now and waits for the end.
func (c *client) sync(server int64) error {
	return c.call(http.StatusOK, "POST", fmt.Sprintf("/api/imap-servers/%d/sync/?wait=120", server), nil, nil)
}

// An email is a row of the list with what its own page adds.
type email struct {
	ID         int64    `json:"id"`
	Folder     string   `json:"folder"`
	MessageID  string   `json:"message_id"`
	Subject    string   `json:"subject"`
	Size       int64    `json:"size"`
	ReceivedAt string   `json:"received_at"`
	Flags      []string `json:"flags"`
	RawURL     string   `json:"raw_url"`
}

// list returns the raw rows of a list, all pages.
func (c *client) list(path string) ([]json.RawMessage, error) {
	var rows []json.RawMessage
	for next := path; next != ""; {
		var page struct {
			Next    *string
			Results []json.RawMessage
		}
		if err := c.call(http.StatusOK, "GET", next, nil, &page); err != nil {
			return nil, err
		}
		rows = append(rows, page.Results...)
		if next = ""; page.Next != nil {
			next = strings.TrimPrefix(*page.Next, c.base)
		}
	}
	return rows, nil
}

// ids returns the ids of all emails with a filter.
func (c *client) ids(query string) ([]int64, error) {
	rows, err := c.list("/api/emails/?page_size=100&ordering=id&cursor=" + query)
	ids := make([]int64, 0, len(rows))
	for _, row := range rows {
		var e email
		if err := json.Unmarshal(row, &e); err != nil {
			return nil, err
		}
		ids = append(ids, e.ID)
	}
	return ids, err
}

// snapshot is all that can be read of mail, in a canonical form: two are
// equal if and only if no client can tell the difference.
func (c *client) snapshot() (string, error) {
	var out strings.Builder
	for _, path := range []string{
		"/api/emails/?page_size=100", "/api/emails/threads/?page_size=100", "/api/emails/?page_size=100&ordering=subject",
	} {
		rows, err := c.list(path)
		if err != nil {
			return "", err
		}
		for _, row := range rows {
			fmt.Fprintf(&out, "%s %s\n", path, row)
		}
	}
	ids, err := c.ids("")
	if err != nil {
		return "", err
	}
	paths := []string{"/api/emails/folders/", "/api/emails/statistics/"}
	for _, id := range ids {
		one := "/api/emails/" + strconv.FormatInt(id, 10) + "/"
		paths = append(paths, one, one+"thread/", one+"attachments/", one+"raw/")
	}
	for _, path := range paths {
		a, err := c.do("GET", path, nil)
		if err != nil {
			return "", err
		}
		text := string(a.body)
		if strings.HasSuffix(path, "/raw/") {
			text = sum(a.body)
		}
		fmt.Fprintf(&out, "%s %d %s\n", path, a.status, text)
	}
	return out.String(), nil
}

func sum(octets []byte) string {
	s := sha256.Sum256(octets)
	return hex.EncodeToString(s[:])
}
