// Package commands owns the decisions: one file each, with the ports it needs,
// and the loop that syncs accounts. A command gathers what it needs, decides by
// a pure function and records events; it reads no read model.
package commands
