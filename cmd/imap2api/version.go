package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/imap2api/imap2api/adapters/mailparse"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/events"
)

// release is set by the build.
var release = "dev"

// version returns the version of the program.
func version() string { return release }

func runVersion(_ context.Context, in *invocation) error {
	commit := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	in.printf("imap2api %s\ncommit   %s\ngo       %s %s/%s\nevents   %d types\nschema   %d\nparser   %d\n",
		version(), commit, runtime.Version(), runtime.GOOS, runtime.GOARCH, len(events.Types()), postgres.SchemaVersion(), mailparse.Version)
	return nil
}
