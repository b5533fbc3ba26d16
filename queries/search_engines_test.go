package queries

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/imap2api/imap2api/domain"
)

// engine finds the messages it is made of, or fails. Its name says what it can.
type engine struct {
	can, guess bool
	ids        []domain.MessageID
	err        error
}

func (e engine) Can(MessageFilter) bool      { return e.can }
func (e engine) CanGuess(MessageFilter) bool { return e.guess }
func (e engine) Find(context.Context, MessageFilter, int, int) ([]domain.MessageID, int, error) {
	return e.ids, len(e.ids), e.err
}

func TestSearchEngines(t *testing.T) {
	t.Parallel()
	away := fmt.Errorf("no route: %w", domain.ErrUnavailable)
	broken := errors.New("broken")
	exact, nothing := engine{ids: []domain.MessageID{1}}, engine{}
	typo := []domain.MessageID{2}
	for name, test := range map[string]struct {
		builtIn   engine
		preferred *engine
		want      domain.MessageID // 0: none
		engine    SearchEngine
		err       error
	}{
		"only the built-in one":    {exact, nil, 1, "", nil},
		"preferred":                {exact, &engine{can: true, ids: typo}, 2, EnginePreferred, nil},
		"more than it can":         {exact, &engine{ids: typo}, 1, EngineBuiltIn, nil},
		"away":                     {exact, &engine{can: true, err: away}, 1, EngineInstead, nil},
		"broken is told":           {exact, &engine{can: true, err: broken}, 0, EnginePreferred, broken},
		"exact hits need no guess": {exact, &engine{guess: true, ids: typo}, 1, EngineBuiltIn, nil},
		"a guess":                  {nothing, &engine{guess: true, ids: typo}, 2, EnginePreferred, nil},
		"no guess, away":           {nothing, &engine{guess: true, err: away}, 0, EngineInstead, nil},
		"nothing":                  {nothing, &engine{}, 0, EngineBuiltIn, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var preferred PreferredSearch
			if test.preferred != nil {
				preferred = *test.preferred
			}
			hits, err := NewSearchEngines(test.builtIn, preferred).Search(t.Context(), MessageFilter{}, 0, 10)
			if !errors.Is(err, test.err) || hits.Engine != test.engine {
				t.Fatalf("got %+v, %v", hits, err)
			}
			if got := append(hits.IDs, 0)[0]; got != test.want || hits.Total != len(hits.IDs) {
				t.Errorf("got %+v, want %d", hits, test.want)
			}
		})
	}
}
