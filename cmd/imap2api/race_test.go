//go:build race

package main

const raceEnabled = true // and all takes some times as long
