package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
	"github.com/imap2api/imap2api/adapters/meili/meilitest"
)

// TestScript runs the stories of testdata/script with the real program, a
// private Postgres and a private Dovecot. The commands that they have beside those of testscript:
//
//	mailbox                          a new login at Dovecot: $MAIL_USER, $MAIL_PASSWORD
//	deliver FOLDER FILE [FLAG...]    a message arrives
//	mail create|delete|recreate FOLDER, mail rename FOLDER FOLDER
//	mail flag|unflag FOLDER FILE FLAG..., mail expunge FOLDER FILE, mail move|copy FOLDER FILE FOLDER
//	serve [FLAG...]                  starts the program; terminate asks it to end, crash kills it
//	login USER PASSWORD              gets $TOKEN
//	account NAME [FIELD=VALUE...]    adds the mailbox as an IMAP server: $SERVER
//	sync                             syncs it and waits
//	api [-status N] METHOD PATH [JSON]   asks; the body is stdout; with -until N again and again
//	value PATH WANT                  compares a value in the JSON of stdout; capture VAR PATH keeps it
//	snapshot FILE                    all that can be read of mail; events FILE the events, a line each
//	exits CODE COMMAND [ARG...]      exec with an exit code; await REGEXP COMMAND [ARG...] until stdout matches
//	limit CLASS N                    the rate limit that the API tells; readtoken FILE gets $TOKEN
//	discreet                         there is no password in stdout and stderr
//	database                         an external database: $DATABASE_URL
//	sql STATEMENT                    runs SQL in $DATABASE_URL or in the database of the program
func TestScript(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", WorkdirRoot: openTempDir(t), RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			t, ok := env.T().(testing.TB)
			if !ok {
				return errors.New("this testscript has no testing.TB")
			}
			own, err := settings(env.WorkDir)
			if err != nil {
				return err
			}
			s := &story{t: t, dovecot: dovecot}
			env.Values[storyKey{}] = s
			env.Defer(s.end)
			env.Vars = append(append(env.Vars, own...), "ADMIN_PASSWORD="+adminPassword, "MAIL_HOST=127.0.0.2", fmt.Sprint("MAIL_PORT=", dovecot.Port))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mailbox": verb((*story).mailbox), "deliver": verb((*story).deliver), "mail": verb((*story).mail),
			"serve": verb((*story).serve), "terminate": verb((*story).terminate), "crash": verb((*story).crash),
			"login": verb((*story).login), "account": verb((*story).account), "sync": verb((*story).sync), "api": verb((*story).api),
			"value": verb((*story).value), "capture": verb((*story).capture), "snapshot": verb((*story).snapshot),
			"events": verb((*story).events), "discreet": verb((*story).silent),
			"exits": verb((*story).exits), "await": verb((*story).await), "limit": verb((*story).limit), "readtoken": verb((*story).readToken),
			"database": verb((*story).database), "sql": verb((*story).sql), "meilisearch": verb((*story).meilisearch),
		},
	})
}

type storyKey struct{}

// A story is the state of a script.
type story struct {
	t       testing.TB
	dovecot *dovecottest.Server
	user    *dovecottest.User
	program *program
	meili   *meilitest.Server // nil: none has run
}

// verb makes a method a command of scripts.
func verb(run func(*story, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		err := run(ts.Value(storyKey{}).(*story), ts, args)
		if !neg {
			ts.Check(err)
		} else if err == nil {
			ts.Fatalf("succeeds unexpectedly")
		}
	}
}

// meilisearch starts and stops a Meilisearch, which programs that are served later prefer.
func (s *story) meilisearch(ts *testscript.TestScript, args []string) error {
	switch {
	case len(args) != 1:
		return errors.New("usage: meilisearch start|stop")
	case args[0] == "stop":
		s.meili.Stop()
	case s.meili != nil:
		s.meili.Start()
	default:
		s.meili = meilitest.New(s.t, meilitest.Options{Key: meilisearchKey})
		ts.Setenv("IMAP2API_MEILISEARCH_URL", s.meili.URL())
		ts.Setenv("IMAP2API_MEILISEARCH_API_KEY", meilisearchKey)
	}
	return nil
}

// meilisearchKey is told to nobody.
const meilisearchKey = "key-of-the-search-engine"

// end stops what the script has left running.
func (s *story) end() {
	if s.program == nil {
		return
	}
	if s.t.Failed() {
		s.t.Logf("log of the program:\n%s", s.program.log.news())
	}
	s.program.kill()
}

func (s *story) serve(ts *testscript.TestScript, args []string) error {
	if s.program != nil {
		return errors.New("the program runs already")
	}
	env := ownEnvironment()
	for _, name := range settingNames() {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	p, err := startProgram(ts.Getenv("WORK"), append(env, "IMAP2API_LOG_LEVEL=debug"), args...) // it must not tell secrets even then
	if err != nil {
		return err
	}
	s.program = p
	ts.Setenv("API", readyLine.FindStringSubmatch(p.log.String())[1])
	return nil
}

func (s *story) terminate(ts *testscript.TestScript, _ []string) error {
	if s.program == nil {
		return errors.New("no program runs")
	}
	p := s.program
	s.program = nil
	code, err := p.stop()
	_, _ = ts.Stderr().Write([]byte(p.log.news())) // a buffer
	if err == nil && code != exitDone {
		err = fmt.Errorf("serve ended with %d, want 0", code)
	}
	return errors.Join(err, s.discreet(p.log.String()))
}

// discreet finds passwords in what a program has written.
func (s *story) discreet(text string) error {
	secrets := []string{adminPassword, meilisearchKey}
	if s.user != nil {
		secrets = append(secrets, s.user.Password)
	}
	for _, secret := range secrets {
		if i := strings.Index(text, secret); i >= 0 {
			return fmt.Errorf("a password is in the output: %q", text[max(0, i-100):i+len(secret)])
		}
	}
	return nil
}

func (s *story) silent(ts *testscript.TestScript, _ []string) error {
	return errors.Join(s.discreet(ts.ReadFile("stdout")), s.discreet(ts.ReadFile("stderr")))
}

func (s *story) exits(ts *testscript.TestScript, args []string) error {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	got := 0
	var ended *exec.ExitError
	err = ts.Exec(args[1], args[2:]...)
	if errors.As(err, &ended) {
		got = ended.ExitCode()
	} else if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s ended with %d, want %d", args[1], got, want)
	}
	return nil
}

func (s *story) await(ts *testscript.TestScript, args []string) error {
	want, err := regexp.Compile(args[0])
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		err = ts.Exec(args[1], args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%s does not say %s", args[1], want), err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (s *story) crash(*testscript.TestScript, []string) error {
	s.program.kill()
	s.program = nil
	return nil
}

func (s *story) client(ts *testscript.TestScript) *client {
	return &client{base: ts.Getenv("API"), token: ts.Getenv("TOKEN")}
}
