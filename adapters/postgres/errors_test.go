package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/imap2api/imap2api/domain"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return fmt.Errorf("exec: %w", &pgconn.PgError{Code: code}) }
	own := errors.New("own")
	for _, c := range []struct {
		err, want error
	}{
		{nil, nil},
		{pgx.ErrNoRows, domain.ErrNotFound},
		{state("23505"), domain.ErrConflict},
		{state("23503"), domain.ErrConflict},
		{state("40001"), domain.ErrUnavailable},
		{state("40P01"), domain.ErrUnavailable},
		{state("53300"), domain.ErrUnavailable},
		{state("55P03"), domain.ErrUnavailable},
		{state("57014"), domain.ErrUnavailable},
		{state("57P01"), domain.ErrUnavailable},
		{state("08006"), domain.ErrUnavailable},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, domain.ErrUnavailable},
		{io.ErrUnexpectedEOF, domain.ErrUnavailable},
		{state("42601"), nil},
		{state("22021"), nil},
		{context.Canceled, nil},
		{context.DeadlineExceeded, nil},
		{own, nil},
	} {
		got := translate(c.err)
		if !errors.Is(got, c.err) {
			t.Errorf("%v: the cause is lost: %v", c.err, got)
		}
		for _, kind := range []error{domain.ErrNotFound, domain.ErrConflict, domain.ErrUnavailable, domain.ErrInvalid} {
			if is := errors.Is(got, kind); is != errors.Is(c.want, kind) {
				t.Errorf("%v: is %v: %v", c.err, kind, is)
			}
		}
		if again := translate(got); fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("%v: translated twice: %v", c.err, again)
		}
	}
}
