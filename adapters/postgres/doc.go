// Package postgres keeps in one Postgres database what is not the event log:
// the tables, the stores and the readers of the read models, raw messages and
// what was parsed of them, sealed secrets, users and tokens, and the queue of
// sync runs. It appends nothing and folds nothing.
package postgres
