package meilitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

var validID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,511}$`)

func (s *Server) addDocuments(r *http.Request, body []byte) (int, any, *failure) {
	return s.receive(r, body, func(_, given map[string]any) map[string]any { return given })
}

func (s *Server) updateDocuments(r *http.Request, body []byte) (int, any, *failure) {
	return s.receive(r, body, func(old, given map[string]any) map[string]any {
		out := maps.Clone(old)
		if out == nil {
			out = map[string]any{}
		}
		maps.Copy(out, given)
		return out
	})
}

// receive makes the task of documents, each of which becomes what merge makes of it.
func (s *Server) receive(r *http.Request, body []byte, merge func(old, given map[string]any) map[string]any) (int, any, *failure) {
	if len(r.URL.Query()) > 0 {
		return 0, nil, s.unknown("documents with parameters %s", r.URL.RawQuery)
	}
	given, f := readDocuments(body)
	if f != nil {
		return 0, nil, f
	}
	uid := r.PathValue("uid")
	details := map[string]any{"receivedDocuments": len(given), "indexedDocuments": 0}
	return s.enqueue(uid, "documentAdditionOrUpdate", details, func(t *task) *failure {
		x := s.indexes[uid]
		if x == nil {
			x = newIndex("")
		}
		keys := make([]string, len(given))
		for i, doc := range given {
			key, f := x.keyOf(doc)
			if f != nil {
				return f
			}
			keys[i] = key
		}
		for i, key := range keys {
			x.docs[key] = merge(x.docs[key], given[i])
		}
		s.indexes[uid] = x // made by the first document if it was not there
		x.updated = time.Now()
		t.details["indexedDocuments"] = len(given)
		return nil
	})
}

func readDocuments(body []byte) ([]map[string]any, *failure) {
	if len(body) == 0 {
		return nil, invalid(http.StatusBadRequest, "missing_payload", "A json payload is missing.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var out []map[string]any
	if err := d.Decode(&out); err != nil {
		return nil, invalid(http.StatusBadRequest, "malformed_payload", "The `json` payload provided is malformed. `Couldn't serialize document value: %v`.", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid(http.StatusBadRequest, "malformed_payload", "The `json` payload provided is malformed. `trailing characters`.")
	}
	return out, nil
}

// keyOf returns the primary key of a document, which names that of the index if it has none yet.
func (x *index) keyOf(doc map[string]any) (string, *failure) {
	if x.primaryKey == "" {
		var candidates []string
		for name := range doc {
			if strings.HasSuffix(strings.ToLower(name), "id") {
				candidates = append(candidates, name)
			}
		}
		if len(candidates) != 1 {
			return "", invalid(http.StatusBadRequest, "index_primary_key_no_candidate_found",
				"The primary key inference failed as the engine did not find any field ending with `id` in its name. "+
					"Please specify the primary key manually using the `primaryKey` query parameter.")
		}
		x.primaryKey = candidates[0]
	}
	value, ok := doc[x.primaryKey]
	if !ok {
		text, _ := json.Marshal(doc)
		return "", invalid(http.StatusBadRequest, "missing_document_id", "Document doesn't have a `%s` attribute: `%s`.", x.primaryKey, text)
	}
	key := fmt.Sprint(value)
	if !validID.MatchString(key) {
		text, _ := json.Marshal(value)
		return "", invalid(http.StatusBadRequest, "invalid_document_id", "Document identifier `%s` is invalid. A document identifier can be "+
			"of type integer or string, only composed of alphanumeric characters (a-z A-Z 0-9), hyphens (-) and underscores (_), "+
			"and can not be more than 511 bytes.", text)
	}
	return key, nil
}

func (s *Server) getDocument(r *http.Request, _ []byte) (int, any, *failure) {
	_, x, f := s.find(r)
	if f != nil {
		return 0, nil, f
	}
	doc := x.docs[r.PathValue("id")]
	if doc == nil {
		return 0, nil, invalid(http.StatusNotFound, "document_not_found", "Document `%s` not found.", r.PathValue("id"))
	}
	return http.StatusOK, doc, nil
}

// fetchDocuments answers in the order of keys; the real server in that of internal numbers.
func (s *Server) fetchDocuments(r *http.Request, body []byte) (int, any, *failure) {
	uid, x, f := s.find(r)
	if f != nil {
		return 0, nil, f
	}
	asked := struct {
		Offset int      `json:"offset"`
		Limit  int      `json:"limit"`
		Fields []string `json:"fields"`
		Filter string   `json:"filter"`
	}{Limit: 20}
	if f := s.decode(body, &asked); f != nil {
		return 0, nil, f
	}
	found, f := s.matching(uid, x, asked.Filter, "invalid_document_filter")
	if f != nil {
		return 0, nil, f
	}
	keys := slices.Sorted(maps.Keys(found))
	results := []map[string]any{}
	for _, key := range keys[min(asked.Offset, len(keys)):min(asked.Offset+asked.Limit, len(keys))] {
		results = append(results, only(found[key], asked.Fields))
	}
	return http.StatusOK, map[string]any{"results": results, "offset": asked.Offset, "limit": asked.Limit, "total": len(keys)}, nil
}

// only returns some fields of a document, all for none.
func only(doc map[string]any, fields []string) map[string]any {
	if fields == nil {
		return doc
	}
	out := map[string]any{}
	for _, name := range fields {
		if value, ok := doc[name]; ok {
			out[name] = value
		}
	}
	return out
}

func (s *Server) deleteByFilter(r *http.Request, body []byte) (int, any, *failure) {
	var asked struct {
		Filter string `json:"filter"`
	}
	if f := s.decode(body, &asked); f != nil {
		return 0, nil, f
	}
	uid := r.PathValue("uid")
	original, err := json.Marshal(asked.Filter)
	if err != nil {
		return 0, nil, s.unknown("filter: %v", err)
	}
	details := map[string]any{"providedIds": 0, "deletedDocuments": 0, "originalFilter": string(original)}
	return s.enqueue(uid, "documentDeletion", details, func(t *task) *failure {
		x := s.indexes[uid]
		if x == nil {
			return indexNotFound(uid)
		}
		found, f := s.matching(uid, x, asked.Filter, "invalid_document_filter")
		if f != nil {
			return f
		}
		for key := range found {
			delete(x.docs, key)
		}
		t.details["deletedDocuments"] = len(found)
		return nil
	})
}

func (s *Server) deleteBatch(r *http.Request, body []byte) (int, any, *failure) {
	var keys []string
	if f := s.decode(body, &keys); f != nil {
		return 0, nil, f
	}
	uid := r.PathValue("uid")
	details := map[string]any{"providedIds": len(keys), "deletedDocuments": 0, "originalFilter": nil}
	return s.enqueue(uid, "documentDeletion", details, func(t *task) *failure {
		x := s.indexes[uid]
		if x == nil {
			return indexNotFound(uid)
		}
		before := len(x.docs)
		for _, key := range keys {
			delete(x.docs, key)
		}
		t.details["deletedDocuments"] = before - len(x.docs)
		return nil
	})
}

// matching returns the documents for which a filter holds.
func (s *Server) matching(uid string, x *index, text, code string) (map[string]map[string]any, *failure) {
	if text == "" {
		return x.docs, nil
	}
	p := parser{server: s, index: x, uid: uid, text: text, rest: text, code: code}
	holds, f := p.parse()
	if f != nil {
		return nil, f
	}
	out := map[string]map[string]any{}
	for key, doc := range x.docs {
		if holds(doc) {
			out[key] = doc
		}
	}
	return out, nil
}
