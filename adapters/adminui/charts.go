package adminui

import (
	"fmt"
	"time"

	"github.com/imap2api/imap2api/queries"
)

// bar is a bar of a chart, in the units of its drawing.
type bar struct {
	X, Y, W, H float64
	Label      string
}

// chart is a drawing of bars with a word at each end.
type chart struct {
	Title       string
	Width       int
	Height      int
	Bars        []bar
	First, Last string
	Most        int
}

const (
	chartWidth  = 600
	chartHeight = 96
)

// barChart draws numbers; label names the i-th.
func barChart(title string, values []int, label func(i int) string) chart {
	c := chart{Title: title, Width: chartWidth, Height: chartHeight}
	for _, v := range values {
		c.Most = max(c.Most, v)
	}
	step := float64(chartWidth) / float64(max(1, len(values)))
	for i, v := range values {
		h := float64(v) / float64(max(1, c.Most)) * (chartHeight - 4)
		if v > 0 {
			h = max(h, 2)
		}
		c.Bars = append(c.Bars, bar{float64(i) * step, chartHeight - h, step * 0.72, h, fmt.Sprintf("%s: %s", label(i), grouped(v))})
	}
	return c
}

// days counts mail by day, those without mail too; the last is that of now.
func days(counts []queries.DayCount, now time.Time, n int) chart {
	byDay := map[string]int{}
	for _, d := range counts {
		byDay[d.Day.Format("20060102")] = d.Messages
	}
	today := now.UTC().Truncate(24 * time.Hour)
	values := make([]int, n)
	day := func(i int) time.Time { return today.AddDate(0, 0, i-n+1) }
	for i := range values {
		values[i] = byDay[day(i).Format("20060102")]
	}
	c := barChart("Emails per day", values, func(i int) string { return day(i).Format("2 Jan") })
	c.First, c.Last = day(0).Format("2 Jan"), "today"
	return c
}
