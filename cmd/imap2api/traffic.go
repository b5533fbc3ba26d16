package main

import (
	"net/http"
	"sync"
	"time"
)

// trafficMinutes is how far back traffic is counted.
const trafficMinutes = 60

// traffic counts requests by the minute, for people to look at; metrics are for machines.
type traffic struct {
	now    func() time.Time
	mu     sync.Mutex
	counts [trafficMinutes]int
	last   int64 // minute, since 1970, that was counted last
}

func newTraffic(now func() time.Time) *traffic { return &traffic{now: now} }

// count counts what comes to a handler.
func (t *traffic) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		t.counts[t.advance()]++
		t.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// advance forgets minutes that are over, and returns the place of the present one.
func (t *traffic) advance() int {
	minute := t.now().Unix() / 60
	for t.last = max(t.last, minute-trafficMinutes); t.last < minute; {
		t.last++
		t.counts[t.last%trafficMinutes] = 0
	}
	return int(minute % trafficMinutes)
}

// minutes returns the requests of the last minutes, oldest first; the last one is not over.
func (t *traffic) minutes() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.advance()
	out := make([]int, 0, trafficMinutes)
	for i := range trafficMinutes {
		out = append(out, t.counts[(at+1+i)%trafficMinutes])
	}
	return out
}
