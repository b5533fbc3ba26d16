package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/imap2api/imap2api/adapters/sampleserver"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// sampleName is the name of the account that serve -demo adds.
const sampleName = "Sample mail"

// runDemo runs the sample IMAP server alone.
func runDemo(ctx context.Context, in *invocation) error {
	var listen string
	c, rest, err := parse("demo", in, func(fs *flag.FlagSet) {
		fs.StringVar(&listen, "imap-listen", "127.0.0.1:1143", "address of the sample IMAP server, on loopback")
	})
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("demo takes no arguments: %q", rest)}
	}
	server, err := sampleserver.Open(sampleserver.Options{Listen: listen, Logger: c.logger(in.stderr)})
	if err != nil {
		return usageError{err}
	}
	in.printf("IMAP at %s without TLS, user %s, password %s\n", server.Addr(), sampleserver.Username, sampleserver.Password)
	return server.Run(ctx)
}

// openSample opens the sample server of serve -demo, and remembers in the data directory
// what has arrived.
func (s *system) openSample() error {
	opts := sampleserver.Options{
		Listen: "127.0.0.1:1143", StateFile: filepath.Join(s.config.dataDir, "sample-mail.json"), Now: now, Logger: s.log,
	}
	var err error
	if s.sample, err = sampleserver.Open(opts); err != nil { // the port is somebody else's
		opts.Listen = ""
		s.sample, err = sampleserver.Open(opts)
	}
	return err
}

// addSample gives the first administrator the account of the sample server, or tells the
// one that is there its port.
func (s *system) addSample(ctx context.Context) error {
	users, err := queries.NewListUsers(s.users).Handle(ctx, queries.ListUsers{})
	if err != nil {
		return err
	}
	var journal events.JournalID
	for _, u := range users {
		if u.Name == s.config.adminUsername {
			journal = events.JournalID(u.ID)
		}
	}
	if journal == 0 {
		return usageError{fmt.Errorf("demo: there is no user %q", s.config.adminUsername)}
	}
	interval := 1
	settings := events.AccountSettings{
		Name: sampleName, Host: "127.0.0.1", Port: int(s.sample.Addr().Port()), Username: sampleserver.Username,
		LimitType: events.LimitAll, IntervalMin: &interval, AuthType: "password",
	}
	page, err := queries.NewListAccounts(s.accounts).Handle(ctx, queries.ListAccounts{
		Journal: journal, Name: sampleName, Paging: queries.Paging{Size: 1, Number: 1},
	})
	if err != nil {
		return err
	}
	if page.Count == 0 {
		_, err := commands.NewAddAccount(s.journal, s.secrets, now).Handle(ctx, commands.AddAccount{
			Journal: journal, Meta: commandLine(), Settings: settings, Password: sampleserver.Password,
		})
		return err
	}
	_, err = commands.NewChangeAccount(s.journal, s.secrets, now).Handle(ctx, commands.ChangeAccount{
		Journal: journal, Meta: commandLine(), Account: page.Items[0].ID,
		Change: func(before events.AccountSettings) (events.AccountSettings, error) {
			before.Port = settings.Port
			return before, nil
		},
	})
	return err
}

// keptPassword returns the password in a file, which is made if it is not there: that of a
// demonstration is wanted again at the next start.
func keptPassword(file string) (string, error) {
	_, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.WriteFile(file, []byte(newPassword()+"\n"), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("keep password: %w", err)
	}
	return readSecret(file)
}

// newPassword returns a random password of 20 characters.
func newPassword() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// runSample runs the sample server until ctx ends. Without it the rest still works.
func (s *system) runSample(ctx context.Context) {
	if err := s.sample.Run(ctx); err != nil {
		s.log.Error("sample IMAP server ended", slog.Any("err", err))
	}
}
