package main

import (
	"context"
	"log/slog"
	"time"
)

// eraser takes the content of erased accounts and users out, beside, at start,
// when asked and now and then: what could not be finished is gone on with.
type eraser struct {
	erase func(context.Context) error
	soon  chan struct{}
	log   *slog.Logger
}

func newEraser(erase func(context.Context) error, log *slog.Logger) *eraser {
	return &eraser{erase: erase, soon: make(chan struct{}, 1), log: log}
}

// EraseSoon asks for it.
func (e *eraser) EraseSoon() {
	select {
	case e.soon <- struct{}{}:
	default:
	}
}

// run works until ctx ends.
func (e *eraser) run(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		if err := e.erase(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("erase content", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-e.soon:
		case <-tick.C:
		}
	}
}
