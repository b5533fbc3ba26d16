package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/adapters/postgres/privpg"
)

func (s *story) limit(ts *testscript.TestScript, args []string) error {
	a, err := s.client(ts).do("GET", "/api/me/", nil)
	if err != nil {
		return err
	}
	if got := a.header.Get("X-RateLimit-Limit"); got != args[1] {
		return fmt.Errorf("limit of class %s is %q, want %s", args[0], got, args[1])
	}
	return nil
}

func (s *story) readToken(ts *testscript.TestScript, args []string) error {
	ts.Setenv("TOKEN", strings.TrimSpace(ts.ReadFile(args[0])))
	return nil
}

func (s *story) login(ts *testscript.TestScript, args []string) error {
	c := s.client(ts)
	err := c.login(args[0], args[1])
	ts.Setenv("TOKEN", c.token)
	return err
}

func (s *story) account(ts *testscript.TestScript, args []string) error {
	port, err := strconv.Atoi(ts.Getenv("MAIL_PORT"))
	if err != nil {
		return err
	}
	fields := map[string]any{
		"name": args[0], "host": ts.Getenv("MAIL_HOST"), "port": port, "use_ssl": false,
		"username": s.user.Name, "password": s.user.Password, "sync_interval": nil,
	}
	for _, pair := range args[1:] {
		name, value, _ := strings.Cut(pair, "=")
		fields[name] = value
	}
	var out struct{ ID int64 }
	err = s.client(ts).call(http.StatusCreated, "POST", "/api/imap-servers/", fields, &out)
	ts.Setenv("SERVER", strconv.FormatInt(out.ID, 10))
	return err
}

func (s *story) sync(ts *testscript.TestScript, _ []string) error {
	id, err := strconv.ParseInt(ts.Getenv("SERVER"), 10, 64)
	if err != nil {
		return err
	}
	return s.client(ts).sync(id)
}

func (s *story) api(ts *testscript.TestScript, args []string) error {
	want, deadline := 0, time.Now()
	if args[0] == "-status" || args[0] == "-until" {
		want, _ = strconv.Atoi(args[1]) // 0 is any success
		if args[0] == "-until" {
			deadline = deadline.Add(patience)
		}
		args = args[2:]
	}
	var body []byte
	if len(args) > 2 {
		body = []byte(strings.Join(args[2:], " "))
	}
	a, err := s.client(ts).do(args[0], args[1], body)
	for err == nil && a.status != want && time.Now().Before(deadline) {
		<-time.After(20 * time.Millisecond)
		a, err = s.client(ts).do(args[0], args[1], body)
	}
	if err != nil {
		return err
	}
	_, _ = ts.Stdout().Write(a.body) // a buffer
	if want == 0 && a.status/100 != 2 || want != 0 && a.status != want {
		return fmt.Errorf("%s %s: got %d, want %d: %s", args[0], args[1], a.status, want, a.body)
	}
	return s.discreet(string(a.body))
}

func (s *story) snapshot(ts *testscript.TestScript, args []string) error {
	text, err := s.client(ts).snapshot()
	if err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600)
}

func (s *story) events(ts *testscript.TestScript, args []string) error {
	rows, err := s.client(ts).list("/api/events/?page_size=3")
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, row := range rows {
		lines.Write(append(row, '\n'))
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(lines.String()), 0o600)
}

// database makes an external database of the present schema.
func (s *story) database(ts *testscript.TestScript, _ []string) error {
	ts.Setenv("DATABASE_URL", pgtest.DSN(s.t))
	return nil
}

func (s *story) sql(ts *testscript.TestScript, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dsn := ts.Getenv("DATABASE_URL")
	if dsn == "" {
		var ok bool
		var err error
		if dsn, ok, err = privpg.Find(ctx, filepath.Join(ts.Getenv("IMAP2API_DATA_DIR"), "postgres")); err != nil || !ok {
			return errors.Join(errors.New("no Postgres runs"), err)
		}
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // the work is done
	results, err := conn.PgConn().Exec(ctx, args[0]).ReadAll()
	for _, result := range results {
		for _, row := range result.Rows {
			for i, column := range row {
				if i > 0 {
					_, _ = ts.Stdout().Write([]byte("\t"))
				}
				_, _ = ts.Stdout().Write(column)
			}
			_, _ = ts.Stdout().Write([]byte("\n"))
		}
	}
	return err
}

// value compares a value in the JSON of stdout with a text.
func (s *story) value(ts *testscript.TestScript, args []string) error {
	got, err := lookUp(ts.ReadFile("stdout"), args[0])
	if err != nil {
		return err
	}
	if got != args[1] {
		return fmt.Errorf("%s is %s, want %s", args[0], got, args[1])
	}
	return nil
}

func (s *story) capture(ts *testscript.TestScript, args []string) error {
	got, err := lookUp(ts.ReadFile("stdout"), args[1])
	ts.Setenv(args[0], got)
	return err
}

// lookUp finds a value by a path such as results.0.id; len is the length of a
// list. Texts come without quotes, all else as JSON.
func lookUp(text, path string) (string, error) {
	var at any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&at); err != nil {
		return "", err
	}
	for step := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				return "", fmt.Errorf("%s: there is no %s in %s", path, step, text)
			}
			at = next
		case []any:
			if step == "len" {
				at = len(v)
				continue
			}
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				return "", fmt.Errorf("%s: there is no %s in %s", path, step, text)
			}
			at = v[i]
		default:
			return "", fmt.Errorf("%s: nothing is below %v in %s", path, at, text)
		}
	}
	if s, ok := at.(string); ok {
		return s, nil
	}
	out, err := json.Marshal(at)
	return string(out), err
}
