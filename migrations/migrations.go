// Package migrations holds the numbered, forward-only migrations of the
// database as SQL for goose. It does not run them; adapters/postgres does. The
// tables of read models are not here: they come with their projection.
package migrations

import "embed"

// FS has the migrations, named like 0001_event_log.sql, at its root.
//
//go:embed *.sql
var FS embed.FS
