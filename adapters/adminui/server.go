package adminui

import (
	"errors"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// serverPage is one IMAP server and how its syncs go.
type serverPage struct {
	Account queries.Account
	Folders []queries.Folder
	Runs    []queries.SyncRun
	Current *queries.SyncRun // nil: none waits or goes on
	Percent int
	Totals  queries.Folder // sums of Folders
	Advice  string
	Rates   chart
	Cover   *queries.AccountCoverage // nil: not checked yet
}

// shownRuns is how many runs a page shows.
const shownRuns = 20

func (u *ui) runs(r *request, acc domain.AccountID) ([]queries.SyncRun, error) {
	list, err := u.app.ListSyncRuns(r.Context(), queries.ListSyncRuns{Journal: r.who.Journal, Account: acc, Paging: queries.Paging{Size: shownRuns, ByCursor: true}})
	return list.Items, err
}

// oneServer shows a server; for htmx only the part that changes while a sync goes on.
func (u *ui) oneServer(r *request) error {
	acc, err := u.account(r)
	if err != nil {
		return err
	}
	p := serverPage{Account: acc}
	if p.Runs, err = u.runs(r, acc.ID); err != nil {
		return err
	}
	if p.Folders, err = u.app.AccountFolders(r.Context(), queries.AccountFolders{Journal: r.who.Journal, Account: acc.ID}); err != nil {
		return err
	}
	cover, err := u.app.AccountCoverage(r.Context(), queries.GetAccountCoverage{Journal: r.who.Journal, Account: acc.ID})
	switch {
	case err == nil:
		p.Cover = &cover
	case !errors.Is(err, domain.ErrNotFound):
		return err
	}
	p.sum()
	if r.live() {
		return u.part(r, "server", "progress", p)
	}
	return u.show(r, "server", page{Title: acc.Settings.Name, Nav: "servers", Data: p})
}

func (p *serverPage) sum() {
	for _, f := range p.Folders {
		p.Totals.Messages += f.Messages
		p.Totals.Unseen += f.Unseen
		p.Totals.Size += f.Size
	}
	if len(p.Runs) == 0 {
		return
	}
	last := p.Runs[0]
	switch {
	case last.Status == "queued" || last.Status == "running":
		p.Current = &p.Runs[0]
		if last.Progress.MessagesTotal > 0 {
			p.Percent = 100 * last.Progress.MessagesDone / last.Progress.MessagesTotal
		}
	case last.Error != nil:
		p.Advice = advice[last.Error.Code]
	}
	received := make([]int, len(p.Runs))
	for i, run := range p.Runs {
		received[len(p.Runs)-1-i] = run.Received + run.FlagsChanged + run.Moved + run.Deleted
	}
	p.Rates = barChart("Changes per sync", received, func(i int) string { return plural(len(received)-1-i, "sync", "syncs") + " ago" })
	p.Rates.First, p.Rates.Last = plural(len(received), "sync", "syncs")+" ago", "last"
}

// MailboxStatus returns what the run that goes on, or the last one, says of a folder.
func (p serverPage) MailboxStatus(name domain.MailboxName) string {
	if p.Current == nil {
		return ""
	}
	if p.Current.Progress.Current == name {
		return "running"
	}
	for _, m := range p.Current.Mailboxes {
		if m.Name == string(name) {
			return m.Status
		}
	}
	return "pending"
}

// Took is how long a run took, as text; "" while it goes on.
func (serverPage) Took(run queries.SyncRun) string {
	if run.Started == nil || run.Ended == nil {
		return ""
	}
	return spanOf(run.Ended.Sub(*run.Started))
}
