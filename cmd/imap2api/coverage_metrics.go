package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/queries"
)

// coverageMetrics are what /metrics shows of the comparison, summed up over all servers.
type coverageMetrics struct {
	emails, differing, checked, servers *prometheus.GaugeVec
	repaired                            *prometheus.CounterVec
}

func newCoverageMetrics(r *prometheus.Registry) coverageMetrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "imap2api_coverage_" + name, Help: help}, append([]string{"projection"}, labels...))
	}
	m := coverageMetrics{
		emails:    gauge("emails", "Emails that the journals know, and rows that the read model has of them, pending ones left out.", "in"),
		differing: gauge("differing_emails", "Emails without a row, rows without an email, rows that are altered, and emails not compared since events are yet to be applied.", "kind"),
		servers:   gauge("differing_servers", "IMAP servers whose count or checksum differs."),
		checked:   gauge("checked_timestamp_seconds", "When the journal was compared that was compared longest ago."),
		repaired: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imap2api_coverage_repaired_emails_total", Help: "Rows that were repaired by this process.",
		}, []string{"projection"}),
	}
	r.MustRegister(m.emails, m.differing, m.servers, m.checked, m.repaired)
	return m
}

// show sets what the last comparison of a read model has found.
func (m coverageMetrics) show(model queries.Model) {
	c := model.Coverage
	if c == nil {
		return
	}
	set := func(g *prometheus.GaugeVec, n int64, labels ...string) {
		g.WithLabelValues(append([]string{model.Name}, labels...)...).Set(float64(n))
	}
	set(m.emails, c.Known, "journal")
	set(m.emails, c.Held, "read_model")
	set(m.differing, c.Missing, "missing")
	set(m.differing, c.Surplus, "surplus")
	set(m.differing, c.Altered, "altered")
	set(m.differing, c.Pending, "pending")
	set(m.servers, c.Differing)
	set(m.checked, c.CheckedAt.Unix())
	m.repaired.WithLabelValues(model.Name) // from 0 on
}

// repairs counts what was repaired.
func (m coverageMetrics) repairs(gaps []eventlog.Gap) {
	for _, g := range gaps {
		m.repaired.WithLabelValues(g.Projection).Add(float64(g.Repaired()))
	}
}
