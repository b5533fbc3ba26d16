package main

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A proxy stands between the program and a mail server, and does to what the server says what networks and
// broken servers do.
type proxy struct {
	port    int
	target  string
	mu      sync.Mutex
	rng     *rand.Rand
	faults  bool   // by chance: cut, stalled, delayed, corrupted
	freeze  string // the connection on which the program says this next says nothing any more; "": none
	open    map[net.Conn]bool
	hurt    map[string]int // faults so far, by kind
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
		port: l.Addr().(*net.TCPAddr).Port, target: target, rng: rand.New(rand.NewPCG(seed, 1)),
		open: map[net.Conn]bool{}, hurt: map[string]int{},
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

// n is a number by chance below a bound.
func (p *proxy) n(bound int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.IntN(bound)
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close() //nolint:errcheck // perhaps closed already
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // perhaps closed already
	frozen := make(chan struct{})
	p.set(func() { p.open[client] = true })
	defer p.set(func() { delete(p.open, client) })
	ended := make(chan struct{}) // the program hears no more
	p.waiting.Go(func() {
		p.listen(server, client, frozen)
		close(ended)
		_ = server.Close()
	})
	r := &relay{proxy: p, from: bufio.NewReader(server), to: client, frozen: frozen, ended: ended}
	r.plan(0)
	r.run()
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

// A relay hands on what the server says on one connection: lines, and literals after those that announce one
// (RFC 9051 section 4.3).
type relay struct {
	*proxy
	from          *bufio.Reader
	to            io.Writer
	frozen, ended <-chan struct{}

	line int    // its number
	at   int    // the line that something happens to
	kind string // what does
	half bool   // in the literal after it
}

// The faults. In the text of a message and in its flags no octet is changed for another: plain IMAP has no sums, so
// nobody could tell; TLS has them, and makes of such a fault one that cuts. The same holds for digits that
// become other digits. What is lost, double, cut or no syntax, and each wrong length, must be seen.
var faultKinds = []string{"cut", "cut", "stall", "delay", "flip", "flip", "truncate", "truncate", "duplicate", "count", "shorten"}

// plan chooses what happens next on the connection: soon or late, since all of a session is to be met.
func (r *relay) plan(after int) {
	r.set(func() {
		r.at = r.line + after + int(math.Exp(r.rng.Float64()*math.Log(200)))
		r.kind = faultKinds[r.rng.IntN(len(faultKinds))]
		r.half = r.rng.IntN(2) == 0
	})
}

// run hands on until the connection ends.
func (r *relay) run() {
	for {
		said, err := r.read()
		select {
		case <-r.frozen:
			_, _ = io.Copy(io.Discard, r.from)
			return
		default:
		}
		if err != nil {
			_, _ = r.to.Write(said.whole())
			return
		}
		r.line++
		due := false
		r.set(func() {
			if due = r.faults && r.line >= r.at && fits(r.kind, said); due {
				r.hurt[r.kind]++
			}
		})
		if !due {
			if _, err := r.to.Write(said.whole()); err != nil {
				return
			}
			continue
		}
		if !r.fault(said) {
			return
		}
		r.plan(20) // so that no message is hurt each time
	}
}

// said is one answer of the server: a line, a literal if that announces one, and what comes after it.
type said struct{ line, literal, rest []byte }

func (s said) whole() []byte { return slices.Concat(s.line, s.literal, s.rest) }

var announced = regexp.MustCompile(`\{(\d+)\}\r\n$`)

func (r *relay) read() (s said, err error) {
	if s.line, err = r.from.ReadBytes('\n'); err != nil || s.line[0] != '*' {
		return s, err
	}
	if s.literal, err = r.literal(s.line); s.literal == nil || err != nil {
		return s, err
	}
	for {
		line, err := r.from.ReadBytes('\n')
		s.rest = append(s.rest, line...)
		if err != nil {
			return s, err
		}
		literal, err := r.literal(line)
		s.rest = append(s.rest, literal...)
		if literal == nil || err != nil {
			return s, err
		}
	}
}

// literal reads the literal that a line announces; nil: none.
func (r *relay) literal(line []byte) ([]byte, error) {
	m := announced.FindSubmatch(line)
	if m == nil {
		return nil, nil
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return nil, err
	}
	literal := make([]byte, n)
	_, err = io.ReadFull(r.from, literal)
	return literal, err
}

// fits reports whether a fault can happen to an answer.
func fits(kind string, s said) bool {
	switch kind {
	case "count", "shorten":
		return len(s.literal) > 20
	case "flip":
		return len(syntax(s.line)) > 0
	}
	return len(s.line) > 3
}

// fault does what is planned, and reports whether the connection goes on.
func (r *relay) fault(s said) bool {
	switch r.kind {
	case "cut", "stall":
		at := r.n(len(s.line))
		if r.half && len(s.literal) > 0 {
			at = len(s.line) + r.n(len(s.literal))
		}
		_, _ = r.to.Write(s.whole()[:at])
		if r.kind == "stall" {
			select {
			case <-r.ended:
			case <-time.After(3 * time.Second):
			}
		}
		return false
	case "delay":
		<-time.After(time.Duration(r.n(300)) * time.Millisecond)
	case "flip": // to an octet that no word of the protocol has
		places := syntax(s.line)
		s.line[places[r.n(len(places))]] |= 0x80
	case "truncate": // not to nothing; the literal, if there is one, is lines then
		s.line = slices.Concat(s.line[:1+r.n(len(s.line)-3)], []byte("\r\n"))
	case "duplicate":
		s.rest = slices.Concat(s.rest, s.whole())
	case "count": // up to 20 fewer, up to 3 more
		m := announced.FindSubmatchIndex(s.line)
		other := len(s.literal) + 3 - r.n(24)
		if other == len(s.literal) {
			other++
		}
		s.line = slices.Concat(s.line[:m[2]], []byte(strconv.Itoa(other)), s.line[m[3]:])
	case "shorten": // by as much as always spoils what comes behind
		s.literal = s.literal[:len(s.literal)-1-r.n(3)]
	}
	_, err := r.to.Write(s.whole())
	return err == nil
}

var (
	words = regexp.MustCompile(`^(\S+ \S+( (EXISTS|FETCH|EXPUNGE))?)`)
	uid   = regexp.MustCompile(`\bUID [\d:,]+`)
	code  = regexp.MustCompile(`\[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ) \d+\]`)
	found = regexp.MustCompile(`\b(ALL|EARLIER\)) [\d:,]+`)
	mark  = regexp.MustCompile(`BODY\[\] \{\d+\}`)
)

// syntax returns the places in a line where an octet that is no syntax must be noticed.
func syntax(line []byte) (places []int) {
	for _, part := range []*regexp.Regexp{words, uid, code, found, mark} {
		for _, m := range part.FindAllIndex(line, -1) {
			for i := m[0]; i < m[1]; i++ {
				if line[i] > ' ' {
					places = append(places, i)
				}
			}
		}
	}
	return places
}
