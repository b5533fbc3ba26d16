package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ListModels asks for the state of all read models.
type ListModels struct {
	Coverage bool // also how they compare with the journals
}

// Model is the state of a read model over all journals.
type Model struct {
	Name              string
	Version           int
	Generation        int    // the live one; 0: none yet
	Status            string // running, rebuilding, failed
	Journals          int
	JournalsBehind    int
	JournalsFailed    int
	EventsTotal       int64
	EventsApplied     int64
	LagSeconds        float64 // age of the oldest event that is not applied
	Rebuild           *ModelRebuild
	RollbackAvailable bool
	Outdated          bool           // messages were read by another parser than that of this program: a rebuild mends it
	Failures          []ModelFailure // the 100 oldest
	UpdatedAt         time.Time
	Coverage          *Coverage // nil: not asked for, not compared yet, or it has no rows of single emails
}

// ModelRebuild is a generation that is being built.
type ModelRebuild struct {
	Generation    int
	EventsApplied int64
	Percent       int
	StartedAt     time.Time
	LastError     string
}

// ModelFailure is an event that cannot be applied.
type ModelFailure struct {
	User        string
	Position    events.Position
	Type        events.Type
	Error       string
	Attempts    int
	FirstFailed time.Time
	NextRetry   time.Time
}

// ModelReader reads the state of read models.
type ModelReader interface {
	// Models returns the state of all read models that this program keeps, by name.
	Models(ctx context.Context) ([]Model, error)
	// Coverage returns how read models compare with the journals, by name; those that were not
	// compared yet, or have no rows of single emails, are left out.
	Coverage(ctx context.Context) (map[string]Coverage, error)
}

// ListModelsHandler answers ListModels and GetModel.
type ListModelsHandler struct{ models ModelReader }

// NewListModels returns the handler.
func NewListModels(models ModelReader) *ListModelsHandler { return &ListModelsHandler{models} }

// Handle answers q.
func (h *ListModelsHandler) Handle(ctx context.Context, q ListModels) ([]Model, error) {
	out, err := h.models.Models(ctx)
	if err != nil {
		return nil, fmt.Errorf("list read models: %w", err)
	}
	if !q.Coverage {
		return out, nil
	}
	coverage, err := h.models.Coverage(ctx)
	if err != nil {
		return nil, fmt.Errorf("compare read models: %w", err)
	}
	for i := range out {
		if c, ok := coverage[out[i].Name]; ok {
			out[i].Coverage = &c
		}
	}
	return out, nil
}

// GetModel asks for one read model.
type GetModel struct {
	Name     string
	Coverage bool // also how it compares with the journals
}

// Get answers q. It returns domain.ErrNotFound.
func (h *ListModelsHandler) Get(ctx context.Context, q GetModel) (Model, error) {
	all, err := h.Handle(ctx, ListModels{Coverage: q.Coverage})
	if err != nil {
		return Model{}, err
	}
	for _, m := range all {
		if m.Name == q.Name {
			return m, nil
		}
	}
	return Model{}, fmt.Errorf("read model %q: %w", q.Name, domain.ErrNotFound)
}
