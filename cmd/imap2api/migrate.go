package main

import (
	"context"
	"fmt"
	"os"

	"github.com/imap2api/imap2api/adapters/postgres"
)

func runMigrate(ctx context.Context, in *invocation) error {
	c, rest, err := parse("migrate", in, nil)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("migrate takes no arguments: %q", rest)}
	}
	log := c.logger(in.stderr)
	if err := os.MkdirAll(c.dataDir, 0o755); err != nil {
		return usageError{fmt.Errorf("data-dir: %w", err)}
	}
	db, err := openDatabase(ctx, c, log, true)
	if err != nil {
		return err
	}
	defer db.close(log)
	if err := db.prepare(ctx, c, true); err != nil {
		return err
	}
	in.printf("schema %d\n", postgres.SchemaVersion())
	return nil
}
