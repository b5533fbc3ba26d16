package httpapi

import (
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// syncRunJSON is a sync run (api.md 10.2).
type syncRunJSON struct {
	ID             domain.SyncID     `json:"id"`
	IMAPServer     domain.AccountID  `json:"imap_server"`
	Trigger        string            `json:"trigger"`
	Status         string            `json:"status"`
	Initial        bool              `json:"initial"`
	QueuedAt       public.Timestamp  `json:"queued_at"`
	StartedAt      *public.Timestamp `json:"started_at"`
	FinishedAt     *public.Timestamp `json:"finished_at"`
	LastProgressAt *public.Timestamp `json:"last_progress_at"`
	Stalled        bool              `json:"stalled"`
	Progress       progressJSON      `json:"progress"`
	Result         syncResultJSON    `json:"result"`
	Folders        []folderRunJSON   `json:"folders"`
	Warnings       []string          `json:"warnings"`
	Error          *events.SyncError `json:"error"`
}

type progressJSON struct {
	FoldersTotal  int     `json:"folders_total"`
	FoldersDone   int     `json:"folders_done"`
	CurrentFolder *string `json:"current_folder"`
	MessagesTotal int     `json:"messages_total"`
	MessagesDone  int     `json:"messages_done"`
	Percent       int     `json:"percent"`
}

type syncResultJSON struct {
	Received     int   `json:"received"`
	FlagsChanged int   `json:"flags_changed"`
	Moved        int   `json:"moved"`
	Deleted      int   `json:"deleted"`
	Bytes        int64 `json:"bytes"`
}

// folderRunJSON is what a run did in one folder.
type folderRunJSON struct {
	Name         string            `json:"name"`
	Status       string            `json:"status"`
	Received     int               `json:"received"`
	FlagsChanged int               `json:"flags_changed"`
	Moved        int               `json:"moved"`
	Deleted      int               `json:"deleted"`
	Error        *events.SyncError `json:"error"`
}

func (a *api) syncRunOf(run queries.SyncRun) syncRunJSON {
	out := syncRunJSON{
		ID: run.Sync, IMAPServer: run.Account, Trigger: run.Trigger, Status: run.Status, Initial: run.Initial,
		QueuedAt: public.Stamp(run.QueuedAt), StartedAt: public.StampOrNil(run.Started), FinishedAt: public.StampOrNil(run.Ended),
		LastProgressAt: public.StampOrNil(run.LastProgress), Progress: progressOf(run),
		Result:   syncResultJSON{run.Received, run.FlagsChanged, run.Moved, run.Deleted, run.Bytes},
		Folders:  make([]folderRunJSON, len(run.Mailboxes)),
		Warnings: orEmpty(run.Warnings), Error: run.Error,
	}
	for i, m := range run.Mailboxes {
		out.Folders[i] = folderRunJSON(m)
	}
	last := run.LastProgress
	if last == nil {
		last = run.Started
	}
	out.Stalled = run.Status == "running" && last != nil && a.opts.Now().Sub(*last) > a.opts.StallAfter
	return out
}

// progressOf returns how far a run has come; one that has ended is told from its mailboxes.
func progressOf(run queries.SyncRun) progressJSON {
	out := countsOf(run.Progress)
	switch run.Status {
	case "queued", "running":
	default:
		out = progressJSON{FoldersTotal: run.Total, MessagesTotal: run.Received, MessagesDone: run.Received}
		out.FoldersDone = max(0, run.Total-unfinished(run.Mailboxes))
		if run.Status == "success" || run.Status == "partial" {
			out.FoldersDone, out.Percent = run.Total, 100
			return out
		}
	}
	out.Percent = percentOf(out, run.Status == "running")
	return out
}

func countsOf(p queries.SyncProgress) progressJSON {
	return progressJSON{
		FoldersTotal: p.MailboxesTotal, FoldersDone: p.MailboxesDone, CurrentFolder: textOrNil(string(p.Current)),
		MessagesTotal: p.MessagesTotal, MessagesDone: p.MessagesDone,
	}
}

// percentOf counts messages while a run goes on, folders else.
func percentOf(p progressJSON, running bool) int {
	switch {
	case p.MessagesTotal > 0 && running:
		return min(100, p.MessagesDone*100/p.MessagesTotal)
	case p.FoldersTotal > 0:
		return min(100, p.FoldersDone*100/p.FoldersTotal)
	}
	return 0
}

// unfinished counts the mailboxes that a run did not come to the end of.
func unfinished(results []events.MailboxResult) int {
	n := 0
	for _, m := range results {
		if m.Status == "running" || m.Status == "pending" {
			n++
		}
	}
	return n
}
