package imapsource

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/imap2api/imap2api/commands"
)

// errLine says that an answer is longer than any honest one.
var errLine = errors.New("answer line is too long")

// wire is the connection as the library sees it: answers come a line or a
// literal at a time, with deadlines of ours. Lines that nothing here needs are
// left out: the library closes the connection at the first one it cannot parse,
// be it a flag with a bracket at EXAMINE or an answer of an unknown extension.
type wire struct {
	net.Conn // TCP or TLS
	br       *bufio.Reader
	maxLine  int
	timeout  time.Duration // of a read while a command runs
	secret   *strings.Replacer
	log      *slog.Logger

	torn atomic.Bool // a literal was not read to its end

	mu      sync.Mutex
	running int   // commands that wait for an answer
	cause   error // why reading ended, nil if it did not
	bye     string
	said    string // the last NO, BAD, BYE or alert

	// The rest is of the one goroutine that reads.
	pending  []byte // of a line, to be handed out
	literal  int64  // octets left of a literal, to be handed out
	inside   bool   // of a logical line: its first fragment was seen
	lineType lineType
	lineLen  int
	tail     []byte // the end of a fragment that had no line end
	dropped  int    // lines left out
	repair   repair
}

func newWire(conn net.Conn, opt Options, login commands.Login) *wire {
	w := &wire{
		Conn: conn, maxLine: opt.MaxLine, timeout: opt.CommandTimeout,
		secret: strings.NewReplacer(), log: opt.Logger.With(slog.String("host", login.Host)),
	}
	if login.Password != "" {
		w.secret = strings.NewReplacer(login.Password, "***", base64.StdEncoding.EncodeToString([]byte(login.Password)), "***")
	}
	w.br = bufio.NewReaderSize(socketReader{w}, 64<<10)
	return w
}

// begin says that a command runs from now on: silence is a fault until end.
func (w *wire) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
	_ = w.Conn.SetReadDeadline(time.Now().Add(w.timeout)) // a read may be waiting already
}

// end takes back begin. Between commands a server may be silent for ever.
func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running--; w.running == 0 {
		_ = w.Conn.SetReadDeadline(time.Time{})
	}
}

// SetReadDeadline does nothing: the library allows thirty seconds for a whole
// answer and five minutes for a literal, which slow lines need more than.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetDeadline does nothing, as SetReadDeadline.
func (w *wire) SetDeadline(time.Time) error { return nil }

// why returns what ended the reading; nil if the library gave up on an answer.
func (w *wire) why() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}

// spoken returns the last words of the server: its BYE, else the last refusal.
func (w *wire) spoken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bye != "" {
		return w.bye
	}
	return w.said
}

// farewell returns the text of the server's BYE, "" if there was none.
func (w *wire) farewell() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bye
}

func (w *wire) fail(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.cause = err
	}
	return err
}

// socketReader reads with a deadline for each read.
type socketReader struct{ w *wire }

func (r socketReader) Read(p []byte) (int, error) {
	r.w.mu.Lock()
	if r.w.running > 0 {
		_ = r.w.Conn.SetReadDeadline(time.Now().Add(r.w.timeout))
	}
	r.w.mu.Unlock()
	n, err := r.w.Conn.Read(p)
	if err != nil {
		_ = r.w.fail(err)
	}
	return n, err
}

// Read hands out what is left after the filter.
func (w *wire) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(w.pending) > 0 {
			n := copy(p, w.pending)
			w.pending = w.pending[n:]
			return n, nil
		}
		if w.literal > 0 {
			return w.readLiteral(p[:min(int64(len(p)), w.literal)])
		}
		if err := w.next(); err != nil {
			return 0, err
		}
	}
}

// readLiteral hands out octets of a literal. If the connection ends inside, the
// rest is filled with zeros and marked as torn: after an error the library reads
// a literal a second time while its other goroutine goes on, both from one
// buffer.
func (w *wire) readLiteral(p []byte) (n int, err error) {
	if !w.torn.Load() {
		n, err = w.br.Read(p)
	}
	if n == 0 && w.literal < maxFill && (err != nil || w.torn.Load()) {
		w.torn.Store(true)
		clear(p)
		n, err = len(p), nil
	}
	w.literal -= int64(n)
	return n, err
}

