package eventlog

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// TestBatchReadsNoMore: however a batch is planned, the events after it are not touched.
func TestBatchReadsNoMore(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	g, err := task.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list := make([]events.Event, 3*maxBatch)
	for i := range list {
		list[i] = toyMessage(1, 1, domain.MessageID(i+1), "order")
	}
	write(t, l, 1, list...)
	do(t, l, `ANALYZE log.events`)
	do(t, l, firstCheckpoint, 1, "toy", g.Number)
	conn, err := l.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	explained := regexp.MustCompile(`actual rows=(\d+)`)
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		results, err := conn.Conn().PgConn().Exec(t.Context(), `SET plan_cache_mode = `+mode+`;
			PREPARE batch (bigint, text, int, text[], bigint) AS `+nextThousand+`;
			EXPLAIN (ANALYZE, TIMING OFF) EXECUTE batch (1, 'toy', 1, '{message-fetched}', 9223372036854775807);
			DEALLOCATE batch; RESET plan_cache_mode`).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var plan string
		for _, line := range results[2].Rows {
			plan += string(line[0]) + "\n"
		}
		counts := explained.FindAllStringSubmatch(plan, -1)
		for _, count := range counts {
			if n, err := strconv.Atoi(count[1]); err != nil || n > maxBatch {
				t.Errorf("%s: %s rows are read:\n%s", mode, count[1], plan)
			}
		}
		if len(counts) == 0 {
			t.Errorf("%s: no plan: %s", mode, plan)
		}
	}
}
