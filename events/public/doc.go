// Package public is events as clients see them, in the feed, the stream and
// webhooks (api.md 10.6, webhooks.md 3): public type names, JSON shapes, schemas and
// examples. What it writes follows from the event alone, so that all three are the
// same byte for byte. It reads nothing and stores nothing.
package public
