package eventlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/imap2api/imap2api/domain"
)

// SQLSTATEs that have a meaning here.
const (
	codeForeignKey  = "23503"
	codeUnique      = "23505"
	codeLockTimeout = "55P03"
)

// lostError is an error that ended the connection, or kept one from being made.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// lost marks err as lostError if its connection is gone.
func lost(conn *pgx.Conn, err error) error {
	if err != nil && conn.IsClosed() {
		return &lostError{err}
	}
	return err
}

// isTransient reports whether the same may succeed if tried again: the database
// was away, busy or short of something, or chose us to break a deadlock.
func isTransient(err error) bool {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && len(pgErr.Code) == 5 {
		switch pgErr.Code[:2] {
		case "08", "40", "53", "57":
			return true
		}
		return pgErr.Code == codeLockTimeout
	}
	var gone *lostError
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &gone) || errors.As(err, &connect) || errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// translate gives an error of Postgres the kind that callers act on.
func translate(err error) error {
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case isTransient(err):
		return fmt.Errorf("%w: %w", domain.ErrUnavailable, err)
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%w: %w", domain.ErrNotFound, err)
	case !errors.As(err, &pgErr):
		return err
	case pgErr.Code == codeForeignKey && pgErr.SchemaName == "raw":
		// The raw message was collected meanwhile: fetch it again.
		return fmt.Errorf("raw message is not stored: %w: %w", domain.ErrConflict, err)
	case pgErr.Code == codeUnique && pgErr.SchemaName == "auth":
		return fmt.Errorf("%w: %w", domain.ErrConflict, err)
	}
	return err
}

// fit makes text fit for Postgres, which knows neither NUL nor text that is not
// UTF-8, and cuts it to at most n octets.
func fit(text string, n int) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\ufffd")
	if len(text) > n {
		text = strings.ToValidUTF8(text[:n], "")
	}
	return text
}
