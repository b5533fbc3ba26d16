package httpapi

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// The classes of rate limits (api.md 7).
const (
	classUser      = "user"
	classAnonymous = "anonymous"
	classGmail     = "gmail"
	classLogin     = "login"
	classTest      = "connection-test"
)

// The limits that no setting changes.
var (
	limitLogin = Limit{Requests: 10, Window: 15 * time.Minute}
	limitTest  = Limit{Requests: 10, Window: time.Minute}
)

// limitKey is what is counted together.
type limitKey struct {
	class string
	user  int64
	addr  netip.Addr
	name  uint64 // hash of a user name
}

// window is a fixed window: it begins with its first request (api.md D16).
type window struct {
	used int
	ends time.Time
}

const (
	limitShards = 32
	// maxWindows bounds the windows of a shard, whoever asks from how many addresses.
	maxWindows = 4096
)

// Limits counts requests in memory. It forgets at a restart (api.md D67).
type Limits struct {
	now    func() time.Time
	seed   maphash.Seed
	shards [limitShards]struct {
		sync.Mutex
		windows map[limitKey]window
	}
}

// NewLimits returns limits of which nothing is used.
func NewLimits(now func() time.Time) *Limits {
	l := &Limits{now: now, seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].windows = map[limitKey]window{}
	}
	return l
}

// count is how a limit stands after a request.
type count struct {
	class     string
	limit     Limit
	remaining int
	ends      time.Time
	wait      int // seconds until the window ends, rounded up
	over      bool
}

// take counts a request, or gives one back if n is -1.
func (l *Limits) take(key limitKey, limit Limit, n int) count {
	now := l.now()
	shard := &l.shards[maphash.Comparable(l.seed, key)%limitShards]
	shard.Lock()
	defer shard.Unlock()
	w, there := shard.windows[key]
	if !now.Before(w.ends) {
		if !there && len(shard.windows) >= maxWindows {
			makeRoom(shard.windows, now)
		}
		w = window{ends: now.Add(limit.Window)}
	}
	over := w.used >= limit.Requests && n > 0
	if !over {
		w.used = max(0, w.used+n)
	}
	shard.windows[key] = w
	wait := max(1, int(math.Ceil(w.ends.Sub(now).Seconds())))
	return count{key.class, limit, max(0, limit.Requests-w.used), w.ends, wait, over}
}

// makeRoom forgets windows that have ended, and if none has, an eighth of all.
func makeRoom(windows map[limitKey]window, now time.Time) {
	for key, w := range windows {
		if !now.Before(w.ends) {
			delete(windows, key)
		}
	}
	if len(windows) < maxWindows {
		return
	}
	for key := range windows {
		if delete(windows, key); len(windows) <= maxWindows*7/8 {
			return
		}
	}
}

// header tells clients how the limit stands (draft-ietf-httpapi-ratelimit-headers-11).
func (c count) header(h http.Header) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(c.limit.Requests))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(c.remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(int64(math.Ceil(float64(c.ends.UnixMilli())/1000)), 10))
	h.Set("RateLimit-Policy", fmt.Sprintf(`"%s";q=%d;w=%d`, c.class, c.limit.Requests, int(c.limit.Window.Seconds())))
	h.Set("RateLimit", fmt.Sprintf(`"%s";r=%d;t=%d`, c.class, c.remaining, c.wait))
}

// throttled is the answer to a request over a limit that ends in so many seconds.
func throttled(seconds int) error {
	unit := "seconds"
	if seconds == 1 {
		unit = "second"
	}
	return &apiError{
		status: http.StatusTooManyRequests, code: "throttled", retryAfter: seconds,
		detail: fmt.Sprintf("Request was throttled. Expected available in %d %s.", seconds, unit),
	}
}

// spend counts a request against a limit. It returns the answer of a request over it.
func (a *api) spend(r *request, key limitKey, limit Limit) error {
	if limit.Requests <= 0 {
		return nil
	}
	c := a.limits.take(key, limit, 1)
	c.header(r.w.Header())
	if c.over {
		return throttled(c.wait)
	}
	return nil
}

// countAnonymous counts by address; IPv6 by its /64.
func (a *api) countAnonymous(r *request) error {
	return a.spend(r, limitKey{class: classAnonymous, addr: network(r.client)}, a.opts.LimitAnonymous)
}

// countUser counts over all tokens of the user.
func (a *api) countUser(r *request, rt *route) error {
	class, limit := classUser, a.opts.LimitUser
	if rt.gmail {
		class, limit = classGmail, a.opts.LimitGmail
	}
	return a.spend(r, limitKey{class: class, user: int64(r.who.User)}, limit)
}

// countTest counts connection tests of the user, which could serve as a port scanner (api.md D36).
func (a *api) countTest(r *request) error {
	c := a.limits.test(r.who.User)
	if c.over {
		c.header(r.w.Header())
		return throttled(c.wait)
	}
	return nil
}

func (l *Limits) test(user domain.UserID) count {
	return l.take(limitKey{class: classTest, user: int64(user)}, limitTest, 1)
}

// Test counts a connection test of a user. It returns the seconds to wait, 0 if it may begin.
func (l *Limits) Test(user domain.UserID) int {
	if c := l.test(user); c.over {
		return c.wait
	}
	return 0
}

// countLogin counts an attempt as a failure; forgive takes it back.
func (a *api) countLogin(r *request, name string) (forgive func(), err error) {
	c, forgive := a.limits.login(name, r.client)
	if c.over {
		c.header(r.w.Header())
		return nil, throttled(c.wait)
	}
	return forgive, nil
}

// login counts an attempt as a failure. Attempts at the same time so cannot be more than the limit.
func (l *Limits) login(name string, client netip.Addr) (c count, forgive func()) {
	var h maphash.Hash
	h.SetSeed(l.seed)
	h.WriteString(strings.ToLower(name))
	key := limitKey{class: classLogin, addr: network(client), name: h.Sum64()}
	return l.take(key, limitLogin, 1), func() { l.take(key, limitLogin, -1) }
}

// Login counts an attempt to sign in as a failure; forgive takes it back. It returns the
// seconds to wait, 0 if the attempt may be made.
func (l *Limits) Login(name string, client netip.Addr) (forgive func(), wait int) {
	c, forgive := l.login(name, client)
	if c.over {
		return forgive, c.wait
	}
	return forgive, 0
}

func network(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	binary.BigEndian.PutUint64(b[8:], 0)
	return netip.AddrFrom16(b)
}
