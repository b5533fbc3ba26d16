package postgres_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// TestExcludedWhileMoving searches for a word without another, which all documents have too, while
// GIN moves the words of new documents to their places.
func TestExcludedWhileMoving(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "search", 1)
	live(t, pool, "mail", 1)
	exec(t, pool, "ALTER INDEX "+schema+".document_words SET (gin_pending_list_limit = 65536)")
	reader := postgres.NewSearchReader(pool, 1, 1, lexer)
	filter := queries.MessageFilter{Journal: 1, Search: queries.All{word("aardvark"), queries.Not{Of: word("zebra")}}}
	var stop atomic.Bool
	ended := make(chan error, 1)
	go func() {
		for !stop.Load() {
			if ids, total, err := reader.Find(t.Context(), filter, 0, 50); err != nil || len(ids) > 0 || total > 0 {
				ended <- errors.Join(err, fmt.Errorf("%d documents lack a word that all have, count %d", len(ids), total))
				return
			}
		}
		ended <- nil
	}()
	id := int64(0)
	for begun := time.Now(); time.Since(begun) < 2*time.Second; {
		texts := said{}
		var list []events.Event
		for range 300 {
			id++
			e := fetched(id)
			texts.says(&e, &domain.Content{Text: fmt.Sprintf("aardvark middle%d more%d zebra", id, id%17)})
			list = append(list, e)
		}
		foldSearch(t, pool, schema, 1, texts, recorded(events.Position(id), list...))
		exec(t, pool, "SELECT gin_clean_pending_list('"+schema+".document_words')")
	}
	stop.Store(true)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
