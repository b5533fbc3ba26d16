package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imap2api/imap2api/adapters/gmailapi"
)

// TestGmailPathsAndDocument: every path of the Gmail surface is in the OpenAPI document, and the reverse.
func TestGmailPathsAndDocument(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../adapters/httpapi/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string][]string{}
	path := ""
	for line := range strings.Lines(string(document)) {
		if m := regexp.MustCompile(`^  (/\S*):$`).FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			path = m[1]
		}
		if m := regexp.MustCompile(`^    (get|post|put|patch|delete):$`).FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && strings.HasPrefix(path, "/gmail/") {
			written[path] = append(written[path], strings.ToUpper(m[1]))
		}
	}
	served := gmailapi.Paths()
	if len(served) < 9 {
		t.Fatalf("only %d paths", len(served))
	}
	for path, verbs := range served {
		if !slices.Equal(slices.Sorted(slices.Values(verbs)), slices.Sorted(slices.Values(written[path]))) {
			t.Errorf("%s: served %v, in the document %v", path, verbs, written[path])
		}
	}
	for path := range written {
		if served[path] == nil {
			t.Errorf("%s is in the document and not served", path)
		}
	}
}
