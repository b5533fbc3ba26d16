package httpapi

import (
	"net/http"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// accountCoverageJSON says what became of the messages of an IMAP server (api.md 10.13).
type accountCoverageJSON struct {
	IMAPServer domain.AccountID `json:"imap_server"`
	Status     string           `json:"status"`
	CheckedAt  public.Timestamp `json:"checked_at"`
	Position   events.Position  `json:"position"`
	countsJSON
	Folders    []folderCoverageJSON    `json:"folders"`
	Exceptions []coverageExceptionJSON `json:"exceptions"`
}

// countsJSON is how many messages there are of each kind; server_messages is the sum of the others.
type countsJSON struct {
	OnServer    int `json:"server_messages"`
	Stored      int `json:"stored"`
	Excluded    int `json:"excluded"`
	Quarantined int `json:"quarantined"`
	Erased      int `json:"erased"`
	Missing     int `json:"missing"`
}

type folderCoverageJSON struct {
	Name        domain.MailboxName `json:"name"`
	Status      string             `json:"status"`
	CheckedAt   public.Timestamp   `json:"checked_at"`
	UIDValidity domain.UIDValidity `json:"uid_validity"`
	UIDNext     domain.UID         `json:"uid_next"`
	countsJSON
}

type coverageExceptionJSON struct {
	Folder        domain.MailboxName `json:"folder"`
	Kind          string             `json:"kind"`
	Reason        string             `json:"reason"`
	Message       string             `json:"message"`
	Count         int                `json:"count"`
	UIDs          string             `json:"uids"`
	LastError     *string            `json:"last_error"`
	NextAttemptAt *public.Timestamp  `json:"next_attempt_at"`
}

func accountCoverageOf(c queries.AccountCoverage) accountCoverageJSON {
	out := accountCoverageJSON{
		IMAPServer: c.Account, Status: c.Status, CheckedAt: public.Stamp(c.CheckedAt), Position: c.Position,
		countsJSON: countsJSON(c.CoverageCounts),
		Folders:    make([]folderCoverageJSON, len(c.Mailboxes)), Exceptions: make([]coverageExceptionJSON, len(c.Exceptions)),
	}
	for i, m := range c.Mailboxes {
		out.Folders[i] = folderCoverageJSON{
			m.Name, m.Status, public.Stamp(m.CheckedAt), m.UIDValidity, m.UIDNext, countsJSON(m.CoverageCounts),
		}
	}
	for i, e := range c.Exceptions {
		out.Exceptions[i] = coverageExceptionJSON{
			e.Mailbox, e.Kind, e.Reason, e.Message, e.Count, e.UIDs, textOrNil(e.LastError), public.StampOrNil(e.NextAt),
		}
	}
	return out
}

func (a *api) serverCoverage(r *request) (response, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	coverage, err := a.app.AccountCoverage(r.Context(), queries.GetAccountCoverage{
		Journal: r.who.Journal, Account: acc.ID, Mailbox: domain.MailboxName(r.get("folder")),
	})
	if err != nil {
		return response{}, err
	}
	return response{body: accountCoverageOf(coverage)}, nil
}

func (a *api) checkCoverage(r *request) (response, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	out, err := a.app.CheckCoverage(r.Context(), commands.CheckCoverage{Journal: r.who.Journal, Meta: r.meta(), Account: acc.ID})
	if err != nil {
		return response{}, err
	}
	run, err := a.app.GetSyncRun(r.Context(), queries.GetSyncRun{Journal: r.who.Journal, Account: acc.ID, ID: out.Sync})
	if err != nil {
		return response{}, err
	}
	return response{
		status: http.StatusAccepted, body: a.syncRunOf(run), location: r.link("imap-servers/", int64(acc.ID), "/syncs/", int64(out.Sync), "/"),
	}, nil
}
