package commands

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/events"
)

// ModelKeeper keeps the read models.
type ModelKeeper interface {
	// RequestRebuild has a read model built anew from the log, beside the live one, and made live
	// when it agrees with it; that is recorded then, with who asked. It goes on after a restart. It returns
	// domain.ErrNotFound for an unknown name and domain.ErrConflict if one is being built.
	RequestRebuild(ctx context.Context, name string, asked events.Meta) error
	// RollBackModel makes the kept generation of a read model the live one again, records that, and
	// returns its number. It returns domain.ErrNotFound and, if none is kept, domain.ErrConflict.
	RollBackModel(ctx context.Context, name string, asked events.Meta) (int, error)
}

// RebuildModel asks for a read model to be built anew.
type RebuildModel struct {
	Meta events.Meta
	Name string
}

// RebuildModelHandler carries out RebuildModel.
type RebuildModelHandler struct{ models ModelKeeper }

// NewRebuildModel returns the handler.
func NewRebuildModel(models ModelKeeper) *RebuildModelHandler { return &RebuildModelHandler{models} }

// Handle begins, and returns cmd.Name. It returns the errors of ModelKeeper.RequestRebuild.
func (h *RebuildModelHandler) Handle(ctx context.Context, cmd RebuildModel) (string, error) {
	if err := h.models.RequestRebuild(ctx, cmd.Name, cmd.Meta); err != nil {
		return "", fmt.Errorf("rebuild %s: %w", cmd.Name, err)
	}
	return cmd.Name, nil
}

// RollBackModel asks for the generation of a read model that was live before.
type RollBackModel struct {
	Meta events.Meta
	Name string
}

// RollBackModelHandler carries out RollBackModel.
type RollBackModelHandler struct{ models ModelKeeper }

// NewRollBackModel returns the handler.
func NewRollBackModel(models ModelKeeper) *RollBackModelHandler { return &RollBackModelHandler{models} }

// Handle returns the number of the generation. It returns the errors of ModelKeeper.RollBackModel.
func (h *RollBackModelHandler) Handle(ctx context.Context, cmd RollBackModel) (int, error) {
	generation, err := h.models.RollBackModel(ctx, cmd.Name, cmd.Meta)
	if err != nil {
		return 0, fmt.Errorf("roll back %s: %w", cmd.Name, err)
	}
	return generation, nil
}
