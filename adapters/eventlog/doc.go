// Package eventlog keeps the journals in Postgres: appending through Watermill's
// publisher with the hash chain and the state that decisions need, catching up
// of consumers behind Watermill's subscriber, generations of read models,
// wake-ups, the feed and the proof that nothing is lost. It knows the shape of
// no read model.
package eventlog
