package pgtest_test

import (
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
)

// Each test has a database of its own, at the schema of this program.
func TestPool(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "b", "c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			pool := pgtest.Pool(t)
			t.Logf("made in %v", time.Since(begun))
			if err := postgres.CheckSchema(t.Context(), pool); err != nil {
				t.Error(err)
			}
			if _, err := pool.Exec(t.Context(), "CREATE TABLE mine ()"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDSN(t *testing.T) {
	t.Parallel()
	if a, b := pgtest.DSN(t), pgtest.DSN(t); a == b {
		t.Errorf("two databases have the address %s", a)
	}
}
