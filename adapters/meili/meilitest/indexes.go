package meilitest

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// index holds documents by their keys.
type index struct {
	primaryKey       string // "": not known yet
	created, updated time.Time
	settings         settings
	docs             map[string]map[string]any
}

type indexJSON struct {
	UID        string  `json:"uid"`
	CreatedAt  string  `json:"createdAt"`
	UpdatedAt  string  `json:"updatedAt"`
	PrimaryKey *string `json:"primaryKey"`
}

func (x *index) json(uid string) indexJSON {
	out := indexJSON{UID: uid, CreatedAt: moment(x.created), UpdatedAt: moment(x.updated)}
	if x.primaryKey != "" {
		out.PrimaryKey = &x.primaryKey
	}
	return out
}

func newIndex(primaryKey string) *index {
	return &index{primaryKey: primaryKey, created: time.Now(), updated: time.Now(), settings: standardSettings(), docs: map[string]map[string]any{}}
}

var validUID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,512}$`)

// settings are those that the adapter sets; the others are left as they are.
type settings struct {
	DisplayedAttributes  []string       `json:"displayedAttributes,omitempty"`
	SearchableAttributes []string       `json:"searchableAttributes,omitempty"`
	FilterableAttributes []string       `json:"filterableAttributes,omitempty"`
	SortableAttributes   []string       `json:"sortableAttributes,omitempty"`
	RankingRules         []string       `json:"rankingRules,omitempty"`
	TypoTolerance        *typoTolerance `json:"typoTolerance,omitempty"`
	Pagination           *pagination    `json:"pagination,omitempty"`
	SearchCutoffMs       *int64         `json:"searchCutoffMs,omitempty"`
	FacetSearch          *bool          `json:"facetSearch,omitempty"`
}

type typoTolerance struct {
	Enabled             bool     `json:"enabled"`
	MinWordSizeForTypos wordSize `json:"minWordSizeForTypos"`
	DisableOnWords      []string `json:"disableOnWords"`
	DisableOnAttributes []string `json:"disableOnAttributes"`
	DisableOnNumbers    bool     `json:"disableOnNumbers"`
}

type wordSize struct {
	OneTypo  int `json:"oneTypo"`
	TwoTypos int `json:"twoTypos"`
}

type pagination struct {
	MaxTotalHits int `json:"maxTotalHits"`
}

func standardSettings() settings {
	return settings{
		DisplayedAttributes: []string{"*"}, SearchableAttributes: []string{"*"},
		RankingRules:  []string{"words", "typo", "proximity", "attributeRank", "sort", "wordPosition", "exactness"},
		TypoTolerance: &typoTolerance{Enabled: true, MinWordSizeForTypos: wordSize{5, 9}},
		Pagination:    &pagination{1000},
	}
}

// set takes over what is given.
func (s *settings) set(given settings) {
	for _, list := range []struct{ to, from *[]string }{
		{&s.DisplayedAttributes, &given.DisplayedAttributes},
		{&s.SearchableAttributes, &given.SearchableAttributes},
		{&s.FilterableAttributes, &given.FilterableAttributes},
		{&s.SortableAttributes, &given.SortableAttributes},
		{&s.RankingRules, &given.RankingRules},
	} {
		if *list.from != nil {
			*list.to = *list.from
		}
	}
	if given.TypoTolerance != nil {
		s.TypoTolerance = given.TypoTolerance
	}
	if given.Pagination != nil {
		s.Pagination = given.Pagination
	}
	if given.SearchCutoffMs != nil {
		s.SearchCutoffMs = given.SearchCutoffMs
	}
	if given.FacetSearch != nil {
		s.FacetSearch = given.FacetSearch
	}
}

func (s *Server) find(r *http.Request) (string, *index, *failure) {
	uid := r.PathValue("uid")
	if x := s.indexes[uid]; x != nil {
		return uid, x, nil
	}
	return uid, nil, indexNotFound(uid)
}

func (s *Server) listIndexes(r *http.Request, _ []byte) (int, any, *failure) {
	offset, limit := 0, 20
	for name, values := range r.URL.Query() {
		n, err := strconv.Atoi(values[0])
		if err != nil {
			return 0, nil, s.unknown("%s=%s", name, values[0])
		}
		switch name {
		case "offset":
			offset = n
		case "limit":
			limit = n
		default:
			return 0, nil, s.unknown("GET /indexes with %s", name)
		}
	}
	names := slices.Sorted(maps.Keys(s.indexes))
	results := []indexJSON{}
	for _, uid := range names[min(offset, len(names)):min(offset+limit, len(names))] {
		results = append(results, s.indexes[uid].json(uid))
	}
	return http.StatusOK, map[string]any{"results": results, "offset": offset, "limit": limit, "total": len(names)}, nil
}

func (s *Server) createIndex(_ *http.Request, body []byte) (int, any, *failure) {
	var asked struct {
		UID        string `json:"uid"`
		PrimaryKey string `json:"primaryKey"`
	}
	if f := s.decode(body, &asked); f != nil {
		return 0, nil, f
	}
	if !validUID.MatchString(asked.UID) {
		return 0, nil, invalid(http.StatusBadRequest, "invalid_index_uid", "Invalid value at `.uid`: `%s` is not a valid index uid. "+
			"Index uid can be an integer or a string containing only alphanumeric characters, hyphens (-) and underscores (_), "+
			"and can not be more than 512 bytes.", asked.UID)
	}
	return s.enqueue(asked.UID, "indexCreation", map[string]any{"primaryKey": asked.PrimaryKey}, func(*task) *failure {
		if s.indexes[asked.UID] != nil {
			return invalid(http.StatusConflict, "index_already_exists", "Index `%s` already exists.", asked.UID)
		}
		s.indexes[asked.UID] = newIndex(asked.PrimaryKey)
		return nil
	})
}

func (s *Server) getIndex(r *http.Request, _ []byte) (int, any, *failure) {
	uid, x, f := s.find(r)
	if f != nil {
		return 0, nil, f
	}
	return http.StatusOK, x.json(uid), nil
}

func (s *Server) deleteIndex(r *http.Request, _ []byte) (int, any, *failure) {
	uid := r.PathValue("uid")
	return s.enqueue(uid, "indexDeletion", map[string]any{"deletedDocuments": 0}, func(t *task) *failure {
		x := s.indexes[uid]
		if x == nil {
			return indexNotFound(uid)
		}
		t.details["deletedDocuments"] = len(x.docs)
		delete(s.indexes, uid)
		return nil
	})
}

func (s *Server) swapIndexes(_ *http.Request, body []byte) (int, any, *failure) {
	var asked []struct {
		Indexes []string `json:"indexes"`
		Rename  bool     `json:"rename"`
	}
	if f := s.decode(body, &asked); f != nil {
		return 0, nil, f
	}
	if len(asked) != 1 || len(asked[0].Indexes) != 2 || asked[0].Rename {
		return 0, nil, s.unknown("swap %s", body)
	}
	a, b := asked[0].Indexes[0], asked[0].Indexes[1]
	if a == b {
		return 0, nil, invalid(http.StatusBadRequest, "invalid_swap_duplicate_index_found",
			"Indexes must be declared only once during a swap. `%s` was specified several times.", a)
	}
	return s.enqueue("", "indexSwap", map[string]any{"swaps": asked}, func(*task) *failure {
		switch {
		case s.indexes[a] == nil && s.indexes[b] == nil:
			return invalid(http.StatusNotFound, "index_not_found", "Indexes `%s`, `%s` not found.", min(a, b), max(a, b))
		case s.indexes[a] == nil:
			return indexNotFound(a)
		case s.indexes[b] == nil:
			return indexNotFound(b)
		}
		s.indexes[a], s.indexes[b] = s.indexes[b], s.indexes[a]
		return nil
	})
}

func (s *Server) stats(r *http.Request, _ []byte) (int, any, *failure) {
	_, x, f := s.find(r)
	if f != nil {
		return 0, nil, f
	}
	fields := map[string]int{}
	for _, doc := range x.docs {
		for name := range doc {
			fields[name]++
		}
	}
	return http.StatusOK, map[string]any{
		"numberOfDocuments": len(x.docs), "rawDocumentDbSize": 0, "avgDocumentSize": 0, "isIndexing": false,
		"numberOfEmbeddings": 0, "numberOfEmbeddedDocuments": 0, "fieldDistribution": fields,
	}, nil
}

func (s *Server) getSettings(r *http.Request, _ []byte) (int, any, *failure) {
	_, x, f := s.find(r)
	if f != nil {
		return 0, nil, f
	}
	return http.StatusOK, x.settings, nil
}

func (s *Server) updateSettings(r *http.Request, body []byte) (int, any, *failure) {
	var given settings
	if f := s.decode(body, &given); f != nil {
		return 0, nil, f
	}
	return s.change(r.PathValue("uid"), given)
}

func (s *Server) updateFacetSearch(r *http.Request, body []byte) (int, any, *failure) {
	var given bool
	if f := s.decode(body, &given); f != nil {
		return 0, nil, f
	}
	return s.change(r.PathValue("uid"), settings{FacetSearch: &given})
}

func (s *Server) change(uid string, given settings) (int, any, *failure) {
	text, err := json.Marshal(given)
	if err != nil {
		return 0, nil, s.unknown("settings: %v", err)
	}
	details := map[string]any{}
	if err := json.Unmarshal(text, &details); err != nil {
		return 0, nil, s.unknown("settings: %v", err)
	}
	return s.enqueue(uid, "settingsUpdate", details, func(*task) *failure {
		if s.indexes[uid] == nil {
			s.indexes[uid] = newIndex("")
		}
		s.indexes[uid].settings.set(given)
		s.indexes[uid].updated = time.Now()
		return nil
	})
}
