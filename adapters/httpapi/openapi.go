package httpapi

import (
	"bytes"
	_ "embed"
	"fmt"
	"sync"

	"gopkg.in/yaml.v3"
)

//go:embed openapi.yaml
var openAPISource []byte

// document is the OpenAPI document of this API, in its forms.
type document struct {
	json []byte
	page []byte // documentation page
}

// openAPI reads the embedded document, once.
var openAPI = sync.OnceValue(func() *document {
	d, err := newDocument(openAPISource)
	if err != nil { // the file is part of the program
		panic(err)
	}
	return d
})

func newDocument(source []byte) (*document, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	tree := root.Content[0]
	var b bytes.Buffer
	if err := writeNode(&b, tree); err != nil {
		return nil, fmt.Errorf("convert openapi.yaml: %w", err)
	}
	page, err := renderDocs(tree)
	if err != nil {
		return nil, fmt.Errorf("render documentation: %w", err)
	}
	return &document{b.Bytes(), page}, nil
}

// writeNode writes YAML as JSON, keys in their order.
func writeNode(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.AliasNode:
		return writeNode(b, n.Alias)
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(mustJSON(n.Content[i].Value))
			b.WriteByte(':')
			if err := writeNode(b, n.Content[i+1]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeNode(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		var v any
		if n.Tag == "!!timestamp" {
			v = n.Value
		} else if err := n.Decode(&v); err != nil {
			return fmt.Errorf("line %d: %w", n.Line, err)
		}
		return encode(b, v)
	}
	return nil
}

func (a *api) openAPIJSON(*request) (response, error) {
	return response{raw: a.doc.json}, nil
}

func (a *api) openAPIYAML(r *request) (response, error) {
	r.w.Header().Set("Content-Type", "application/yaml")
	return response{raw: openAPISource}, nil
}

// docsPolicy lets the page have its own styles and nothing else.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'"

func (a *api) docsPage(r *request) (response, error) {
	r.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	r.w.Header().Set("Content-Security-Policy", docsPolicy)
	return response{raw: a.doc.page}, nil
}
