package main

import (
	"fmt"
	"testing"

	"github.com/imap2api/imap2api/events"
)

// hand runs a statement in both read models: %s is the table of messages.
func (c *covered) hand(statement string) {
	c.t.Helper()
	for _, table := range []string{"mail_g1.message", "search_g1.document"} {
		c.sql(fmt.Sprintf(statement, table))
	}
}

// TestCoverageErased brings back rows of an account that was erased, before its payloads are gone
// and after: they are taken out, and nothing is folded again.
func TestCoverageErased(t *testing.T) {
	t.Parallel()
	c := newCovered(t, 1, 1)
	j := c.journals[0]
	c.write(j, 200)
	c.catchUp(true)
	c.sql("CREATE SCHEMA kept; CREATE TABLE kept.message AS SELECT * FROM mail_g1.message; CREATE TABLE kept.document AS SELECT * FROM search_g1.document")
	acc := j.accounts[0]
	c.append(j, events.AccountErased{Account: acc})
	if done := c.check(true); len(done.Gaps) != 0 || !done.Lags {
		t.Errorf("before the read models come to the erasure: %+v", done)
	}
	c.catchUp(true)
	for _, step := range []string{"marked", "carried out"} {
		if done := c.check(false); len(done.Gaps) != 0 || done.Lags {
			t.Errorf("%s: %+v", step, done)
		}
		c.sql("INSERT INTO mail_g1.message SELECT * FROM kept.message WHERE account_id = $1", acc)
		c.sql("INSERT INTO search_g1.document SELECT * FROM kept.document WHERE account_id = $1", acc)
		done := c.check(true)
		if len(done.Gaps) != 2 {
			t.Fatalf("%s: found %+v, want two gaps", step, done.Gaps)
		}
		for _, g := range done.Gaps {
			if g.Surplus == 0 || g.Missing+g.Altered+g.Left != 0 {
				t.Errorf("%s: %+v, want surplus rows that are gone", step, g)
			}
		}
		c.sound()
		c.must(c.s.events.Erase(t.Context()))
	}
}

// TestCoverageBrokenOff finds rows right that a repair has put there before it was broken off:
// what is counted of them is made anew all the same.
func TestCoverageBrokenOff(t *testing.T) {
	t.Parallel()
	c := newCovered(t, 2, 1)
	c.write(c.journals[0], 200)
	c.catchUp(true)
	c.sql("CREATE SCHEMA kept; CREATE TABLE kept.message AS SELECT * FROM mail_g1.message; CREATE TABLE kept.document AS SELECT * FROM search_g1.document")
	c.hand("DELETE FROM %s WHERE id %% 3 = 0")
	if done := c.check(false); len(done.Gaps) != 2 {
		t.Fatalf("found %+v, want two gaps", done.Gaps)
	}
	kept, err := c.s.events.Coverage(t.Context())
	c.must(err)
	for _, name := range []string{"mail", searchModel} {
		if got := kept[name]; got.Status() != "incomplete" || got.Percent() > 90 || got.Missing != got.Known-got.Held || got.Differing == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	c.sql("INSERT INTO mail_g1.message SELECT * FROM kept.message ON CONFLICT DO NOTHING")
	c.sql("INSERT INTO search_g1.document SELECT * FROM kept.document ON CONFLICT DO NOTHING")
	c.sql("UPDATE mail_g1.tally SET messages = messages + 5; UPDATE search_g1.frequency SET documents = documents + 5")
	if done := c.check(true); len(done.Gaps) != 0 {
		t.Errorf("found %+v, want no gap", done.Gaps)
	}
	c.complete()
	c.sound()
}

// TestCoverageOfTwoJournals repairs one and leaves the other alone.
func TestCoverageOfTwoJournals(t *testing.T) {
	t.Parallel()
	c := newCovered(t, 3, 2)
	for _, j := range c.journals {
		c.write(j, 100)
	}
	c.catchUp(true)
	c.sql("UPDATE log.checkpoints SET updated_at = '2025-03-04'")
	c.sql("DELETE FROM search_g1.document WHERE journal_id = $1", int64(c.journals[1].id))
	done := c.check(true)
	if len(done.Gaps) != 1 || done.Gaps[0].Journal != c.journals[1].id || done.Gaps[0].Missing != int64(len(c.journals[1].messages)) {
		t.Errorf("found %+v", done.Gaps)
	}
	var touched int
	c.must(c.s.db.pool.QueryRow(t.Context(), "SELECT count(*) FROM log.checkpoints WHERE updated_at > '2025-03-05'").Scan(&touched))
	if touched != 1 {
		t.Errorf("%d checkpoints were touched, want one", touched)
	}
	c.complete()
	c.sound()
}
