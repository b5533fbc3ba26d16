package queries

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// leaves counts the conditions that hold no others.
func leaves(c Condition) int {
	sum := 0
	switch c := c.(type) {
	case nil:
	case All:
		for _, p := range c {
			sum += leaves(p)
		}
	case Any:
		for _, p := range c {
			sum += leaves(p)
		}
	case Not:
		return leaves(c.Of)
	default:
		return 1
	}
	return sum
}

func depth(c Condition) int {
	most := 0
	switch c := c.(type) {
	case All:
		for _, p := range c {
			most = max(most, depth(p))
		}
	case Any:
		for _, p := range c {
			most = max(most, depth(p))
		}
	case Not:
		most = depth(c.Of)
	}
	return most + 1
}

// randomSearch writes a search, and says what it means.
func randomSearch(r *rand.Rand, terms []string, levels int) (string, Condition) {
	if levels == 0 || r.IntN(3) == 0 {
		q := terms[r.IntN(len(terms))]
		return q, searchOperands[q]
	}
	var texts []string
	var parts []Condition
	for range r.IntN(4) + 1 {
		q, c := randomSearch(r, terms, levels-1)
		texts, parts = append(texts, q), append(parts, c)
	}
	switch r.IntN(5) {
	case 0:
		return "{" + strings.Join(texts, " ") + "}", Any(parts)
	case 1:
		return "(" + strings.Join(texts, " OR ") + ")", Any(parts)
	case 2:
		return "-(" + strings.Join(texts, "  ") + " )", Not{All(parts)}
	case 3:
		return "( " + strings.Join(texts, " AND ") + ")", All(parts)
	}
	return "(" + strings.Join(texts, " ") + ")", All(parts)
}

func TestParseSearchReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	var terms []string
	for q := range searchOperands {
		terms = append(terms, q)
	}
	for range 2000 {
		q, c := randomSearch(r, terms, 3)
		if leaves(c) > maxTerms {
			continue
		}
		if diff := cmp.Diff(tidy(c), ParseSearch(q, searchTime)); diff != "" {
			t.Fatalf("seed %d: %s (-want +got):\n%s", seed, q, diff)
		}
	}
}

// checkTidy fails for conditions that should have been simplified, and for texts that engines must not get.
func checkTidy(c Condition, inside string) error {
	switch c := c.(type) {
	case All:
		return checkParts("all", inside, c)
	case Any:
		return checkParts("any", inside, c)
	case Not:
		if inside == "not" {
			return fmt.Errorf("double negation")
		}
		return checkTidy(c.Of, "not")
	case Text:
		if !utf8.ValidString(c.Value) || strings.ContainsFunc(c.Value, unicode.IsControl) || !strings.ContainsFunc(c.Value, isLetter) || c.Whole && c.Inside {
			return fmt.Errorf("text %+v", c)
		}
	case nil:
		return fmt.Errorf("nil within")
	}
	return nil
}

func checkParts(kind, inside string, parts []Condition) error {
	if inside == kind || len(parts) == 1 || len(parts) == 0 && (inside != "" || kind == "all") {
		return fmt.Errorf("%s of %d in %s", kind, len(parts), inside)
	}
	for _, p := range parts {
		if err := checkTidy(p, kind); err != nil {
			return err
		}
	}
	return nil
}

// Any search gives a tree that is tidy and bounded, the same each time.
func FuzzParseSearch(f *testing.F) {
	for q := range searchOperands {
		f.Add(q)
	}
	for _, q := range []string{"(a OR -b) {c d} AND from:(e", "((((", `"`, "a OR", "-(-(-a", "from:{me -(x OR", "{)}(a", "OR AND OR", strings.Repeat("(-{", 700) + "a"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		c := ParseSearch(q, searchTime)
		if c != nil {
			if err := checkTidy(c, ""); err != nil {
				t.Errorf("%q: %v", q, err)
			}
		}
		if n, d := leaves(c), depth(c); n > maxTerms || d > 4*maxNesting+4 {
			t.Errorf("%q: %d terms, %d levels", q, n, d)
		}
		if !reflect.DeepEqual(c, ParseSearch(q, searchTime)) {
			t.Errorf("%q: two trees", q)
		}
		if len(Terms(c)) > maxTerms {
			t.Errorf("%q: too many terms", q)
		}
	})
}
