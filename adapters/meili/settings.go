package meili

import (
	"context"
	"math"

	"github.com/meilisearch/meilisearch-go"
)

// layout is the version of documents and settings. Raised, every index is made again.
const layout = 1

// Attributes that are not searched.
const (
	keyAttr         = "key" // of journal and id
	idAttr          = "id"
	journalAttr     = "journal"
	accountAttr     = "account"
	dateAttr        = "date"     // of the message, microseconds since 1970
	receivedAttr    = "received" // internal date, microseconds since 1970
	sizeAttr        = "size"
	folderAttr      = "folder" // hashed
	flagsAttr       = "flags"  // hashed
	attachmentsAttr = "attachments"
)

// searched are the attributes in which words are found, those first that say most of a message.
// An attribute holds 65,536 positions, so a long text goes on in the next one.
var searched = []string{"subject", "from", "to", "cc", "bcc", "files", "body", "body2", "body3", "body4", "body5"}

// Words of this length may have one typo, or two.
const (
	oneTypo  = 5
	twoTypos = 9
)

// indexSettings are those of every index.
//
//   - The order of a request comes first, so that pages are by date, and Meilisearch's own ranking
//     after it; a request without an order gets ranking first, then the newest.
//   - maxTotalHits: pages and totals go to the end. The default ends at 1,000 without a word.
//   - searchCutoffMs: after the default of 1.5 s Meilisearch answers what it has, in another order.
//     The timeout of a request bounds a search instead, and an answer is whole or none.
//   - No typos in numbers: those of orders and invoices differ by a digit.
func indexSettings() *meilisearch.Settings {
	return &meilisearch.Settings{
		SearchableAttributes: searched,
		DisplayedAttributes:  []string{idAttr},
		FilterableAttributes: []string{
			idAttr, journalAttr, accountAttr, dateAttr, receivedAttr, sizeAttr, folderAttr, flagsAttr, attachmentsAttr,
		},
		SortableAttributes: []string{dateAttr, idAttr},
		RankingRules: []string{
			"sort", "words", "typo", "proximity", "attribute", "exactness", dateAttr + ":desc", idAttr + ":desc",
		},
		TypoTolerance: &meilisearch.TypoTolerance{
			Enabled: true, MinWordSizeForTypos: meilisearch.MinWordSizeForTypos{OneTypo: oneTypo, TwoTypos: twoTypos},
			DisableOnWords: []string{}, DisableOnAttributes: []string{}, DisableOnNumbers: true,
		},
		Pagination:     &meilisearch.Pagination{MaxTotalHits: math.MaxUint32},
		SearchCutoffMs: 3_600_000,
	}
}

// make makes an index, empty, with its settings.
func (t *tasks) make(ctx context.Context, uid string) error {
	s := t.engine.service
	for _, step := range []struct {
		what string
		send func(context.Context) (*meilisearch.TaskInfo, error)
	}{
		{"create index", func(ctx context.Context) (*meilisearch.TaskInfo, error) {
			return s.CreateIndexWithContext(ctx, &meilisearch.IndexConfig{Uid: uid, PrimaryKey: keyAttr})
		}},
		{"set up index", func(ctx context.Context) (*meilisearch.TaskInfo, error) {
			return s.Index(uid).UpdateSettingsWithContext(ctx, indexSettings())
		}},
		{"set up index", func(ctx context.Context) (*meilisearch.TaskInfo, error) { // nobody asks for values of filters
			return s.Index(uid).UpdateFacetSearchWithContext(ctx, false)
		}},
	} {
		if err := t.add(ctx, step.what+" "+uid, step.send); err != nil {
			return err
		}
	}
	return nil
}

// remove removes an index.
func (t *tasks) remove(ctx context.Context, uid string) error {
	return t.add(ctx, "remove index "+uid, func(ctx context.Context) (*meilisearch.TaskInfo, error) {
		return t.engine.service.DeleteIndexWithContext(ctx, uid)
	})
}
