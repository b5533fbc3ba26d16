package meilitest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

type searchJSON struct {
	Q                    string          `json:"q"`
	Filter               string          `json:"filter"`
	MatchingStrategy     string          `json:"matchingStrategy"`
	Sort                 []string        `json:"sort"`
	AttributesToRetrieve []string        `json:"attributesToRetrieve"`
	HitsPerPage          *int            `json:"hitsPerPage"`
	Page                 *int            `json:"page"`
	Hybrid               json.RawMessage `json:"hybrid"` // null
}

// search answers by page, with an exact total; the adapter asks for nothing else.
func (s *Server) search(r *http.Request, body []byte) (int, any, *failure) {
	uid, x, f := s.find(r)
	if f != nil {
		return 0, nil, f
	}
	var asked searchJSON
	if f := s.decode(body, &asked); f != nil {
		return 0, nil, f
	}
	if asked.HitsPerPage == nil || asked.Page == nil || asked.MatchingStrategy != "all" || string(asked.Hybrid) != "null" {
		return 0, nil, s.unknown("search %s", body)
	}
	found, f := s.matching(uid, x, asked.Filter, "invalid_search_filter")
	if f != nil {
		return 0, nil, f
	}
	var hits []map[string]any
	terms := s.terms(asked.Q)
	for _, doc := range found {
		if s.matches(x, doc, terms) {
			hits = append(hits, doc)
		}
	}
	if f := s.order(uid, x, hits, asked.Sort); f != nil {
		return 0, nil, f
	}
	return http.StatusOK, s.page(x, asked, hits), nil
}

func (s *Server) page(x *index, asked searchJSON, hits []map[string]any) any {
	size, page := *asked.HitsPerPage, *asked.Page
	total := min(len(hits), x.settings.Pagination.MaxTotalHits)
	pages := 0
	shown := []map[string]any{}
	if size > 0 {
		pages = (total + size - 1) / size
		for _, doc := range hits[min((page-1)*size, total):min(page*size, total)] {
			shown = append(shown, only(doc, s.retrieved(x, asked)))
		}
	}
	return map[string]any{
		"hits": shown, "query": asked.Q, "processingTimeMs": 0, "hitsPerPage": size, "page": page,
		"totalPages": pages, "totalHits": total, "requestUid": "00000000-0000-0000-0000-000000000000",
	}
}

// retrieved are the fields of a hit: those asked for that may be shown.
func (s *Server) retrieved(x *index, asked searchJSON) []string {
	shown := x.settings.DisplayedAttributes
	if slices.Contains(shown, "*") {
		return asked.AttributesToRetrieve
	}
	out := []string{}
	for _, name := range asked.AttributesToRetrieve {
		if slices.Contains(shown, name) {
			out = append(out, name)
		}
	}
	return out
}

// order sorts by numbers, which must come first in the ranking: ties are not ranked here.
func (s *Server) order(uid string, x *index, hits []map[string]any, by []string) *failure {
	sortable := x.settings.SortableAttributes
	for _, key := range by {
		attr, _, _ := strings.Cut(key, ":")
		if len(sortable) == 0 {
			return invalid(http.StatusBadRequest, "invalid_search_sort",
				"Index `%s`: Attribute `%s` is not sortable. This index does not have configured sortable attributes.", uid, attr)
		}
		if !slices.Contains(sortable, attr) || x.settings.RankingRules[0] != "sort" {
			return s.unknown("sort by %s", key)
		}
	}
	slices.SortFunc(hits, func(a, b map[string]any) int {
		for _, key := range by {
			attr, direction, _ := strings.Cut(key, ":")
			c := cmp.Compare(number(a[attr]), number(b[attr]))
			if direction == "desc" {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return nil
}

func number(v any) float64 {
	n, ok := v.(json.Number)
	if !ok {
		return 0
	}
	f, err := n.Float64()
	if err != nil {
		return 0
	}
	return f
}

// matches reports whether a document has all terms.
func (s *Server) matches(x *index, doc map[string]any, terms []term) bool {
	if len(terms) == 0 {
		return true
	}
	var fields []positions
	for _, attr := range x.settings.SearchableAttributes {
		if attr == "*" {
			s.unknown("search in all attributes")
		}
		if value, ok := doc[attr]; ok {
			fields = append(fields, s.cut(value))
		}
	}
	return hasAll(fields, terms, x.settings.TypoTolerance)
}

// hasAll takes neighbouring words also for one that is written together.
func hasAll(fields []positions, terms []term, typos *typoTolerance) bool {
	if len(terms) == 0 {
		return true
	}
	if has(fields, terms[0], typos) && hasAll(fields, terms[1:], typos) {
		return true
	}
	for n := 2; n <= min(3, len(terms)); n++ {
		if slices.ContainsFunc(terms[:n], func(t term) bool { return t.phrase }) {
			break
		}
		joined := term{words: []string{""}, prefix: terms[n-1].prefix}
		for _, t := range terms[:n] {
			joined.words[0] += t.words[0]
		}
		if has(fields, joined, &typoTolerance{}) && hasAll(fields, terms[n:], typos) {
			return true
		}
	}
	return false
}

func has(fields []positions, t term, typos *typoTolerance) bool {
	if t.phrase {
		return hasPhrase(fields, t.words)
	}
	asked := t.words[0]
	n := typos.typos(asked)
	for _, field := range fields {
		for word := range field {
			exact := word == asked || t.prefix && strings.HasPrefix(word, asked)
			if exact || n > 0 && (!typos.DisableOnNumbers || !isNumber(word)) && alike(word, asked, t.prefix, n) {
				return true
			}
		}
	}
	if !typos.Enabled {
		return false
	}
	for i := 1; i < len(asked); i++ { // also written in two words
		if hasPhrase(fields, []string{asked[:i], asked[i:]}) {
			return true
		}
	}
	return false
}

// hasPhrase compares distances of words in windows of three, and the nearest ones only, as the
// real server does: so it also finds phrases that are not there if there are three words or more.
func hasPhrase(fields []positions, words []string) bool {
	for _, w := range words {
		if !slices.ContainsFunc(fields, func(f positions) bool { return len(f[w]) > 0 }) {
			return false
		}
	}
	for i := range words {
		for j := i + 1; j < min(i+3, len(words)); j++ {
			near := nearest(fields, words[i], words[j])
			if near > j-i || j-i == 1 && near != 1 {
				return false
			}
		}
	}
	return true
}

// nearest is the shortest way from a to a later b, in any attribute.
func nearest(fields []positions, a, b string) int {
	best := hardGap
	for _, f := range fields {
		for _, from := range f[a] {
			for _, to := range f[b] {
				if to > from {
					best = min(best, to-from)
				}
			}
		}
	}
	return best
}
