package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

func runRebuild(ctx context.Context, in *invocation) error {
	var (
		rollback, drop string
		force          bool
	)
	s, names, end, err := session(ctx, "rebuild", in, func(fs *flag.FlagSet) {
		fs.StringVar(&rollback, "rollback", "", "make the kept generation of a read model the live one again")
		fs.BoolVar(&force, "force", false, "make the new generation live also if it differs from the live one, which is kept")
		fs.StringVar(&drop, "drop", "", "remove the kept generation of a read model")
	})
	if err != nil {
		return err
	}
	defer end()
	tuneMemory()
	switch {
	case force && (rollback != "" || drop != ""):
		return usageError{errors.New("-force goes with neither -rollback nor -drop")}
	case rollback != "":
		return s.rollback(ctx, in, rollback)
	case drop != "":
		task, err := s.task(drop)
		if err != nil {
			return err
		}
		return task.Drop(ctx)
	}
	var tasks []projections.Task
	for _, name := range names {
		task, err := s.task(name)
		if err != nil {
			return err
		}
		tasks = append(tasks, task)
	}
	if len(tasks) == 0 {
		tasks = s.tasks
	}
	for _, task := range tasks {
		err := s.rebuild(ctx, in, task, force)
		if differs, ok := errors.AsType[*eventlog.DiffersError](err); ok {
			return fmt.Errorf("rebuild %s: %w; if verify finds generation %d damaged, imap2api rebuild -force %s puts the new one in its place and keeps it",
				task.Name, err, differs.Live, task.Name)
		}
		if err != nil {
			return fmt.Errorf("rebuild %s: %w", task.Name, err)
		}
	}
	return nil
}

// task returns the projection with a name.
func (s *system) task(name string) (projections.Task, error) {
	i := slices.IndexFunc(s.tasks, func(t projections.Task) bool { return t.Name == name })
	if i >= 0 {
		return s.tasks[i], nil
	}
	names := make([]string, len(s.tasks))
	for i, t := range s.tasks {
		names[i] = t.Name
	}
	return projections.Task{}, usageError{fmt.Errorf("there is no read model %q: %s", name, strings.Join(names, ", "))}
}

func (s *system) rebuild(ctx context.Context, in *invocation, task projections.Task, force bool) error {
	started := time.Now()
	gen, _, err := task.Request(ctx, commandLine())
	if err != nil {
		return err
	}
	show, done := context.WithCancel(ctx)
	var shown sync.WaitGroup
	if isTerminal(in.stderr) {
		shown.Go(func() { s.showRebuild(show, in, task.Name) })
	}
	gen, differs, err := s.build(ctx, task, gen, force)
	done()
	shown.Wait()
	if err != nil {
		return err
	}
	model, err := queries.NewListModels(s.events).Get(ctx, queries.GetModel{Name: task.Name})
	if err != nil {
		return err
	}
	if differs != nil {
		for _, d := range differs.Found {
			in.printf("%s: differs from generation %d, which is kept: %s\n", task.Name, differs.Live, d)
		}
	}
	took := time.Since(started)
	in.printf("%s: generation %d is live, %d events in %s, %.0f/s\n", task.Name, gen.Number, model.EventsApplied,
		took.Round(time.Millisecond), float64(model.EventsApplied)/took.Seconds())
	return nil
}

// build finishes a generation. Only force makes one live that differs from the live one.
func (s *system) build(ctx context.Context, task projections.Task, gen projections.Generation, force bool) (projections.Generation, *eventlog.DiffersError, error) {
	if force {
		return s.events.Replace(ctx, task, gen)
	}
	gen, err := s.events.Finish(ctx, task, gen)
	return gen, nil, err
}

func (s *system) rollback(ctx context.Context, in *invocation, name string) error {
	if _, err := s.task(name); err != nil {
		return err
	}
	generation, err := commands.NewRollBackModel(s.events).Handle(ctx, commands.RollBackModel{Meta: commandLine(), Name: name})
	if err != nil {
		return err
	}
	in.printf("%s: generation %d is live again\n", name, generation)
	return nil
}

// showRebuild draws a bar until ctx ends.
func (s *system) showRebuild(ctx context.Context, in *invocation, name string) {
	bar := newBar(in.stderr, name)
	defer bar.finish()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			model, err := queries.NewListModels(s.events).Get(ctx, queries.GetModel{Name: name})
			if err == nil && model.Rebuild != nil {
				bar.set(int(model.Rebuild.EventsApplied), int(model.EventsTotal))
			}
		}
	}
}
