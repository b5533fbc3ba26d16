// Command imap2api is the one program: it serves the API, syncs accounts, keeps
// the read models, and has the commands with which operators look after them.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// Exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1 // the work failed
	exitUsage  = 2 // wrong usage or configuration
)

// usageError is wrong usage or configuration; its text names every fault.
type usageError struct{ error }

// errFailed ends a command whose work failed and that has said so already.
var errFailed = errors.New("failed")

// command is one subcommand.
type command struct {
	name, args, help string
	run              func(ctx context.Context, in *invocation) error
}

// invocation is how a command was called.
type invocation struct {
	args   []string
	stdout io.Writer
	stderr io.Writer
	stdin  io.Reader
	failed error // of the first write to stdout that failed
}

// printf writes to stdout. A failure is kept, and ends the command with 1.
func (in *invocation) printf(format string, args ...any) {
	_, err := fmt.Fprintf(in.stdout, format, args...)
	in.failed = cmp.Or(in.failed, err)
}

// tellf writes to stderr; where that fails there is nowhere to say so.
func (in *invocation) tellf(format string, args ...any) {
	_, _ = fmt.Fprintf(in.stderr, format, args...)
}

func commandTable() []command {
	return []command{
		{"serve", "", "API, sync and read models in one process", runServe},
		{"sync", "[-server ID]", "sync now; ends with 1 when a server failed", runSync},
		{"rebuild", "[NAME ...]", "build read models anew from the log beside the live ones", runRebuild},
		{"replay", "-user NAME [-server ID] [-type T] [-from P] [-to P]", "print events as the API gives them", runReplay},
		{"export", "-server ID -format mbox|maildir|jsonl [-o PATH]", "write the emails of a server as files", runExport},
		{"verify", "[-user NAME]", "prove that nothing is lost: chain, raw messages, read models", runVerify},
		{"status", "[-json]", "servers, lag of read models, stopped journals", runStatus},
		{"migrate", "", "bring the database to this version's schema", runMigrate},
		{"user", "add|list|disable|erase NAME", "users", runUser},
		{"token", "create -user NAME [-scope S ...]", "API tokens", runToken},
		{"demo", "[-imap-listen ADDRESS]", "the sample IMAP server of make demo alone", runDemo},
		{"version", "", "version, commit, Go version, event and schema versions", runVersion},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() { // a second signal ends the program at once
		<-ctx.Done()
		stop()
	}()
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run carries out the command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	in := &invocation{stdin: stdin, stdout: stdout, stderr: stderr}
	table := commandTable()
	i := slices.IndexFunc(table, func(c command) bool { return c.name == name })
	if i < 0 {
		in.usage(table)
		if name == "-h" || name == "-help" || name == "--help" || name == "help" {
			return exitDone
		}
		if name != "" {
			in.tellf("\nimap2api: there is no command %q\n", name)
		}
		return exitUsage
	}
	in.args = args[1:]
	err := table[i].run(ctx, in)
	if err == nil && in.failed != nil {
		err = fmt.Errorf("write to standard output: %w", in.failed)
	}
	var wrong usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errHelp):
		return exitDone
	case errors.As(err, &wrong):
		in.tellf("imap2api %s: %v\n", name, wrong)
		return exitUsage
	case !errors.Is(err, errFailed):
		in.tellf("imap2api %s: %v\n", name, err)
	}
	return exitFailed
}

func (in *invocation) usage(table []command) {
	in.tellf("usage: imap2api COMMAND [flags]    (imap2api COMMAND -help lists the flags)\n")
	for _, c := range table {
		in.tellf("  %-8s %-34s %s\n", c.name, c.args, c.help)
	}
}
