package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/queries"
)

const (
	coverageEvery = time.Minute     // read models are compared with the journals
	coverageSoon  = 5 * time.Second // again, where one lagged or another process was at it
	coverageShare = 50              // comparing takes at most one in so many parts of the time
	statusWithin  = 5 * time.Second // status compares as much as this allows, and tells the rest as it was found before
)

// coverage says which read models have a row for each email.
func (s *system) coverage() eventlog.CoverageOptions {
	return eventlog.CoverageOptions{
		Tasks: s.tasks,
		Rows: map[string]eventlog.MessageRows{
			"mail":       {Table: "message", Threads: true},
			searchModel:  {Table: "document"},
			historyModel: {Table: "present", Threads: true},
		},
	}
}

// keepCoverage compares read models with the journals now and then, and repairs what differs.
func (s *system) keepCoverage(ctx context.Context) {
	opts := s.coverage()
	opts.Repair = true
	for {
		begun := time.Now()
		done, err := s.events.CheckCoverage(ctx, opts)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("read models are not compared with the journals", slog.Any("err", err))
		}
		s.metrics.coverage.repairs(done.Gaps)
		pause := coverageEvery
		if done.Lags || done.Elsewhere {
			pause = coverageSoon
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pause, coverageShare*time.Since(begun))):
		}
	}
}

// compareNow compares as much as a person waits for. Nothing is repaired.
func (s *system) compareNow(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	if _, err := s.events.CheckCoverage(within, s.coverage()); err != nil && within.Err() == nil {
		s.log.Warn("read models are not compared with the journals", slog.Any("err", err))
	}
}

// coverageStatus is what `status` tells of a read model with a row for each email.
type coverageStatus struct {
	Status    string    `json:"status"`
	Percent   float64   `json:"percent"`
	CheckedAt time.Time `json:"checked_at"`
	Emails    int64     `json:"emails"`
	gapStatus
	Servers []serverCoverage `json:"servers"`
}

type gapStatus struct {
	Pending    int64      `json:"pending"`
	Missing    int64      `json:"missing"`
	Surplus    int64      `json:"surplus"`
	Altered    int64      `json:"altered"`
	Repaired   int64      `json:"repaired"`
	RepairedAt *time.Time `json:"repaired_at"`
}

type serverCoverage struct {
	ID        int64       `json:"id"`
	User      string      `json:"user"`
	CheckedAt time.Time   `json:"checked_at"`
	Journal   emailStatus `json:"journal"`
	ReadModel emailStatus `json:"read_model"`
	gapStatus
}

type emailStatus struct {
	Emails   int64  `json:"emails"`
	Checksum string `json:"checksum"`
}

func coverageOf(c *queries.Coverage) *coverageStatus {
	if c == nil {
		return nil
	}
	out := &coverageStatus{
		Status: c.Status(), Percent: c.Percent(), CheckedAt: c.CheckedAt, Emails: c.Emails,
		gapStatus: gapOf(c.CoverageGap, c.Repaired, c.RepairedAt), Servers: []serverCoverage{},
	}
	for _, s := range c.Servers {
		out.Servers = append(out.Servers, serverCoverage{
			ID: int64(s.Account), User: s.User, CheckedAt: s.CheckedAt,
			Journal:   emailStatus{s.Known.Emails, fmt.Sprintf("%016x", s.Known.Checksum)},
			ReadModel: emailStatus{s.Held.Emails, fmt.Sprintf("%016x", s.Held.Checksum)},
			gapStatus: gapOf(s.CoverageGap, s.Repaired, s.RepairedAt),
		})
	}
	return out
}

func gapOf(g queries.CoverageGap, repaired int64, at *time.Time) gapStatus {
	return gapStatus{g.Pending, g.Missing, g.Surplus, g.Altered, repaired, at}
}

// printCoverage adds a line for each read model that has a row for each email, and one for each
// server in it.
func printCoverage(b *strings.Builder, models []modelStatus) {
	var rows strings.Builder
	fmt.Fprintln(b, "\nCOVERAGE")
	fmt.Fprintln(&rows, "\nREAD MODEL\tSERVER\tUSER\tJOURNAL\tROWS\tCHECKSUMS\tPENDING\tMISSING\tSURPLUS\tALTERED\tREPAIRED\tCHECKED")
	for _, m := range models {
		c := m.Coverage
		if c == nil {
			continue
		}
		fmt.Fprintf(b, "%s: %s, %v %% of %d emails\n", m.Name, c.Status, c.Percent, c.Emails)
		for _, s := range c.Servers {
			checksums := "equal"
			if s.Journal.Checksum != s.ReadModel.Checksum {
				checksums = s.Journal.Checksum + " " + s.ReadModel.Checksum
			}
			fmt.Fprintf(&rows, "%s\t%d\t%s\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", m.Name, s.ID, s.User, s.Journal.Emails, s.ReadModel.Emails,
				checksums, s.Pending, s.Missing, s.Surplus, s.Altered, s.Repaired, s.CheckedAt.Format(time.RFC3339))
		}
	}
	b.WriteString(rows.String())
}
