package queries

import (
	"math"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Coverage says how a read model with a row for each email compares with the journals, when
// they were last compared.
type Coverage struct {
	// CheckedAt is when the journal was compared that was compared longest ago.
	CheckedAt time.Time
	Emails    int64 // that the journals know
	Known     int64 // of these those that were compared: all but the pending ones
	Held      int64 // rows that they were compared with
	CoverageGap
	Differing  int64 // servers whose count or checksum differs
	Repaired   int64 // rows, since the servers were added
	RepairedAt *time.Time
	// Servers are at most 1,000, those with a gap first, then by journal and account.
	Servers []ServerCoverage
}

// CoverageGap counts emails whose rows are not as they should be.
type CoverageGap struct {
	Pending int64 // with events that the read model has yet to apply: not compared
	Missing int64 // known and without a row
	Surplus int64 // with a row and not known
	Altered int64 // with a row of other flags, or of another server
}

// EmailSet is the number of emails and an order-free checksum of them.
type EmailSet struct {
	Emails   int64
	Checksum uint64
}

// ServerCoverage is the part of one IMAP server. Known and Held leave pending emails out.
type ServerCoverage struct {
	Journal    events.JournalID
	User       string
	Account    domain.AccountID // 0: rows of which the journal knows no server
	Generation int
	Position   events.Position // that the read model had reached
	CheckedAt  time.Time
	Known      EmailSet // by the journal
	Held       EmailSet // by the read model
	CoverageGap
	Repaired   int64
	RepairedAt *time.Time
}

// Wrong returns how many rows are not as they should be.
func (g CoverageGap) Wrong() int64 { return g.Missing + g.Surplus + g.Altered }

// Status returns complete, pending (what was compared is complete) or incomplete.
func (c Coverage) Status() string {
	switch {
	case c.Wrong() > 0:
		return "incomplete"
	case c.Pending > 0:
		return "pending"
	}
	return "complete"
}

// Percent returns how many of the known emails have the row they should have, in hundredths of
// a percent rounded down: 100 only if all have.
func (c Coverage) Percent() float64 {
	if c.Emails == 0 {
		return 100
	}
	right := max(0, c.Emails-c.Pending-c.Missing-c.Altered)
	return math.Floor(float64(right)/float64(c.Emails)*10_000) / 100
}
