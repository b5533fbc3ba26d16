package meilitest

import (
	"fmt"
	"net/http"
)

// failure is an answer that is an error, and the error of a task.
type failure struct {
	status     int
	code, kind string
	message    string
}

type failureJSON struct {
	Message string `json:"message"`
	Code    string `json:"code"`
	Type    string `json:"type"`
	Link    string `json:"link"`
}

func (f *failure) json() *failureJSON {
	return &failureJSON{f.message, f.code, f.kind, "https://docs.meilisearch.com/errors#" + f.code}
}

func invalid(status int, code, format string, args ...any) *failure {
	return &failure{status, code, "invalid_request", fmt.Sprintf(format, args...)}
}

func indexNotFound(uid string) *failure {
	return invalid(http.StatusNotFound, "index_not_found", "Index `%s` not found.", uid)
}

var (
	noAuthorization = &failure{
		http.StatusUnauthorized, "missing_authorization_header", "auth",
		"The Authorization header is missing. It must use the bearer authorization method.",
	}
	wrongKey = &failure{http.StatusForbidden, "invalid_api_key", "auth", "The provided API key is invalid."}
)

func tooLarge(limit int64, documents bool) *failure {
	if !documents {
		return invalid(http.StatusRequestEntityTooLarge, "payload_too_large", "JSON payload has exceeded limit (%d bytes).", limit)
	}
	size := fmt.Sprintf("%d B", limit)
	switch {
	case limit%1_000_000 == 0:
		size = fmt.Sprintf("%d MB", limit/1_000_000)
	case limit%1000 == 0:
		size = fmt.Sprintf("%d KB", limit/1000)
	}
	return invalid(http.StatusRequestEntityTooLarge, "payload_too_large",
		"The provided payload reached the size limit. The maximum accepted payload size is %s.", size)
}
