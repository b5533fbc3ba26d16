package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/queries"
)

func TestMarker(t *testing.T) {
	t.Parallel()
	terms := []queries.Text{{Value: "creme"}, {Value: "and on", Whole: true}}
	if got, want := (marker{}).Whole("<b> Crème & on", terms), "&lt;b&gt; <mark>Crème</mark> &amp; on"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (marker{}).Whole("a < b", nil), "a &lt; b"; got != want {
		t.Errorf("without terms: got %q, want %q", got, want)
	}
	long := strings.Repeat("word ", 100)
	got := (marker{}).Parts(long+"goes on and on over <i>"+long, terms)
	if len(got) != 1 || !strings.Contains(got[0], "goes on <mark>and</mark> <mark>on</mark> over &lt;i&gt;") || len(got[0]) > 300 {
		t.Errorf("got %q", got)
	}
	if diff := cmp.Diff([]string(nil), (marker{}).Parts("nothing here", terms)); diff != "" {
		t.Error(diff)
	}
}
