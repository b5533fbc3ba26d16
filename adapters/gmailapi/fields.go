package gmailapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// selection says which keys of an object stay (api.md 11.12). An empty one keeps everything.
type selection map[string]selection

// maxSelection bounds a field selection: names, and brackets in one another.
const maxSelection = 500

// selectionParser reads a field selection: names with / between levels, or lists in brackets.
type selectionParser struct {
	text  string
	at    int
	names int
}

// parseSelection reads a whole selection. It returns a fault.
func parseSelection(text string) (selection, error) {
	p := selectionParser{text: text}
	out := selection{}
	if err := p.list(out, 0); err != nil {
		return nil, err
	}
	if p.at < len(p.text) {
		return nil, badSelection(text)
	}
	return out, nil
}

func badSelection(text string) *fault { return invalidArgument("Invalid field selection " + text) }

// list reads items with commas between them into each.
func (p *selectionParser) list(into selection, depth int) error {
	for {
		if err := p.item(into, depth); err != nil {
			return err
		}
		if p.peek() != ',' {
			return nil
		}
		p.at++
	}
}

// item reads a path, and the list in brackets that may follow it.
func (p *selectionParser) item(into selection, depth int) error {
	for {
		name := p.name()
		if p.names++; name == "" || p.names > maxSelection || depth > maxSelection/10 {
			return badSelection(p.text)
		}
		inner, met := into[name]
		if !met {
			inner = selection{}
			into[name] = inner
		}
		switch p.peek() {
		case '/':
			p.at++
			into = inner
		case '(':
			p.at++
			if err := p.list(inner, depth+1); err != nil {
				return err
			}
			if p.peek() != ')' {
				return badSelection(p.text)
			}
			p.at++
			return nil
		default:
			return nil
		}
	}
}

func (p *selectionParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *selectionParser) name() string {
	rest := p.text[p.at:]
	end := strings.IndexAny(rest, ",/()")
	if end < 0 {
		end = len(rest)
	}
	p.at += end
	return strings.TrimSpace(rest[:end])
}

// check returns a fault for a name that a schema does not have.
func (s selection) check(name string) error {
	properties := schemas()[name]
	for field, inner := range s {
		if field == "*" {
			continue
		}
		target, known := properties[field]
		if !known || target == "" && len(inner) > 0 {
			return badSelection(field)
		}
		if len(inner) > 0 {
			if err := inner.check(target); err != nil {
				return err
			}
		}
	}
	return nil
}

// of returns what stays below a key, and whether the key does.
func (s selection) of(key string) (selection, bool) {
	if inner, ok := s[key]; ok {
		return inner, true
	}
	inner, ok := s["*"]
	return inner, ok
}

// selectFields returns what a selection leaves of an answer with a schema.
func selectFields(body []byte, text, schema string) ([]byte, error) {
	s, err := parseSelection(text)
	if err != nil {
		return nil, err
	}
	if err := s.check(schema); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var out bytes.Buffer
	if err := s.copy(d, &out); err != nil {
		return nil, fmt.Errorf("select fields: %w", err)
	}
	return out.Bytes(), nil
}

// copy writes the next value of d, in its order, without what does not stay. Lists are transparent.
func (s selection) copy(d *json.Decoder, out *bytes.Buffer) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('{'):
		return s.copyObject(d, out)
	case json.Delim('['):
		return s.copyList(d, out)
	}
	text, err := encode(t)
	out.Write(text)
	return err
}

func (s selection) copyObject(d *json.Decoder, out *bytes.Buffer) error {
	out.WriteByte('{')
	for first := true; d.More(); {
		key, err := d.Token()
		if err != nil {
			return err
		}
		inner, stays := s.of(key.(string))
		if len(s) > 0 && !stays {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		if !first {
			out.WriteByte(',')
		}
		first = false
		name, err := encode(key)
		if err != nil {
			return err
		}
		out.Write(name)
		out.WriteByte(':')
		if err := inner.copy(d, out); err != nil {
			return err
		}
	}
	_, err := d.Token()
	out.WriteByte('}')
	return err
}

func (s selection) copyList(d *json.Decoder, out *bytes.Buffer) error {
	out.WriteByte('[')
	for first := true; d.More(); first = false {
		if !first {
			out.WriteByte(',')
		}
		if err := s.copy(d, out); err != nil {
			return err
		}
	}
	_, err := d.Token()
	out.WriteByte(']')
	return err
}
