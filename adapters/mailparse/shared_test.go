package mailparse

import (
	"os"
	"path/filepath"
	"testing"
)

// shared returns a path below the directory of shared test material, or skips the
// test where there is none.
func shared(t testing.TB, elem ...string) string {
	t.Helper()
	root := os.Getenv("IMAP2API_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{root}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no shared material: %v", err)
	}
	return path
}
