package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// peerSearches is how many searches of a class others are asked, one after the other.
const peerSearches = 20

// peerClasses are the classes that others have words for, in these.
func (g *searchRig) peerClasses() map[string][]string {
	p := g.source.mail.plants
	star := func(text string) string { return text + "*" }
	same := func(text string) string { return text }
	out := map[string][]string{}
	for class, say := range map[string]func(string) string{
		"rare": same, "medium": same, "common": same, "prefix": star, "phrase": same, "from": same,
	} {
		for _, q := range p[class][:min(peerSearches, len(p[class]))] {
			out[class] = append(out[class], say(q.query))
		}
	}
	for _, q := range pairs("%s %s", p["medium"], p["medium"])[:peerSearches] {
		out["two medium"] = append(out["two medium"], q.query)
	}
	return out
}

// A peer is somebody else's search of the same mail.
type peer struct {
	Build float64              // seconds
	Size  int64                // octets of its index
	Page  map[string][]float64 // ms of each search for the newest 50, by class
	Count map[string][]float64 // ms to count its hits
}

// notmuch indexes the Maildir and searches it. Each search is a process, as for who uses it.
func (g *searchRig) notmuch() *peer {
	g.b.Helper()
	if _, err := exec.LookPath("notmuch"); err != nil {
		g.b.Logf("not compared with notmuch: %v", err)
		return nil
	}
	config := filepath.Join(g.dir, "notmuch")
	g.must(os.WriteFile(config, fmt.Appendf(nil, "[database]\npath=%s\n[user]\nname=b\nprimary_email=b@example.org\n[new]\ntags=new\n", g.maildir()), 0o600))
	env := []string{"NOTMUCH_CONFIG=" + config}
	p := &peer{Build: g.command(env, "notmuch", "new", "--quiet").Seconds(), Page: map[string][]float64{}, Count: map[string][]float64{}}
	index, err := filepath.Glob(filepath.Join(g.maildir(), ".notmuch", "xapian", "*"))
	g.must(err)
	for _, path := range index {
		about, err := os.Stat(path)
		g.must(err)
		p.Size += about.Size()
	}
	ms := func(args ...string) float64 { return g.command(env, "notmuch", args...).Seconds() * 1000 }
	for class, queries := range g.peerClasses() {
		for until, i := time.Now().Add(3*time.Second), 0; i < len(queries) && time.Now().Before(until); i++ {
			p.Page[class] = append(p.Page[class], ms("search", "--limit=50", queries[i]))
			p.Count[class] = append(p.Count[class], ms("count", queries[i]))
		}
	}
	return p
}

// fts5 keeps the text of each message in a table of SQLite's FTS5, as small mail servers do,
// and asks for page and count in the process of the database.
const fts5 = `
import json, os, sqlite3, sys, time
texts, queries, path = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
db.executescript("""PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -200000;
CREATE TABLE message (id INTEGER PRIMARY KEY, date INTEGER NOT NULL);
CREATE INDEX message_date ON message (date);
CREATE VIRTUAL TABLE search USING fts5 (text);""")
begun = time.perf_counter()
rows = 0
db.execute("BEGIN")
for line in open(texts):
    m = json.loads(line)
    db.execute("INSERT INTO message VALUES (?, ?)", (m["id"], m["date"]))
    db.execute("INSERT INTO search (rowid, text) VALUES (?, ?)", (m["id"], m["text"]))
    rows += 1
    if rows % 1000 == 0:
        db.execute("COMMIT")
        db.execute("BEGIN")
db.execute("COMMIT")
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
out = {"Build": time.perf_counter() - begun, "Page": {}, "Count": {}}
out["Size"] = db.execute("SELECT sum(length(block)) FROM search_data").fetchone()[0]
page = "SELECT m.id FROM search JOIN message m ON m.id = search.rowid WHERE search MATCH ? ORDER BY m.date DESC LIMIT 50"
count = "SELECT count(*) FROM search WHERE search MATCH ?"
for name, list in json.loads(queries).items():
    for kind, sql in (("Page", page), ("Count", count)):
        took = out[kind].setdefault(name, [])
        for q in list:
            begun = time.perf_counter()
            db.execute(sql, (q,)).fetchall()
            took.append((time.perf_counter() - begun) * 1000)
print(json.dumps(out))
`

func (g *searchRig) fts5() *peer {
	g.b.Helper()
	classes := g.peerClasses()
	for i, q := range classes["from"] { // there is one column
		classes["from"][i] = strings.TrimPrefix(q, "from:")
	}
	queries, err := json.Marshal(classes)
	g.must(err)
	path := filepath.Join(g.dir, "fts5.db")
	cmd := exec.CommandContext(g.b.Context(), "python3", "-c", fts5, g.textFile(), string(queries), path)
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	if err != nil {
		g.b.Logf("not compared with FTS5: %v", err)
		return nil
	}
	var p peer
	g.must(json.Unmarshal(said, &p))
	return &p
}

// median is that of some numbers, in words.
func median(list []float64) string {
	if len(list) == 0 {
		return "–"
	}
	var l load
	for _, ms := range list {
		l.times = append(l.times, time.Duration(ms*float64(time.Millisecond)))
	}
	l.took = time.Second
	return strconv.FormatFloat(l.sum().p50, 'f', 1, 64)
}