// maxFill is more than any literal that is read to its end.
const maxFill = 2 << 30

// exactly reads n octets of a literal; ok is false if they are not all from the
// server.
func (w *wire) exactly(lit imap.LiteralReader, n int64) (body []byte, ok bool) {
	body = make([]byte, n)
	if _, err := io.ReadFull(lit, body); err != nil || w.torn.Load() {
		return nil, false
	}
	return body, true
}

// next reads one fragment: up to a line end, a literal or a full buffer.
func (w *wire) next() error {
	frag, err := w.br.ReadSlice('\n')
	whole := err == nil
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) && len(frag) == 0 {
		return err
	}
	first, begun := !w.inside, !w.inside || len(w.tail) == 0
	if first {
		w.inside, w.lineLen, w.tail = true, 0, w.tail[:0]
		w.lineType = classify(frag)
		w.listen(frag)
	}
	if w.lineLen += len(frag); w.lineLen > w.lineType.limit(w.maxLine) {
		return w.fail(errLine)
	}
	if !whole {
		w.tail = append(w.tail[:0], frag[max(0, len(frag)-maxLiteralMark):]...)
	} else if err := w.endFragment(frag); err != nil {
		return err
	}
	if w.lineType.drop() {
		return w.skipLiteral()
	}
	w.pending = frag
	if whole && begun {
		w.mend(frag, first)
	}
	return nil
}

// mend repairs a fragment that was read whole.
func (w *wire) mend(frag []byte, first bool) {
	switch {
	case w.lineType == lineNumber:
		w.pending = w.repair.numberLine(frag)
	case w.lineType == lineFetch && first:
		w.pending = w.repair.fetchLine(frag)
	case w.lineType == lineFetch:
		w.pending = w.repair.rest(frag)
	}
}

// maxLiteralMark is more than the longest end of a line that announces a
// literal: a brace, nineteen digits, a plus, a brace, CR and LF.
const maxLiteralMark = 32

// endFragment sees whether the line ends here or a literal follows.
func (w *wire) endFragment(frag []byte) error {
	end := frag
	if len(frag) < maxLiteralMark && len(w.tail) > 0 {
		end = slices.Concat(w.tail, frag)
	}
	w.tail = w.tail[:0]
	size, ofBody, ok := literalMark(end)
	if !ok || w.lineType.text() {
		w.inside = false
		return nil
	}
	// The library keeps all literals in memory but those of bodies.
	if !ofBody && !w.lineType.drop() && size > int64(w.maxLine) {
		return w.fail(fmt.Errorf("literal of %d octets outside of a body: %w", size, errLine))
	}
	w.literal = size
	return nil
}

func (w *wire) skipLiteral() error {
	for w.literal > 0 {
		n, err := w.br.Discard(int(min(w.literal, 1<<20)))
		w.literal -= int64(n)
		if err != nil {
			return err
		}
	}
	if !w.inside {
		w.dropped++
	}
	return nil
}

// literalMark reads the {n} at the end of a line, and whether it is the value
// of a body section (RFC 9051 section 9, msg-att-static).
func literalMark(line []byte) (size int64, ofBody, ok bool) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if len(line) < 3 || line[len(line)-1] != '}' {
		return 0, false, false
	}
	open := bytes.LastIndexByte(line, '{')
	if open < 0 {
		return 0, false, false
	}
	digits := bytes.TrimSuffix(line[open+1:len(line)-1], []byte("+"))
	size, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil || size < 0 {
		return 0, false, false
	}
	before := bytes.TrimSuffix(bytes.TrimSuffix(line[:open], []byte("~")), []byte(" "))
	ofBody = bytes.HasSuffix(before, []byte("]")) || bytes.HasSuffix(before, []byte(">"))
	return size, ofBody, true
}
