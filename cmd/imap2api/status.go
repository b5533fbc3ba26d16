package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// statusJSON is what `status -json` prints.
type statusJSON struct {
	Servers     []serverStatus `json:"servers"`
	Projections []modelStatus  `json:"projections"`
	Webhooks    []hookStatus   `json:"webhooks"`
	Search      searchStatus   `json:"search"`
}

type serverStatus struct {
	ID          int64           `json:"id"`
	User        string          `json:"user"`
	Name        string          `json:"name"`
	State       string          `json:"sync_state"`
	OAuthStatus *string         `json:"oauth_status"` // null with a password
	LastSync    *time.Time      `json:"last_sync"`
	LastError   *string         `json:"last_error"`
	Messages    int             `json:"stored_emails"`
	Coverage    *remoteCoverage `json:"coverage"` // null before the first check
	Watch       *watchStatus    `json:"watch"`    // null: nobody waits for changes, as without a schedule
}

// remoteCoverage says what became of the messages of a mail server, as of the last check.
type remoteCoverage struct {
	Status      string    `json:"status"` // complete, incomplete, stale
	CheckedAt   time.Time `json:"checked_at"`
	OnServer    int       `json:"server_messages"`
	Stored      int       `json:"stored"`
	Excluded    int       `json:"excluded"`
	Quarantined int       `json:"quarantined"`
	Erased      int       `json:"erased"`
	Missing     int       `json:"missing"`
}

type modelStatus struct {
	Name       string          `json:"name"`
	Version    int             `json:"version"`
	Generation int             `json:"generation"`
	Status     string          `json:"status"`
	Lag        int64           `json:"lag_events"`
	LagSeconds float64         `json:"lag_seconds"`
	Stopped    []stoppedStatus `json:"stopped"`
	Outdated   bool            `json:"outdated"` // messages were read by another parser: a rebuild mends it
	Coverage   *coverageStatus `json:"coverage"` // null: not compared yet, or it has no rows of single emails
}

type stoppedStatus struct {
	User     string    `json:"user"`
	Position int64     `json:"position"`
	Type     string    `json:"type"`
	Error    string    `json:"error"`
	Since    time.Time `json:"since"`
}

