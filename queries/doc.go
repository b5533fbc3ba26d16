// Package queries owns the questions: one file each, with the ports they need,
// views, paging and cursors. A query writes nothing and reads one read model;
// views have no tags, since shapes belong to those who show them.
package queries
