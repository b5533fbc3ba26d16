package httpapi

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed docs.html
var docsSource string

// docsTemplate is the documentation page: server-rendered, without scripts and without
// requests to anyone.
var docsTemplate = template.Must(template.New("docs").Funcs(template.FuncMap{"code": inlineCode}).Parse(docsSource))

// docsPageData is what the page shows.
type docsPageData struct {
	Title, Summary, Description string
	Groups                      []docsGroup
	Schemas                     []docsSchema
}

type docsGroup struct {
	Name, Description, Anchor string
	Operations                []docsOperation
}

type docsOperation struct {
	Method, Path, ID, Summary, Description string
	Open                                   bool
	Parameters                             []docsField
	Body                                   []docsField
	Responses                              []docsField
}

// docsField is a line of a table: a name, its type, what else there is to say.
type docsField struct{ Name, In, Type, Note string }

type docsSchema struct {
	Name, Type, Note string
	Fields           []docsField
}

// inlineCode writes text with what is between grave accents as code.
func inlineCode(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String()) //nolint:gosec // every part is escaped above
}

// docsReader walks the document.
type docsReader struct{ root *yaml.Node }

func renderDocs(tree *yaml.Node) ([]byte, error) {
	d := docsReader{tree}
	info := child(tree, "info")
	page := docsPageData{Title: textAt(info, "title"), Summary: textAt(info, "summary"), Description: textAt(info, "description")}
	for _, tag := range items(child(tree, "tags")) {
		name := textAt(tag, "name")
		group := docsGroup{Name: name, Description: textAt(tag, "description"), Anchor: strings.ReplaceAll(strings.ToLower(name), " ", "-")}
		group.Operations = d.operations(name)
		page.Groups = append(page.Groups, group)
	}
	each(child(child(tree, "components"), "schemas"), func(name string, schema *yaml.Node) {
		page.Schemas = append(page.Schemas, docsSchema{name, d.typeName(schema), textAt(schema, "description"), d.properties(schema)})
	})
	var b bytes.Buffer
	if err := docsTemplate.Execute(&b, page); err != nil {
		return nil, fmt.Errorf("execute template: %w", err)
	}
	return b.Bytes(), nil
}

// operations returns those with a tag, in the order of the document.
func (d docsReader) operations(tag string) []docsOperation {
	var out []docsOperation
	each(child(d.root, "paths"), func(path string, methods *yaml.Node) {
		each(methods, func(method string, op *yaml.Node) {
			if tags := items(child(op, "tags")); len(tags) == 0 || tags[0].Value != tag {
				return
			}
			security := child(op, "security")
			o := docsOperation{
				Method: strings.ToUpper(method), Path: path, ID: textAt(op, "operationId"), Summary: textAt(op, "summary"),
				Description: textAt(op, "description"), Open: security != nil && len(security.Content) == 0,
			}
			for _, list := range []*yaml.Node{child(methods, "parameters"), child(op, "parameters")} {
				for _, p := range items(list) {
					p = d.resolve(p)
					o.Parameters = append(o.Parameters, docsField{textAt(p, "name"), textAt(p, "in"), d.typeName(child(p, "schema")), textAt(p, "description")})
				}
			}
			body := child(child(child(child(op, "requestBody"), "content"), "application/json"), "schema")
			o.Body = d.properties(body)
			each(child(op, "responses"), func(status string, res *yaml.Node) {
				res = d.resolve(res)
				schema := child(firstValue(child(res, "content")), "schema")
				o.Responses = append(o.Responses, docsField{Name: status, Type: d.typeName(schema), Note: textAt(res, "description")})
			})
			out = append(out, o)
		})
	})
	return out
}

// properties returns the fields of an object, those of allOf too.
func (d docsReader) properties(schema *yaml.Node) []docsField {
	schema = d.resolve(schema)
	var out []docsField
	for _, part := range items(child(schema, "allOf")) {
		out = append(out, d.properties(part)...)
	}
	each(child(schema, "properties"), func(name string, p *yaml.Node) {
		note := textAt(p, "description")
		if values := items(child(p, "enum")); len(values) > 0 {
			note = strings.TrimSpace(note + " One of " + joined(values, ", ") + ".")
		}
		out = append(out, docsField{Name: name, Type: d.typeName(p), Note: note})
	})
	return out
}

// typeName says in a word what a schema allows.
func (d docsReader) typeName(schema *yaml.Node) string {
	if schema == nil {
		return ""
	}
	if ref := textAt(schema, "$ref"); ref != "" {
		return ref[strings.LastIndexByte(ref, '/')+1:]
	}
	if kind := child(schema, "type"); kind != nil {
		if kind.Kind == yaml.SequenceNode {
			return joined(items(kind), " or ")
		}
		if kind.Value == "array" {
			return "list of " + d.typeName(child(schema, "items"))
		}
		return kind.Value
	}
	for _, combined := range []string{"allOf", "anyOf"} {
		if parts := items(child(schema, combined)); len(parts) > 0 {
			return d.typeName(parts[0])
		}
	}
	return "any"
}

// resolve follows a reference within the document.
func (d docsReader) resolve(n *yaml.Node) *yaml.Node {
	ref := textAt(n, "$ref")
	if ref == "" {
		return n
	}
	out := d.root
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		out = child(out, part)
	}
	return out
}

// child returns the value of a key of a mapping; nil if there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func textAt(n *yaml.Node, key string) string {
	if v := child(n, key); v != nil {
		return v.Value
	}
	return ""
}

func firstValue(n *yaml.Node) *yaml.Node {
	if n == nil || len(n.Content) < 2 {
		return nil
	}
	return n.Content[1]
}

func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

func joined(nodes []*yaml.Node, sep string) string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = n.Value
	}
	return strings.Join(texts, sep)
}

// each calls fn with the keys and values of a mapping, in order.
func each(n *yaml.Node, fn func(string, *yaml.Node)) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		fn(n.Content[i].Value, n.Content[i+1])
	}
}
