package gmailapi

import (
	_ "embed" // the document
	"encoding/json"
	"net/http"
	"strings"
	"sync"
)

// discoveryDocument describes the methods that are answered; {{root}} stands for the address of the server.
//
//go:embed discovery.json
var discoveryDocument string

func isDiscovery(path string) bool {
	return path == "/$discovery/rest" || path == "/discovery/v1/apis/gmail/v1/rest"
}

// discovery answers with the document, written for this server (api.md 11.14).
func (h *Handler) discovery(c *call) (Answer, error) {
	version := c.last("version")
	reading := c.Method == http.MethodGet || c.Method == http.MethodHead
	if !reading || version != "v1" && (version != "" || c.Path == "/$discovery/rest") {
		return Answer{}, notFound()
	}
	body := strings.ReplaceAll(discoveryDocument, "{{root}}", c.Origin)
	return Answer{Status: http.StatusOK, ContentType: jsonType, Body: []byte(body)}, nil
}

// schemas has the properties of each schema, with the schema of each property, "" for one without.
var schemas = sync.OnceValue(func() map[string]map[string]string {
	type property struct {
		Ref   string `json:"$ref"`
		Items struct {
			Ref string `json:"$ref"`
		} `json:"items"`
	}
	var doc struct {
		Schemas map[string]struct {
			Properties map[string]property `json:"properties"`
		} `json:"schemas"`
	}
	if err := json.Unmarshal([]byte(discoveryDocument), &doc); err != nil { // it is embedded
		panic(err)
	}
	out := map[string]map[string]string{}
	for name, s := range doc.Schemas {
		out[name] = map[string]string{}
		for key, p := range s.Properties {
			out[name][key] = p.Ref + p.Items.Ref
		}
	}
	return out
})