func runStatus(ctx context.Context, in *invocation) error {
	var asJSON bool
	s, rest, end, err := session(ctx, "status", in, func(fs *flag.FlagSet) {
		fs.BoolVar(&asJSON, "json", false, "for machines")
	})
	if err != nil {
		return err
	}
	defer end()
	if len(rest) > 0 {
		return usageError{fmt.Errorf("status takes no arguments: %q", rest)}
	}
	s.compareNow(ctx)
	out, err := s.status(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(in.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(out)
	}
	return printStatus(in.stdout, out)
}

// status gathers the state of servers and read models.
func (s *system) status(ctx context.Context) (statusJSON, error) {
	out := statusJSON{Servers: []serverStatus{}, Projections: []modelStatus{}}
	users, err := queries.NewListUsers(s.users).Handle(ctx, queries.ListUsers{})
	if err != nil {
		return out, err
	}
	names := map[int64]string{}
	for _, u := range users {
		names[int64(u.ID)] = u.Name
	}
	targets, err := s.targets(ctx, 0)
	if err != nil {
		return out, err
	}
	watches, err := s.watchStatus(ctx)
	if err != nil {
		return out, err
	}
	for _, t := range targets {
		a := t.account
		row := serverStatus{ID: int64(a.ID), User: names[int64(t.journal)], Name: a.Settings.Name, State: a.State, LastSync: a.LastSync, Watch: watches[a.ID]}
		if a.OAuthStatus != "" {
			row.OAuthStatus = &a.OAuthStatus
		}
		if a.LastError != "" {
			row.LastError = &a.LastError
		}
		folders, err := s.mailboxes.Folders(ctx, t.journal, a.ID)
		if err != nil {
			return out, fmt.Errorf("folders of server %d: %w", a.ID, err)
		}
		for _, f := range folders {
			row.Messages += f.Messages
		}
		if row.Coverage, err = s.remoteCoverage(ctx, t); err != nil {
			return out, err
		}
		out.Servers = append(out.Servers, row)
	}
	models, err := queries.NewListModels(s.events).Handle(ctx, queries.ListModels{Coverage: true})
	if err != nil {
		return out, err
	}
	for _, m := range models {
		out.Projections = append(out.Projections, statusOf(m))
	}
	if out.Webhooks, err = s.hookStatus(ctx, names); err != nil {
		return out, err
	}
	out.Search = s.searchStatus(ctx)
	return out, nil
}

// remoteCoverage returns nil before the first check.
func (s *system) remoteCoverage(ctx context.Context, t target) (*remoteCoverage, error) {
	c, err := queries.NewGetAccountCoverage(s.accounts, now).Handle(ctx, queries.GetAccountCoverage{Journal: t.journal, Account: t.account.ID})
	if errors.Is(err, domain.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &remoteCoverage{c.Status, c.CheckedAt, c.OnServer, c.Stored, c.Excluded, c.Quarantined, c.Erased, c.Missing}, nil
}

// String sums up: what is stored of what is there, and what is wrong.
func (c *remoteCoverage) String() string {
	if c == nil {
		return "not checked"
	}
	text := fmt.Sprintf("%s %d/%d", c.Status, c.Stored, c.OnServer)
	for _, part := range []struct {
		n    int
		what string
	}{{c.Missing, "missing"}, {c.Quarantined, "in quarantine"}, {c.Excluded, "excluded"}, {c.Erased, "erased"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return text
}

func statusOf(m queries.Model) modelStatus {
	row := modelStatus{
		Name: m.Name, Version: m.Version, Generation: m.Generation, Status: m.Status,
		Lag: m.EventsTotal - m.EventsApplied, LagSeconds: m.LagSeconds, Stopped: []stoppedStatus{},
		Outdated: m.Outdated, Coverage: coverageOf(m.Coverage),
	}
	for _, f := range m.Failures {
		row.Stopped = append(row.Stopped, stoppedStatus{f.User, int64(f.Position), string(f.Type), f.Error, f.FirstFailed})
	}
	return row
}

func printStatus(w io.Writer, s statusJSON) error {
	var b strings.Builder
	fmt.Fprintln(&b, "SERVER\tUSER\tNAME\tSTATE\tLAST SYNC\tEMAILS\tCOVERAGE\tLIVE\tERROR")
	for _, r := range s.Servers {
		last, fault, state := "never", "", r.State
		if r.OAuthStatus != nil && *r.OAuthStatus == commands.GrantPending {
			state = "needs sign-in"
		}
		if r.LastSync != nil {
			last = r.LastSync.Format(time.RFC3339)
		}
		if r.LastError != nil {
			fault = *r.LastError
		}
		fmt.Fprintf(&b, "%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", r.ID, r.User, r.Name, state, last, r.Messages, r.Coverage, r.Watch, fault)
	}
	fmt.Fprintln(&b, "\nREAD MODEL\tGENERATION\tSTATUS\tLAG\tSECONDS")
	for _, m := range s.Projections {
		fmt.Fprintf(&b, "%s\t%d\t%s\t%d\t%.1f\n", m.Name, m.Generation, m.Status, m.Lag, m.LagSeconds)
		if m.Outdated {
			fmt.Fprintf(&b, "  outdated: messages were read by an earlier parser, imap2api rebuild %s reads them again\n", m.Name)
		}
		for _, f := range m.Stopped {
			fmt.Fprintf(&b, "  stopped: %s at %d (%s) since %s: %s\n", f.User, f.Position, f.Type, f.Since.Format(time.RFC3339), f.Error)
		}
	}
	printHooks(&b, s.Webhooks)
	printCoverage(&b, s.Projections)
	fmt.Fprintf(&b, "\n%s\n", s.Search)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	if _, err := io.WriteString(t, b.String()); err != nil {
		return err
	}
	return t.Flush()
}
