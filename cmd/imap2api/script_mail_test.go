package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rogpeppe/go-internal/testscript"
)

func (s *story) mailbox(ts *testscript.TestScript, _ []string) error {
	s.user = s.dovecot.NewUser(s.t)
	ts.Setenv("MAIL_USER", s.user.Name)
	ts.Setenv("MAIL_PASSWORD", s.user.Password)
	return nil
}

// deliver stores a message that a file holds, octet for octet.
func (s *story) deliver(ts *testscript.TestScript, args []string) error {
	raw, err := os.ReadFile(ts.MkAbs(args[1]))
	if err != nil {
		return err
	}
	s.user.Append(s.t, args[0], raw, time.Time{}, flagsOf(args[2:])...)
	return nil
}

func flagsOf(names []string) []imap.Flag {
	flags := make([]imap.Flag, len(names))
	for i, name := range names {
		flags[i] = imap.Flag(name)
	}
	return flags
}

// mail is what another mail program does to the mailbox.
func (s *story) mail(ts *testscript.TestScript, args []string) error {
	verb, folder, rest := args[0], args[1], args[2:]
	switch verb {
	case "create":
		s.user.Create(s.t, folder)
	case "delete":
		s.user.Delete(s.t, folder)
	case "recreate":
		s.user.Recreate(s.t, folder)
	case "rename":
		s.user.Rename(s.t, folder, rest[0])
	default:
		uid, err := s.find(ts, folder, rest[0])
		if err != nil {
			return err
		}
		return s.touch(verb, folder, uid, rest[1:])
	}
	return nil
}

// touch changes one message.
func (s *story) touch(verb, folder string, uid imap.UID, rest []string) error {
	switch verb {
	case "flag":
		s.user.AddFlags(s.t, folder, uid, flagsOf(rest)...)
	case "unflag":
		s.user.RemoveFlags(s.t, folder, uid, flagsOf(rest)...)
	case "expunge":
		s.user.Expunge(s.t, folder, uid)
	case "move":
		s.user.Move(s.t, folder, rest[0], uid)
	case "copy":
		s.user.Copy(s.t, folder, rest[0], uid)
	default:
		return fmt.Errorf("mail cannot %s", verb)
	}
	return nil
}

// find is the UID of the message that a file holds.
func (s *story) find(ts *testscript.TestScript, folder, file string) (imap.UID, error) {
	raw, err := os.ReadFile(ts.MkAbs(file))
	if err != nil {
		return 0, err
	}
	for _, m := range s.user.Messages(s.t, folder) {
		if bytes.Equal(m.Raw, raw) {
			return m.UID, nil
		}
	}
	return 0, fmt.Errorf("%s is not in %s", file, folder)
}
