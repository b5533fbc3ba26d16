package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/imap2api/imap2api/queries"
)

// session opens the system for a one-shot command: beside a running serve on the same
// data directory, or alone.
func session(ctx context.Context, name string, in *invocation, own func(*flag.FlagSet)) (s *system, args []string, end func(), err error) {
	c, args, err := parse(name, in, own)
	if err != nil {
		return nil, nil, nil, err
	}
	log := c.logger(in.stderr)
	if c.databaseURL == "" {
		if err := os.MkdirAll(c.dataDir, 0o755); err != nil {
			return nil, nil, nil, usageError{fmt.Errorf("data-dir: %w", err)}
		}
	}
	db, err := openDatabase(ctx, c, log, true)
	if err != nil {
		return nil, nil, nil, err
	}
	end = func() { db.close(log) }
	if err := db.prepare(ctx, c, false); err != nil {
		end()
		return nil, nil, nil, err
	}
	if s, err = build(ctx, c, db, log); err != nil {
		end()
		return nil, nil, nil, err
	}
	return s, args, end, nil
}

// userNamed returns a user; without a name the only one.
func (s *system) userNamed(ctx context.Context, name string) (queries.User, error) {
	users, err := queries.NewListUsers(s.users).Handle(ctx, queries.ListUsers{})
	if err != nil {
		return queries.User{}, err
	}
	if name == "" && len(users) == 1 {
		return users[0], nil
	}
	if name == "" {
		return queries.User{}, usageError{fmt.Errorf("there are %d users: name one with -user", len(users))}
	}
	for _, u := range users {
		if u.Name == name {
			return u, nil
		}
	}
	return queries.User{}, usageError{fmt.Errorf("there is no user %q", name)}
}
