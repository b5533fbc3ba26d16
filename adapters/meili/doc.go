// Package meili is the search read model in Meilisearch, through meilisearch-go: where its
// generations are (Engine), what a fold writes (Store) and what a search asks (Reader). It
// keeps no truth: pointer, checkpoints and mail stay in Postgres, and every index can be made
// again from them. It does not parse, cut words or decide which engine answers.
//
// # What is in an index
//
// One document for each message, with a key of journal and id; numbers, flags and the folder as
// filters; and the words of subject, people, file names and body, cut and folded before they are
// sent, so that what is stored and what is asked are cut by one code. Runs of scripts without
// spaces are left out, since Meilisearch cuts them by dictionaries and finds a run only where its
// own cut allows. Names of folders and flags are hashed: Meilisearch compares text without regard
// to case and understands escapes in filters.
//
// # Where a generation is
//
// A generation is made in an index of its own. Promoting it swaps it with the index that has
// the name of the version, so that this name always means what is live; what was live is then
// found under the name of the promoted one. So names do not tell generations: each index holds a
// document whose key is the tag of its generation, and every writer looks for that first. Which
// generation is live is said by Postgres alone. A crash between the swap and the commit of the
// pointer leaves two indexes that are both complete and both followed, and the next Check swaps
// them back.
package meili
