// Command imap2api is the one program: it serves the API, syncs accounts, keeps
// the read models, and has the commands with which operators look after them.
package main

import (
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

// errUsage is wrong usage or configuration; its text names every fault.
type errUsage struct{ error }

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
}

func commandTable() []command {
	return []command{
		{"serve", "", "API, sync and read models in one process", runServe},
		{"sync", "[-server ID]", "sync now; ends with 1 when a server failed", runSync},
		{"rebuild", "[NAME ...]", "build read models anew from the log beside the live ones", runRebuild},
		{"replay", "-user NAME [-server ID] [-type T] [-from P] [-to P]", "print events as the API gives them", runReplay},
		{"verify", "[-user NAME]", "prove that nothing is lost: chain, raw messages, read models", runVerify},
		{"status", "[-json]", "servers, lag of read models, stopped journals", runStatus},
		{"migrate", "", "bring the database to this version's schema", runMigrate},
		{"user", "add|list|disable|erase NAME", "users", runUser},
		{"token", "create -user NAME [-scope S ...]", "API tokens", runToken},
		{"version", "", "version, commit, Go version, event and schema versions", runVersion},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // a second signal ends the program at once
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run carries out the command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	table := commandTable()
	i := slices.IndexFunc(table, func(c command) bool { return c.name == name })
	if i < 0 {
		usage(stderr, table)
		if name == "-h" || name == "-help" || name == "--help" || name == "help" {
			return exitDone
		}
		if name != "" {
			fmt.Fprintf(stderr, "\nimap2api: there is no command %q\n", name)
		}
		return exitUsage
	}
	err := table[i].run(ctx, &invocation{args: args[1:], stdin: stdin, stdout: stdout, stderr: stderr})
	var wrong errUsage
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errHelp):
		return exitDone
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "imap2api %s: %v\n", name, wrong)
		return exitUsage
	case !errors.Is(err, errFailed):
		fmt.Fprintf(stderr, "imap2api %s: %v\n", name, err)
	}
	return exitFailed
}

func usage(w io.Writer, table []command) {
	fmt.Fprintln(w, "usage: imap2api COMMAND [flags]    (imap2api COMMAND -help lists the flags)")
	for _, c := range table {
		fmt.Fprintf(w, "  %-8s %-34s %s\n", c.name, c.args, c.help)
	}
}
