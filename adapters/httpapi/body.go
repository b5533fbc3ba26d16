package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// readBody returns the body, "" for none. It returns errTooLarge.
func (a *api) readBody(r *request) ([]byte, error) {
	if r.ContentLength > a.opts.MaxBody {
		return nil, errTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, a.opts.MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, errTooLarge
	case err != nil:
		return nil, parseError("the body ended early")
	}
	return body, nil
}

// decodeBody reads a JSON object, or with forms a form too; no body counts as {} (api.md 4.1).
func (a *api) decodeBody(r *request, forms bool) (*decoder, error) {
	body, err := a.readBody(r)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return newDecoder(nil), nil
	}
	given := r.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(given)
	switch {
	case err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter):
		return nil, unsupported(given)
	case kind == "application/json":
		return decodeObject(body)
	case forms && kind == "application/x-www-form-urlencoded":
		return decodeForm(body)
	case forms && kind == "multipart/form-data":
		return decodeMultipart(body, params["boundary"])
	}
	return nil, unsupported(given)
}

func unsupported(given string) error {
	return &apiError{
		status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
		detail: `Unsupported media type "` + given + `" in request.`,
	}
}

func parseError(reason string) error {
	return &apiError{status: http.StatusBadRequest, code: "parse_error", detail: "JSON parse error - " + reason}
}

// decodeObject reads one JSON object, strictly (api.md 4.1).
func decodeObject(body []byte) (*decoder, error) {
	if !utf8.Valid(body) {
		return nil, parseError("the body is not UTF-8")
	}
	var value json.RawMessage
	if err := json.Unmarshal(body, &value); err != nil {
		return nil, parseError(err.Error())
	}
	switch kind := kindOf(value); kind {
	case "dict":
	case "NoneType":
		return nil, invalid("non_field_errors", "No data provided")
	default:
		return nil, invalid("non_field_errors", "Invalid data. Expected a dictionary, but got "+kind+".")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(value, &fields); err != nil {
		return nil, parseError(err.Error())
	}
	return newDecoder(fields), nil
}

// kindOf names the type of a JSON value as Python does, which DRF puts into messages.
func kindOf(value json.RawMessage) string {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) == 0:
		return "NoneType"
	case value[0] == '{':
		return "dict"
	case value[0] == '[':
		return "list"
	case value[0] == '"':
		return "str"
	case value[0] == 't' || value[0] == 'f':
		return "bool"
	case value[0] == 'n':
		return "NoneType"
	case bytes.ContainsAny(value, ".eE"):
		return "float"
	}
	return "int"
}

func decodeForm(body []byte) (*decoder, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, parseError("the form cannot be read")
	}
	return fromValues(values), nil
}

// maxFormParts bounds the parts of a form.
const maxFormParts = 100

func decodeMultipart(body []byte, boundary string) (*decoder, error) {
	values := url.Values{}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxFormParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, parseError("the form cannot be read")
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, parseError("the form cannot be read")
		}
		if part.FileName() == "" {
			values.Add(part.FormName(), string(text))
		}
	}
	return fromValues(values), nil
}

// fromValues makes fields of text of a form; of a repeated one the last counts.
func fromValues(values url.Values) *decoder {
	fields := map[string]json.RawMessage{}
	for name, all := range values {
		fields[name] = mustJSON(strings.ToValidUTF8(all[len(all)-1], "\ufffd"))
	}
	return newDecoder(fields)
}

// expectsList is the fault of a value that is no list.
func expectsList(value json.RawMessage) string {
	return fmt.Sprintf(`Expected a list of items but got type "%s".`, kindOf(value))
}
