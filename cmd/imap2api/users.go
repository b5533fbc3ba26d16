package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// takeArg takes the argument at the front of the command line, where people write it before the flags.
func takeArg(in *invocation) string {
	if len(in.args) == 0 || strings.HasPrefix(in.args[0], "-") {
		return ""
	}
	arg := in.args[0]
	in.args = in.args[1:]
	return arg
}

func runUser(ctx context.Context, in *invocation) error {
	verbs := map[string]func(context.Context, *invocation) error{
		"add": addUser, "list": listUsers, "disable": disableUser, "erase": eraseUser,
	}
	verb := takeArg(in)
	if verbs[verb] == nil {
		return usageError{errors.New("say add NAME, list, disable NAME or erase NAME")}
	}
	return verbs[verb](ctx, in)
}

func addUser(ctx context.Context, in *invocation) error {
	name := takeArg(in)
	var admin bool
	var file string
	s, rest, end, err := session(ctx, "user", in, func(fs *flag.FlagSet) {
		fs.BoolVar(&admin, "admin", false, "an administrator")
		fs.StringVar(&file, "password-file", "", "file with the password; without it, it is asked for")
	})
	if err != nil {
		return err
	}
	defer end()
	name, err = oneName(name, rest)
	if err != nil {
		return err
	}
	password, err := askPassword(in, file)
	if err != nil {
		return err
	}
	id, err := s.addUser(ctx, name, password, admin)
	var field *domain.FieldError
	if errors.As(err, &field) || errors.Is(err, domain.ErrConflict) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	in.printf("user %s added, id %d\n", name, id)
	return nil
}

// oneName takes the name from before or after the flags.
func oneName(name string, rest []string) (string, error) {
	if name != "" {
		rest = append([]string{name}, rest...)
	}
	if len(rest) != 1 {
		return "", usageError{fmt.Errorf("give one name, not %d", len(rest))}
	}
	return rest[0], nil
}

// askPassword reads a password from a file, a terminal or a pipe.
func askPassword(in *invocation, file string) (string, error) {
	var password string
	var err error
	switch f, ok := in.stdin.(interface{ Fd() uintptr }); {
	case file != "":
		if password, err = readSecret(file); err != nil {
			return "", usageError{fmt.Errorf("password-file: %w", err)}
		}
	case ok && term.IsTerminal(int(f.Fd())):
		in.tellf("Password: ")
		b, err := term.ReadPassword(int(f.Fd()))
		in.tellf("\n")
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		password = string(b)
	default:
		line, _ := bufio.NewReader(in.stdin).ReadString('\n')
		password = strings.TrimRight(line, "\r\n")
	}
	if password == "" {
		return "", usageError{errors.New("the password is empty")}
	}
	return password, nil
}

func listUsers(ctx context.Context, in *invocation) error {
	s, _, end, err := session(ctx, "user", in, nil)
	if err != nil {
		return err
	}
	defer end()
	users, err := queries.NewListUsers(s.users).Handle(ctx, queries.ListUsers{})
	if err != nil {
		return err
	}
	for _, u := range users {
		role, state := "user", "active"
		if u.Admin {
			role = "admin"
		}
		if !u.Active {
			state = "disabled"
		}
		in.printf("%d\t%s\t%s\t%s\n", u.ID, u.Name, role, state)
	}
	return nil
}

func disableUser(ctx context.Context, in *invocation) error {
	name := takeArg(in)
	s, rest, end, err := session(ctx, "user", in, nil)
	if err != nil {
		return err
	}
	defer end()
	if name, err = oneName(name, rest); err != nil {
		return err
	}
	user, err := s.userNamed(ctx, name)
	if err != nil {
		return err
	}
	_, err = commands.NewDisableUser(s.journal, s.principals, now).Handle(ctx, commands.DisableUser{Meta: commandLine(), User: user.ID})
	if err != nil {
		return err
	}
	in.printf("user %s disabled\n", name)
	return nil
}

func eraseUser(ctx context.Context, in *invocation) error {
	name := takeArg(in)
	var yes bool
	s, rest, end, err := session(ctx, "user", in, func(fs *flag.FlagSet) {
		fs.BoolVar(&yes, "yes", false, "do not ask")
	})
	if err != nil {
		return err
	}
	defer end()
	if name, err = oneName(name, rest); err != nil {
		return err
	}
	user, err := s.userNamed(ctx, name)
	if err != nil {
		return err
	}
	if !yes {
		in.tellf("All mail, settings and events of %s will be removed for ever. Type the name again: ", name)
		line, _ := bufio.NewReader(in.stdin).ReadString('\n')
		if strings.TrimSpace(line) != name {
			return usageError{errors.New("not erased: the names differ")}
		}
	}
	cmd := commands.EraseUser{Meta: commandLine(), User: user.ID}
	if err := commands.NewEraseUser(s.journal, s.principals, s.eraser).Handle(ctx, cmd); err != nil {
		return err
	}
	if err := s.events.Erase(ctx); err != nil {
		return fmt.Errorf("take content out (it is gone on with at the next start): %w", err)
	}
	in.printf("user %s erased\n", name)
	return nil
}

// scopeList is a flag that may be given several times, or with commas.
type scopeList []string

// String returns the scopes with commas.
func (l *scopeList) String() string { return strings.Join(*l, ",") }

// Set adds scopes.
func (l *scopeList) Set(text string) error {
	for _, scope := range splitList(text) {
		if !slices.Contains([]string{queries.ScopeRead, queries.ScopeWrite, queries.ScopeAdmin}, scope) {
			return fmt.Errorf("%q is none of read, write, admin", scope)
		}
		*l = append(*l, scope)
	}
	return nil
}

func runToken(ctx context.Context, in *invocation) error {
	if takeArg(in) != "create" {
		return usageError{errors.New("say create -user NAME")}
	}
	var name, label string
	var scopes scopeList
	s, _, end, err := session(ctx, "token", in, func(fs *flag.FlagSet) {
		fs.StringVar(&name, "user", "", "whose token")
		fs.StringVar(&label, "name", "command line", "what it is for")
		fs.Var(&scopes, "scope", "read, write or admin; repeatable; read without")
	})
	if err != nil {
		return err
	}
	defer end()
	user, err := s.userNamed(ctx, name)
	if err != nil {
		return err
	}
	if len(scopes) == 0 {
		scopes = scopeList{queries.ScopeRead}
	}
	made, err := commands.NewCreateToken(s.journal, now).Handle(ctx, commands.CreateToken{
		Journal: events.JournalID(user.ID), Meta: commandLine(), Name: label, Scopes: scopes,
	})
	if err != nil {
		return err
	}
	in.printf("%s\n", made.Secret)
	return nil
}
