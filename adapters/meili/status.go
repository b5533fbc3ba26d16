package meili

import (
	"context"

	"github.com/meilisearch/meilisearch-go"
)

// Status is what a person wants to know of the server.
type Status struct {
	URL       string
	Available bool
	Error     string // why not; "" if it is
	Trouble   string // why what this process wrote last cannot be found; "" if it can
	Version   string
	Indexes   map[string]int64 // of this database: how many documents each holds
}

// Status asks the server, whatever became of earlier requests.
func (e *Engine) Status(ctx context.Context) Status {
	s := Status{URL: e.opts.URL, Indexes: map[string]int64{}}
	err := e.try(ctx, e.opts.RequestTimeout, func(ctx context.Context) error {
		_, err := e.service.HealthWithContext(ctx)
		return err
	})
	e.circuit.note(err)
	if err != nil {
		s.Error = err.Error()
		return s
	}
	// A key may be without the right to ask for it.
	if version, err := e.service.VersionWithContext(ctx); err == nil {
		s.Version = version.PkgVersion
	}
	names, err := e.indexes(ctx)
	for _, uid := range names {
		var stats *meilisearch.StatsIndex
		if err != nil {
			break
		}
		err = e.do(ctx, e.opts.RequestTimeout, "look at index "+uid, func(ctx context.Context) (err error) {
			stats, err = e.service.Index(uid).GetStatsWithContext(ctx, nil)
			return err
		})
		if err == nil {
			s.Indexes[uid] = max(0, stats.NumberOfDocuments-1) // one is the marker
		}
	}
	if err != nil && !isNotFound(err) {
		s.Error = err.Error()
		return s
	}
	s.Available = true
	e.circuit.mu.Lock()
	defer e.circuit.mu.Unlock()
	if e.circuit.trouble != nil {
		s.Trouble = e.circuit.trouble.Error()
	}
	return s
}
