package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// maxSyncWait is the longest that a request may wait for the end of a sync.
const maxSyncWait = 600

// syncJSON is the answer to a sync that ended well or goes on, exactly (api.md D1).
type syncJSON struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// syncErrorJSON is the answer to a sync that failed.
type syncErrorJSON struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Detail  string `json:"detail"`
}

func (a *api) syncNow(r *request) (response, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	wait, err := a.syncWait(r)
	if err != nil {
		return response{}, err
	}
	out, err := a.app.RequestSync(r.Context(), commands.RequestSync{
		Journal: r.who.Journal, Meta: r.meta(), Account: acc.ID, Cause: "request", Wait: wait,
	})
	if err != nil {
		return response{}, err
	}
	location := r.link("imap-servers/", int64(acc.ID), "/syncs/", int64(out.Sync), "/")
	if out.Status == "running" {
		return response{status: http.StatusAccepted, location: location, body: syncJSON{"running", "Email sync in progress"}}, nil
	}
	if err := a.settleAll(r); err != nil {
		return response{}, err
	}
	return syncEnded(r, out, location)
}

// syncEnded returns the answer for a run that has ended.
func syncEnded(r *request, out commands.SyncOutcome, location string) (response, error) {
	reason, status := "The sync failed.", http.StatusBadGateway
	switch out.Status {
	case "success", "partial":
		return response{location: location, body: syncJSON{"success", "Email sync completed"}, plain: true}, nil
	case "cancelled":
		r.w.Header().Set("Location", location)
		return response{}, conflict("The sync was cancelled.")
	case "interrupted":
		reason = "The sync was interrupted."
	}
	if out.Error != nil {
		reason = out.Error.Message
		if out.Error.Code == commands.CodeTimeout {
			status = http.StatusGatewayTimeout
		}
	}
	return response{status: status, location: location, body: syncErrorJSON{"error", reason, reason}}, nil
}

// syncWait reads how long to wait: wait, a boolean or seconds, or Prefer (RFC 7240).
func (a *api) syncWait(r *request) (time.Duration, error) {
	text := r.get("wait")
	if text == "" {
		for _, line := range r.Header.Values("Prefer") {
			if accepts(line, "respond-async") {
				return 0, nil
			}
		}
		return a.opts.SyncWait, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if fault := outside(seconds, 0, maxSyncWait); fault != "" {
			return 0, invalid("wait", fault)
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	wait, ok := parseBool(text)
	switch {
	case !ok:
		return 0, invalid("wait", msgBoolean)
	case wait:
		return a.opts.SyncWait, nil
	}
	return 0, nil
}

// settleAll waits until all that is recorded by now can be read.
func (a *api) settleAll(r *request) error {
	pos, err := a.app.GetPositions(r.Context(), queries.GetPositions{Journal: r.who.Journal})
	if err != nil {
		return err
	}
	a.settle(r, pos.Latest)
	return nil
}

// runOfPath returns the sync run that the path names. It returns domain.ErrNotFound.
func (a *api) runOfPath(r *request) (queries.SyncRun, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return queries.SyncRun{}, err
	}
	id, err := r.pathID("sync_id")
	if err != nil {
		return queries.SyncRun{}, err
	}
	return a.app.GetSyncRun(r.Context(), queries.GetSyncRun{Journal: r.who.Journal, Account: acc.ID, ID: domain.SyncID(id)})
}

func (a *api) getSync(r *request) (response, error) {
	run, err := a.runOfPath(r)
	if err != nil {
		return response{}, err
	}
	return response{body: a.syncRunOf(run)}, nil
}

func (a *api) syncStatus(r *request) (response, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	run, err := a.app.GetSyncRun(r.Context(), queries.GetSyncRun{Journal: r.who.Journal, Account: acc.ID})
	if err != nil {
		return response{}, err
	}
	return response{body: a.syncRunOf(run)}, nil
}

func (a *api) listSyncs(r *request) (response, error) {
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	f := filters{r: r}
	q := queries.ListSyncRuns{
		Journal: r.who.Journal, Account: acc.ID,
		Status:  f.choice("status", "queued", "running", "success", "partial", "error", "cancelled", "interrupted"),
		Trigger: f.choice("trigger", "request", "schedule", "push", "created"),
	}
	if err := f.faults.err(); err != nil {
		return response{}, err
	}
	list := r.binding(fmt.Sprintf("syncs/%d", acc.ID))
	if q.Paging, err = r.paging(list); err != nil {
		return response{}, err
	}
	page, err := a.app.ListSyncRuns(r.Context(), q)
	if err != nil {
		return response{}, err
	}
	return listOfPage(r, q.Paging, list, page, a.syncRunOf), nil
}

func (a *api) cancelSync(r *request) (response, error) {
	run, err := a.runOfPath(r)
	if err != nil {
		return response{}, err
	}
	pos, err := a.app.CancelSync(r.Context(), commands.CancelSync{Journal: r.who.Journal, Account: run.Account, Sync: run.Sync})
	if errors.Is(err, domain.ErrConflict) {
		return response{}, conflict("The sync is already finished.")
	}
	if err != nil {
		return response{}, err
	}
	a.settle(r, pos)
	if run, err = a.runOfPath(r); err != nil {
		return response{}, err
	}
	return response{status: http.StatusAccepted, body: a.syncRunOf(run), position: pos}, nil
}
