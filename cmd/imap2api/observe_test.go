package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestDashboard: what the dashboard of docs/ asks for is there.
func TestDashboard(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	described := make(chan *prometheus.Desc)
	go func() { newMetrics().registry.Describe(described); close(described) }()
	var all strings.Builder
	for d := range described {
		all.WriteString(d.String() + "\n")
	}
	names := regexp.MustCompile(`\b(imap2api|process)_[a-z_]+`).FindAllString(string(text), -1)
	if len(names) < 15 {
		t.Fatalf("only %d names in the dashboard", len(names))
	}
	for _, name := range names {
		base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
		if !strings.Contains(all.String(), `fqName: "`+base+`"`) {
			t.Errorf("the program has no metric %s", name)
		}
	}
}
