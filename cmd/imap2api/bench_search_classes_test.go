package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A searchAim says what is asked of a class; 0: nothing.
type searchAim struct {
	conns int     // from how many connections
	p95   float64 // ms
	rate  float64 // requests/s from 16 connections
}

var (
	rareAim    = searchAim{conns: 16, p95: 30}
	mediumAim  = searchAim{conns: 4, p95: 30, rate: 180}
	commonAim  = searchAim{conns: 4, p95: 150}
	ceilingAim = searchAim{conns: 4, p95: 400}
)

// classes are all that is measured. Hits are those at 200,000 messages.
func (g *searchRig) classes() []searchClass {
	p := g.source.mail.plants
	common := p["common"]
	out := []searchClass{
		{"rare word (23)", searches(p["rare"], ""), rareAim},
		{"no hit", searches(pairs("%snone%s", p["rare"], common), ""), rareAim},
		{"two medium words (20)", searches(pairs("%s %s", p["medium"], p["medium"]), ""), rareAim},
		{"rare and half of all (12)", searches(pairs("%s %s", p["rare"], common), ""), rareAim},
		{"rare OR rare (46)", searches(pairs("%s OR %s", p["rare"], p["rare"]), ""), rareAim},
		{"rare, not half of all (12)", searches(pairs("%s -%s", p["rare"], common), ""), rareAim},
		{"phrase (23 of 123)", searches(p["phrase"], ""), rareAim},
		{"from: (23)", searches(p["from"], ""), rareAim},
		{"subject: (23)", searches(operator("subject:", p["subject"]), ""), rareAim},
		{"two Chinese characters (23)", searches(p["chinese"], ""), rareAim},
		{"medium word (2,000)", searches(p["medium"], ""), mediumAim},
		{"medium, folder", searches(p["medium"], "&folder=Archive"), mediumAim},
		{"medium, folder, a month", searches(p["medium"], "&folder=INBOX&date_from=2025-06-01&date_to=2025-06-30"), mediumAim},
		{"medium after: a month", searches(pairs("%s after:2025/06/01 before:2025/07/01%.0s", p["medium"], common), ""), mediumAim},
		{"from: (2,000)", searches(p["from, medium"], ""), mediumAim},
		{"medium, page 20", searches(p["medium"], page(20, p["medium"])), mediumAim},
		{"half of all (100,000)", searches(common, ""), commonAim},
		{"half of all, folder", searches(common, "&folder=Archive"), commonAim},
		{"half of all, a month", searches(common, "&date_from=2025-06-01&date_to=2025-06-30"), commonAim},
		{"half of all, last page", searches(common, "&page=last"), ceilingAim},
		{"half of all, page 1,000", searches(common, page(1000, common)), ceilingAim},
		{"prefix (20,000)", searches(p["prefix"], ""), commonAim},
		{"three letters", searches(threeLetters(), ""), ceilingAim},
		{"half and half (50,000)", searches(pairs("%s %s", common, common), ""), ceilingAim},
		{"half OR half (150,000)", searches(pairs("%s OR %s", common, common), ""), ceilingAim},
		{"half, not half (50,000)", searches(pairs("%s -%s", common, common), ""), ceilingAim},
		{"only not half (100,000)", searches(pairs("-%s%.0s", common, common), ""), ceilingAim},
		{"phrase of half and half", searches(pairs(`"%s %s"`, common, common), ""), ceilingAim},
		{"only in old mail (50,000)", searches(p["old"], ""), ceilingAim},
		{"medium, by thread", searches(p["medium"], "&thread=true"), ceilingAim},
		{"half of all, by cursor", searches(common, "&cursor="), ceilingAim},
		{"medium, by subject", searches(p["medium"], "&ordering=subject"), ceilingAim},
	}
	if words := realWords(g.b, g.source.shared); len(words) > 0 {
		out = append(out, searchClass{"words of real mail", searches(words, ""), ceilingAim})
	}
	return out
}

// operator puts an operator before each search.
func operator(name string, list []planted) []planted {
	out := make([]planted, len(list))
	for i, p := range list {
		out[i] = planted{name + p.query, p.hits}
	}
	return out
}

// page asks for a page of fifty, or the last one before it that all searches have.
func page(n int, list []planted) string {
	return fmt.Sprintf("&page=%d", max(1, min(n, list[0].hits/50)))
}

// threeLetters are the beginnings of many words.
func threeLetters() []planted {
	var out []planted
	for k := range 40 {
		out = append(out, planted{word(100 + 131*k)[:3], -1})
	}
	return out
}

// realWords are words of the corpora, if they are there.
func realWords(tb testing.TB, shared string) []planted {
	tb.Helper()
	lists, err := filepath.Glob(filepath.Join(shared, "corpora", "search", "*.jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	var out []planted
	for _, path := range lists {
		text, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			var entry struct{ Word string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				tb.Fatal(err)
			}
			if n++; n <= 20 {
				out = append(out, planted{entry.Word, -1})
			}
		}
	}
	return out
}
