package adminui

import (
	"slices"
	"time"

	"github.com/imap2api/imap2api/queries"
)

// chartDays is how many days the dashboard looks back.
const chartDays = 42

// dashboardPage is what the first page shows.
type dashboardPage struct {
	Statistics queries.Statistics
	Activity   queries.Activity
	Days       chart
	Traffic    chart
	Accounts   []queries.Account
	Health     []check
	Position   int64
	Top        int // messages of the most frequent sender
	Largest    int // of the largest folder
	Live       live
}

// check is a thing that is checked, and a word for how it is.
type check struct{ Name, State string }

// live are the newest emails, which the page asks for again by itself.
type live struct {
	Newest []queries.Message
	After  int64 // position up to which they are
}

func (u *ui) dashboard(r *request) error {
	if r.live() {
		return u.liveMail(r)
	}
	ctx, j := r.Context(), r.who.Journal
	accounts, err := u.app.ListAccounts(ctx, queries.ListAccounts{Journal: j, Paging: queries.Paging{Size: 100, Number: 1}})
	if err != nil {
		return err
	}
	if accounts.Count == 0 {
		return u.show(r, "welcome", page{Title: "Welcome", Nav: "overview"})
	}
	d := dashboardPage{Accounts: accounts.Items}
	if d.Statistics, err = u.app.GetStatistics(ctx, queries.GetStatistics{Journal: j}); err != nil {
		return err
	}
	now := u.opts.Now()
	d.Activity, err = u.app.GetActivity(ctx, queries.GetActivity{Journal: j, Since: now.AddDate(0, 0, -chartDays), Until: now.Add(24 * time.Hour), Senders: 8})
	if err != nil {
		return err
	}
	d.Days = days(d.Activity.Days, now, chartDays)
	for _, s := range d.Activity.Senders {
		d.Top = max(d.Top, s.Messages)
	}
	if len(d.Statistics.Folders) > 0 {
		d.Largest = d.Statistics.Folders[0].Messages
	}
	traffic := u.app.Traffic()
	d.Traffic = barChart("API requests per minute", traffic, func(i int) string { return plural(len(traffic)-1-i, "minute", "minutes") + " ago" })
	d.Traffic.First, d.Traffic.Last = "an hour ago", "now"
	for name, state := range u.app.Ready(ctx) {
		d.Health = append(d.Health, check{name, state})
	}
	slices.SortFunc(d.Health, func(a, b check) int { return len(a.Name) - len(b.Name) })
	if d.Live, err = u.newest(r); err != nil {
		return err
	}
	return u.show(r, "dashboard", page{Title: "Overview", Nav: "overview", Data: d})
}

// newest returns the newest emails and the position they are of.
func (u *ui) newest(r *request) (live, error) {
	ctx, j := r.Context(), r.who.Journal
	pos, err := u.app.GetPositions(ctx, queries.GetPositions{Journal: j})
	if err != nil {
		return live{}, err
	}
	list, err := u.app.ListMessages(ctx, queries.ListMessages{
		MessageFilter: queries.MessageFilter{Journal: j}, Order: []queries.Order{{Field: "received_at", Desc: true}},
		Paging: queries.Paging{Size: 7, ByCursor: true},
	})
	return live{list.Items, int64(pos.Read)}, err
}

// liveMail answers with the newest emails as soon as there is something new, or after a while.
func (u *ui) liveMail(r *request) error {
	u.await(r)
	l, err := u.newest(r)
	if err != nil {
		return err
	}
	return u.part(r, "dashboard", "newest", l)
}
