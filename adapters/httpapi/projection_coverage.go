package httpapi

import (
	"fmt"

	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// modelCoverageJSON says how a read model with a row for each email compares with the
// journals: an extension of api.md 10.10.
type modelCoverageJSON struct {
	Status    string           `json:"status"`
	Percent   float64          `json:"percent"`
	CheckedAt public.Timestamp `json:"checked_at"`
	Emails    int64            `json:"emails"`
	gapJSON
	Servers []serverCoverageJSON `json:"servers"`
}

type gapJSON struct {
	Pending    int64             `json:"pending"`
	Missing    int64             `json:"missing"`
	Surplus    int64             `json:"surplus"`
	Altered    int64             `json:"altered"`
	Repaired   int64             `json:"repaired"`
	RepairedAt *public.Timestamp `json:"repaired_at"`
}

type serverCoverageJSON struct {
	IMAPServer *int64           `json:"imap_server"`
	User       string           `json:"user"`
	Generation int              `json:"generation"`
	Position   position         `json:"position"`
	CheckedAt  public.Timestamp `json:"checked_at"`
	Journal    emailSetJSON     `json:"journal"`
	ReadModel  emailSetJSON     `json:"read_model"`
	gapJSON
}

type emailSetJSON struct {
	Emails   int64  `json:"emails"`
	Checksum string `json:"checksum"`
}

func modelCoverageOf(c *queries.Coverage) *modelCoverageJSON {
	if c == nil {
		return nil
	}
	out := &modelCoverageJSON{
		Status: c.Status(), Percent: c.Percent(), CheckedAt: public.Stamp(c.CheckedAt), Emails: c.Emails,
		gapJSON: gapOf(c.CoverageGap, c.Repaired, public.StampOrNil(c.RepairedAt)),
		Servers: make([]serverCoverageJSON, len(c.Servers)),
	}
	for i, s := range c.Servers {
		one := serverCoverageJSON{
			User: s.User, Generation: s.Generation, Position: s.Position, CheckedAt: public.Stamp(s.CheckedAt),
			Journal: emailSetOf(s.Known), ReadModel: emailSetOf(s.Held), gapJSON: gapOf(s.CoverageGap, s.Repaired, public.StampOrNil(s.RepairedAt)),
		}
		if s.Account != 0 {
			one.IMAPServer = (*int64)(&s.Account)
		}
		out.Servers[i] = one
	}
	return out
}

func gapOf(g queries.CoverageGap, repaired int64, at *public.Timestamp) gapJSON {
	return gapJSON{g.Pending, g.Missing, g.Surplus, g.Altered, repaired, at}
}

func emailSetOf(s queries.EmailSet) emailSetJSON {
	return emailSetJSON{s.Emails, fmt.Sprintf("%016x", s.Checksum)}
}
