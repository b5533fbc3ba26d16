package imapsource

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/imap2api/imap2api/commands"
)

// errLine says that an answer is longer than any honest one.
var errLine = errors.New("answer line is too long")

// bufferSize is of the reader of a connection; a record of TLS fills it.
const bufferSize = 16 << 10

// wire is a connection as octets: each read and write has a deadline, what the
// server says to people is kept, and so is what ended the reading.
type wire struct {
	br      *bufio.Reader
	in      answer // that is being read
	maxLine int
	timeout time.Duration // of a read or write
	secrets []string      // and what is shown in place of each
	log     *slog.Logger

	mu        sync.Mutex
	conn      net.Conn  // TCP, TLS or deflated
	waiting   bool      // silence is no fault
	until     time.Time // it may last; zero: for ever
	cause     error     // why reading or writing ended, nil if it did not
	bye, said string    // the last BYE; the last NO, BAD, BYE or alert
}

func newWire(conn net.Conn, opt Options, login commands.Login) *wire {
	w := &wire{
		conn: conn, maxLine: opt.MaxLine, timeout: opt.CommandTimeout,
		log: opt.Logger.With(slog.String("host", login.Host)),
	}
	w.hide(login.Password, base64.StdEncoding.EncodeToString([]byte(login.Password)))
	w.br = bufio.NewReaderSize(socketReader{w}, bufferSize)
	return w
}

// hide keeps secrets out of what is said of the server's words: some repeat what they refuse.
func (w *wire) hide(secrets ...string) {
	for _, s := range secrets {
		if len(s) > 0 {
			w.secrets = append(w.secrets, s, "***")
		}
	}
}

// told makes words of the server fit for logs and errors.
func (w *wire) told(text string) string {
	return words(strings.NewReplacer(w.secrets...).Replace(text))
}

// socketReader reads with a deadline for each read.
type socketReader struct{ w *wire }

func (r socketReader) Read(p []byte) (int, error) {
	r.w.mu.Lock()
	conn, waiting, until := r.w.conn, r.w.waiting, r.w.until
	if !waiting {
		until = time.Now().Add(r.w.timeout)
	}
	_ = conn.SetReadDeadline(until)
	r.w.mu.Unlock()
	n, err := conn.Read(p)
	if err != nil && (!waiting || !errors.Is(err, os.ErrDeadlineExceeded)) {
		_ = r.w.fail(err)
	}
	return n, err
}

// wait waits until something comes, at most as long as patience (0: for ever) and
// until ctx ends, and reports whether it did. Afterwards the connection is as it was.
func (w *wire) wait(ctx context.Context, patience time.Duration) (bool, error) {
	var until time.Time
	if patience > 0 {
		until = time.Now().Add(patience)
	}
	w.patient(true, until)
	defer w.patient(false, time.Time{})
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.waiting {
			w.until = time.Unix(1, 0)
			_ = w.conn.SetReadDeadline(w.until)
		}
	})
	defer stop()
	_, err := w.br.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

func (w *wire) patient(waiting bool, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.until = waiting, until
}

// write sends octets as they are.
func (w *wire) write(text string) error {
	_ = w.conn.SetWriteDeadline(time.Now().Add(w.timeout))
	if _, err := io.WriteString(w.conn, text); err != nil {
		return w.fail(err)
	}
	return nil
}

// over puts another connection, of TLS or deflated, in place of the one below.
func (w *wire) over(conn net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = conn
}

// Close closes the connection. It may be called while another goroutine reads.
func (w *wire) Close() error {
	w.mu.Lock()
	conn := w.conn
	w.mu.Unlock()
	_ = w.fail(net.ErrClosed)
	return conn.Close()
}

// fail keeps the first error that ended the connection.
func (w *wire) fail(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.cause = err
	}
	return err
}

// why returns what ended the connection, nil if nothing did.
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

// listen keeps what a server says to people: BYE, refusals and alerts. text
// begins with the word.
func (w *wire) listen(text string) {
	word, _, _ := strings.Cut(text, " ")
	alert := strings.Contains(strings.ToUpper(text), "[ALERT]")
	bye := strings.EqualFold(word, "BYE")
	if !bye && !alert && !strings.EqualFold(word, "NO") && !strings.EqualFold(word, "BAD") {
		return
	}
	text = w.told(text)
	if alert {
		w.log.Warn("alert of the mail server", slog.String("text", text))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = text
	if bye {
		w.bye = text
	}
}
