package main

import (
	"io"

	"github.com/schollz/progressbar/v3"
)

// bar is a progress bar on a terminal.
type bar struct {
	out *progressbar.ProgressBar
	max int
}

func newBar(w io.Writer, what string) *bar {
	return &bar{out: progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionClearOnFinish())}
}

// set shows done of total.
func (b *bar) set(done, total int) {
	if total != b.max && total > 0 {
		b.out.ChangeMax(total)
		b.max = total
	}
	_ = b.out.Set(min(done, max(total, 1))) // only a terminal that is gone fails
}

// finish takes the bar away.
func (b *bar) finish() { _ = b.out.Finish() }
