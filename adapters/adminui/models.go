package adminui

import (
	"github.com/go-chi/chi/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/queries"
)

// modelRow is a read model as the page shows it.
type modelRow struct {
	queries.Model
	Lag  int64   // events
	Rate float64 // events per second of the rebuild
}

func (u *ui) listModels(r *request) error {
	models, err := u.app.ListModels(r.Context(), queries.ListModels{Coverage: true})
	if err != nil {
		return err
	}
	rows := make([]modelRow, len(models))
	for i, m := range models {
		rows[i] = modelRow{Model: m, Lag: m.EventsTotal - m.EventsApplied}
		if b := m.Rebuild; b != nil {
			if took := u.opts.Now().Sub(b.StartedAt).Seconds(); took > 0 {
				rows[i].Rate = float64(b.EventsApplied) / took
			}
		}
	}
	if r.live() {
		return u.part(r, "models", "models", rows)
	}
	return u.show(r, "models", page{Title: "Read models", Nav: "models", Data: rows})
}

func (u *ui) rebuildModel(r *request) error {
	_, err := u.app.RebuildModel(r.Context(), commands.RebuildModel{Meta: r.meta(), Name: chi.URLParam(r.Request, "name")})
	if err != nil {
		return err
	}
	return u.redirect(r, "/models/?done=rebuild")
}

func (u *ui) rollBackModel(r *request) error {
	_, err := u.app.RollBackModel(r.Context(), commands.RollBackModel{Meta: r.meta(), Name: chi.URLParam(r.Request, "name")})
	if err != nil {
		return err
	}
	return u.redirect(r, "/models/?done=rolled-back")
}
