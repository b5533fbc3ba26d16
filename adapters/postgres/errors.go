package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/imap2api/imap2api/domain"
)

// translate gives an error of pgx the kind that callers act on, and keeps it as
// the cause. What is nobody's but ours, and the end of a context, stays as it is.
func translate(err error) error {
	if kind := kindOf(err); kind != nil {
		return fmt.Errorf("%w: %w", kind, err)
	}
	return err
}

func kindOf(err error) error {
	var refused *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	case errors.Is(err, domain.ErrNotFound), errors.Is(err, domain.ErrUnavailable), errors.Is(err, domain.ErrConflict):
		return nil // translated before
	case errors.Is(err, pgx.ErrNoRows):
		return domain.ErrNotFound
	case errors.As(err, &refused):
		return kindOfState(refused.Code)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return domain.ErrUnavailable
	}
	return nil
}

// kindOfState judges a SQLSTATE (Postgres manual, appendix A).
func kindOfState(code string) error {
	switch code {
	case "23503", "23505", "23P01": // foreign key, unique, exclusion
		return domain.ErrConflict
	case "55P03": // lock not available
		return domain.ErrUnavailable
	}
	switch code[:min(2, len(code))] {
	case "08", "40", "53", "57": // connection, rollback, resources, operator and timeouts
		return domain.ErrUnavailable
	}
	return nil
}
