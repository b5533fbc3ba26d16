package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// A proxy stands between the program and a mail server, and does to what the server says what networks do.
type proxy struct {
	port    int
	target  string
	mu      sync.Mutex
	rng     *rand.Rand
	faults  bool          // by chance: cut, delayed, corrupted
	freeze  string        // the connection on which the program says this next says nothing any more; "": none
	delay   time.Duration // of each piece that the server says
	open    map[net.Conn]bool
	cuts    int // connections that were cut, so far
	opened  int
	waiting sync.WaitGroup
}

// newProxy runs a proxy on 127.0.0.2 until the test ends.
func newProxy(t testing.TB, target string, seed uint64) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{
		port: l.Addr().(*net.TCPAddr).Port, target: target, rng: rand.New(rand.NewPCG(seed, 1)), open: map[net.Conn]bool{},
	}
	p.waiting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.waiting.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.set(func() {
			for c := range p.open {
				_ = c.Close()
			}
		})
		p.waiting.Wait()
	})
	return p
}

func (p *proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close() //nolint:errcheck // perhaps closed already
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // perhaps closed already
	frozen := make(chan struct{})
	p.set(func() { p.open[client] = true; p.opened++ })
	defer p.set(func() { delete(p.open, client) })
	p.waiting.Go(func() {
		p.listen(server, client, frozen)
		_ = server.Close()
	})
	p.copy(client, server, frozen)
}

// listen hands on what the program says until the connection ends.
func (p *proxy) listen(to, from net.Conn, frozen chan struct{}) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		p.set(func() {
			if p.freeze != "" && bytes.Contains(buf[:n], []byte(p.freeze)) {
				p.freeze = ""
				close(frozen)
			}
		})
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

// copy hands on what the server says until the connection ends, hurt by chance.
func (p *proxy) copy(to, from net.Conn, frozen <-chan struct{}) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-frozen:
			_, _ = io.Copy(io.Discard, from)
			return
		default:
		}
		piece, cut := p.hurt(buf[:n])
		if _, failed := to.Write(piece); failed != nil || err != nil || cut {
			return
		}
	}
}

// hurt delays, corrupts or cuts a piece by chance.
func (p *proxy) hurt(piece []byte) (out []byte, cut bool) {
	p.mu.Lock()
	pause, what := p.delay, 0
	if p.faults && len(piece) > 0 {
		what = p.rng.IntN(120)
	}
	at := 0
	if len(piece) > 0 {
		at = p.rng.IntN(len(piece))
	}
	noise := byte(1 + p.rng.IntN(255))
	if what == 1 || what == 2 {
		p.cuts++
	}
	p.mu.Unlock()
	switch what {
	case 1, 2: // in the middle of whatever it is
		piece, cut = piece[:at], true
	case 3, 4:
		pause += 20 * time.Millisecond
	case 5:
		piece[at] ^= noise
	}
	if pause > 0 {
		<-time.After(pause)
	}
	return piece, cut
}
