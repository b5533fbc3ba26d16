package adminui

import (
	"errors"
	"strconv"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// moment is mail as it was after an event.
type moment struct {
	Position   events.Position // 0: none was chosen
	Latest     events.Position
	At         time.Time // of the event
	Statistics queries.Statistics
	Behind     bool // the history has not come that far yet
}

// readMoment returns mail as of the position that the slider was moved to.
func (u *ui) readMoment(r *request, f eventFilter, latest events.Position) (moment, error) {
	m := moment{Latest: latest}
	at, _ := strconv.ParseInt(r.URL.Query().Get("at"), 10, 64) // what is no number is not chosen
	if at <= 0 || f.System || latest == 0 {
		return m, nil
	}
	ctx, j := r.Context(), r.who.Journal
	m.Position = min(events.Position(at), latest)
	rec, err := u.app.GetEvent(ctx, queries.GetEvent{Journal: j, Position: m.Position})
	if err != nil {
		return m, err
	}
	m.At = rec.RecordedAt
	_, err = u.app.FindMoment(ctx, queries.FindMoment{Journal: j, Position: m.Position})
	if errors.Is(err, domain.ErrUnavailable) {
		m.Behind = true
		return m, nil
	}
	if err != nil {
		return m, err
	}
	q := queries.GetStatistics{Journal: j}
	if f.Server != 0 {
		q.Accounts = []domain.AccountID{domain.AccountID(f.Server)}
	}
	m.Statistics, err = u.app.StatisticsAsOf(m.Position)(ctx, q)
	return m, err
}

// oneMoment answers with mail as it was, while the slider moves.
func (u *ui) oneMoment(r *request) error {
	positions, err := u.app.GetPositions(r.Context(), queries.GetPositions{Journal: r.who.Journal})
	if err != nil {
		return err
	}
	m, err := u.readMoment(r, readEventFilter(r), positions.Latest)
	if err != nil {
		return err
	}
	return u.part(r, "events", "was", m)
}
