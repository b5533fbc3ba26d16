// Package adaptertest holds the contracts of ports that have two implementations, as tests that
// each of them runs: what one answers, the other answers too. It is for tests only.
package adaptertest
