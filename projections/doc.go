// Package projections owns the folds: one file for each read model, with the
// port of its store, and what is common to all: catching up, building anew,
// lag. A fold is a pure function of events, of the raw messages that they name
// and of its own rows; it decides nothing and makes no id.
package projections
