package sampleserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// state is what a server remembers of earlier runs. All mail follows from it.
type state struct {
	Start   time.Time // the day the mail is dated from, at midnight UTC
	Runs    int
	Arrived []int64 // when letters have arrived since, in Unix seconds
}

// loadState reads the state; a new one begins today.
func loadState(file string, now time.Time) (state, error) {
	begin := state{Start: now.UTC().Truncate(24 * time.Hour)}
	if file == "" {
		return begin, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return begin, nil
	}
	if err != nil {
		return begin, fmt.Errorf("read state: %w", err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return begin, fmt.Errorf("read state %s: %w", file, err)
	}
	return s, nil
}

// save writes the state whole or not at all.
func (s state) save(file string) error {
	if file == "" {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	next := file + ".new"
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
