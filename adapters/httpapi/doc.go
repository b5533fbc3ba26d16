// Package httpapi is the REST API: routes, authentication, rate limits, input
// coercion, JSON shapes, error bodies and streams, as api.md fixes them. It
// decides nothing: each handler decodes, calls one function of App and encodes.
package httpapi
