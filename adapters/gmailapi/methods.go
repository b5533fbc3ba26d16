package gmailapi

import (
	_ "embed" // the methods that are not supported
	"net/http"
	"strings"
	"sync"
)

// method is a method of the Gmail API.
type method struct {
	name     string // without gmail.users.
	verb     string
	path     string // below users/{userId}/; with a leading slash: from the root
	response string // its schema; "" for none
	handle   func(*Handler, *call) (any, error)
}

// supported are the methods that are answered, as the discovery document lists them.
func supported() []method {
	return []method{
		{"getProfile", http.MethodGet, "profile", "Profile", (*Handler).getProfile},
		{"labels.list", http.MethodGet, "labels", "ListLabelsResponse", (*Handler).listLabels},
		{"labels.get", http.MethodGet, "labels/{id}", "Label", (*Handler).getLabel},
		{"messages.list", http.MethodGet, "messages", "ListMessagesResponse", (*Handler).listMessages},
		{"messages.get", http.MethodGet, "messages/{id}", "Message", (*Handler).getMessage},
		{"messages.attachments.get", http.MethodGet, "messages/{messageId}/attachments/{id}", "MessagePartBody", (*Handler).getAttachment},
		{"messages.batchModify", http.MethodPost, "messages/batchModify", "", (*Handler).batchModify},
		{"messages.modify", http.MethodPost, "messages/{id}/modify", "Message", (*Handler).modifyMessage},
		{"messages.trash", http.MethodPost, "messages/{id}/trash", "Message", (*Handler).trashMessage},
		{"messages.untrash", http.MethodPost, "messages/{id}/untrash", "Message", (*Handler).untrashMessage},
		{"threads.list", http.MethodGet, "threads", "ListThreadsResponse", (*Handler).listThreads},
		{"threads.get", http.MethodGet, "threads/{id}", "Thread", (*Handler).getThread},
		{"threads.modify", http.MethodPost, "threads/{id}/modify", "Thread", (*Handler).modifyThread},
		{"threads.trash", http.MethodPost, "threads/{id}/trash", "Thread", (*Handler).trashThread},
		{"threads.untrash", http.MethodPost, "threads/{id}/untrash", "Thread", (*Handler).untrashThread},
		{"watch", http.MethodPost, "watch", "WatchResponse", (*Handler).watch},
		{"stop", http.MethodPost, "stop", "", (*Handler).stop},
		{"history.list", http.MethodGet, "history", "ListHistoryResponse", (*Handler).listHistory},
	}
}

// unsupported has a line for each other method: verb, path and name (api.md 11.11).
//
//go:embed unsupported.txt
var unsupported string

const usersRoot = "/gmail/v1/users/{userId}/"

// methods are all methods, those with literal segments before those with parameters in their place.
var methods = sync.OnceValue(func() []method {
	out := supported()
	for line := range strings.Lines(unsupported) {
		if f := strings.Fields(line); len(f) == 3 {
			out = append(out, method{name: f[2], verb: f[0], path: f[1]})
		}
	}
	for i, m := range out {
		if !strings.HasPrefix(m.path, "/") {
			out[i].path = usersRoot + m.path
		}
	}
	return out
})

// knownPath reports whether a path is one of a method.
func knownPath(path string) bool {
	for _, m := range methods() {
		if _, ok := matches(m.path, path); ok {
			return true
		}
	}
	return false
}

// find returns the method of the request and fills in the parameters. Of two paths that match, the one with fewer parameters counts.
func (c *call) find() (*method, error) {
	verb := c.Method
	if verb == http.MethodHead {
		verb = http.MethodGet
	}
	var best *method
	least := -1
	all := methods()
	for i, m := range all {
		params, ok := matches(m.path, c.Path)
		if ok && (least < 0 || len(params) < least) {
			least = len(params)
			best, c.params = nil, params
		}
		if ok && len(params) == least && m.verb == verb {
			best, c.params = &all[i], params
		}
	}
	if best == nil {
		return nil, notFound() // also for a wrong verb on a known path
	}
	return best, nil
}

// matches compares a path with a template, and returns its parameters. A parameter may be followed by literal text.
func matches(template, path string) (map[string]string, bool) {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	params := map[string]string{}
	for i, w := range want {
		if !strings.HasPrefix(w, "{") {
			if w != have[i] {
				return nil, false
			}
			continue
		}
		name, after, _ := strings.Cut(w[1:], "}")
		value, ok := strings.CutSuffix(have[i], after)
		if !ok || value == "" {
			return nil, false
		}
		params[name] = value
	}
	return params, true
}

// Paths returns the paths of all methods that are answered, with the verbs of each.
func Paths() map[string][]string {
	out := map[string][]string{}
	for _, m := range methods() {
		if m.handle != nil {
			out[m.path] = append(out[m.path], m.verb)
		}
	}
	return out
}
