package public

import (
	"reflect"
	"strings"
)

// schemaJSON is the part of JSON Schema 2020-12 that the shapes need.
type schemaJSON struct {
	Dialect    string   `json:"$schema,omitempty"`
	Title      string   `json:"title,omitempty"`
	Type       any      `json:"type"` // a name, or a list of names with null
	Format     string   `json:"format,omitempty"`
	Properties *members `json:"properties,omitempty"`
	Required   []string `json:"required,omitempty"`
	Items      any      `json:"items,omitempty"`
}

// members are properties in the order of the shape.
type members struct {
	names   []string
	schemas []schemaJSON
}

// MarshalJSON keeps the order.
func (m *members) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	for i, name := range m.names {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.Write(marshal(name))
		b.WriteByte(':')
		b.Write(marshal(m.schemas[i]))
	}
	return []byte(b.String() + "}"), nil
}

// schemaOf returns the schema of the data of a type, from its shape: new keys may be added
// (webhooks.md 3), so others are allowed.
func schemaOf(k kind) []byte {
	s := schemaFor(reflect.TypeOf(k.example))
	s.Dialect, s.Title = "https://json-schema.org/draft/2020-12/schema", k.name
	return marshal(s)
}

func schemaFor(t reflect.Type) schemaJSON {
	switch t.Kind() {
	case reflect.Pointer:
		s := schemaFor(t.Elem())
		s.Type = []any{s.Type, "null"}
		return s
	case reflect.Struct:
		s := schemaJSON{Type: "object", Properties: &members{}}
		s.addFields(t)
		return s
	case reflect.Slice:
		return schemaJSON{Type: "array", Items: schemaFor(t.Elem())}
	case reflect.Bool:
		return schemaJSON{Type: "boolean"}
	case reflect.String:
		s := schemaJSON{Type: "string"}
		if t == reflect.TypeFor[Timestamp]() {
			s.Format = "date-time"
		}
		return s
	}
	return schemaJSON{Type: "integer"}
}

func (s *schemaJSON) addFields(t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			s.addFields(f.Type)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		s.Properties.names = append(s.Properties.names, name)
		s.Properties.schemas = append(s.Properties.schemas, schemaFor(f.Type))
		s.Required = append(s.Required, name)
	}
}
