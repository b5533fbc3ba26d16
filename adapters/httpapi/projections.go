package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// projectionJSON is the state of a read model (api.md 10.10).
type projectionJSON struct {
	Name              string             `json:"name"`
	Version           int                `json:"version"`
	Generation        int                `json:"generation"`
	Status            string             `json:"status"`
	Journals          int                `json:"journals"`
	JournalsBehind    int                `json:"journals_behind"`
	JournalsFailed    int                `json:"journals_failed"`
	EventsTotal       int64              `json:"events_total"`
	EventsApplied     int64              `json:"events_applied"`
	LagEvents         int64              `json:"lag_events"`
	LagSeconds        seconds            `json:"lag_seconds"`
	Rebuild           *rebuildJSON       `json:"rebuild"`
	RollbackAvailable bool               `json:"rollback_available"`
	Failures          []failureJSON      `json:"failures"`
	UpdatedAt         public.Timestamp   `json:"updated_at"`
	Coverage          *modelCoverageJSON `json:"coverage"`
	Outdated          bool               `json:"outdated"` // messages were read by another parser: a rebuild mends it
}

type rebuildJSON struct {
	Generation    int              `json:"generation"`
	EventsApplied int64            `json:"events_applied"`
	Percent       int              `json:"percent"`
	StartedAt     public.Timestamp `json:"started_at"`
	LastError     *string          `json:"last_error"`
}

type failureJSON struct {
	User          string           `json:"user"`
	Position      position         `json:"position"`
	Type          string           `json:"type"`
	Error         string           `json:"error"`
	Attempts      int              `json:"attempts"`
	FirstFailedAt public.Timestamp `json:"first_failed_at"`
	NextRetryAt   public.Timestamp `json:"next_retry_at"`
}

// seconds is a duration with one digit after the point.
type seconds float64

// MarshalJSON writes 0.0 and 41.2.
func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(s), 'f', 1, 64), nil
}

func projectionOf(m queries.Model) projectionJSON {
	out := projectionJSON{
		Name: m.Name, Version: m.Version, Generation: m.Generation, Status: m.Status,
		Journals: m.Journals, JournalsBehind: m.JournalsBehind, JournalsFailed: m.JournalsFailed,
		EventsTotal: m.EventsTotal, EventsApplied: m.EventsApplied, LagEvents: max(0, m.EventsTotal-m.EventsApplied),
		LagSeconds: seconds(m.LagSeconds), RollbackAvailable: m.RollbackAvailable,
		Failures: make([]failureJSON, len(m.Failures)), UpdatedAt: public.Stamp(m.UpdatedAt),
		Coverage: modelCoverageOf(m.Coverage), Outdated: m.Outdated,
	}
	if b := m.Rebuild; b != nil {
		out.Rebuild = &rebuildJSON{b.Generation, b.EventsApplied, b.Percent, public.Stamp(b.StartedAt), textOrNil(b.LastError)}
	}
	for i, f := range m.Failures {
		out.Failures[i] = failureJSON{
			f.User, f.Position, public.TypeOf(f.Type), f.Error, f.Attempts,
			public.Stamp(f.FirstFailed.Round(time.Microsecond)), public.Stamp(f.NextRetry.Round(time.Microsecond)),
		}
	}
	return out
}

func (a *api) listProjections(r *request) (response, error) {
	models, err := a.app.ListModels(r.Context(), queries.ListModels{Coverage: true})
	if err != nil {
		return response{}, err
	}
	out := make([]projectionJSON, len(models))
	for i, m := range models {
		out[i] = projectionOf(m)
	}
	return response{body: out}, nil
}

func (a *api) getProjection(r *request) (response, error) {
	m, err := a.app.GetModel(r.Context(), queries.GetModel{Name: r.params.URLParam("name"), Coverage: true})
	if err != nil {
		return response{}, err
	}
	return response{body: projectionOf(m)}, nil
}

func (a *api) rebuildProjection(r *request) (response, error) {
	_, err := a.app.RebuildModel(r.Context(), commands.RebuildModel{Meta: r.meta(), Name: r.params.URLParam("name")})
	if errors.Is(err, domain.ErrConflict) {
		return response{}, conflict("A rebuild is already running.")
	}
	return a.acceptedProjection(r, err)
}

func (a *api) rollBackProjection(r *request) (response, error) {
	_, err := a.app.RollBackModel(r.Context(), commands.RollBackModel{Meta: r.meta(), Name: r.params.URLParam("name")})
	if errors.Is(err, domain.ErrConflict) {
		return response{}, conflict("There is no earlier generation.")
	}
	return a.acceptedProjection(r, err)
}

// acceptedProjection answers what has begun with the state of the read model.
func (a *api) acceptedProjection(r *request, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	res, err := a.getProjection(r)
	res.status = http.StatusAccepted
	return res, err
}
