// Package events owns the facts of the log: every event type with its version,
// how it is stored and read back, the envelope it travels in, journals and
// positions, and the leaf and the link of the hash chain. It stores nothing and
// decides nothing.
package events
