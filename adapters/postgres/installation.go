package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const setBaseURL = `
INSERT INTO auth.installation (base_url) VALUES ($1)
ON CONFLICT (one) DO UPDATE SET base_url = excluded.base_url`

// SetBaseURL notes the base of links in events that no request asked for.
func SetBaseURL(ctx context.Context, pool *pgxpool.Pool, url string) error {
	if _, err := pool.Exec(ctx, setBaseURL, url); err != nil {
		return fmt.Errorf("set base url: %w", translate(err))
	}
	return nil
}

const baseURL = `SELECT base_url FROM auth.installation`

// BaseURL returns what SetBaseURL noted last, "" if the service has never run.
func BaseURL(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	var url string
	err := pool.QueryRow(ctx, baseURL).Scan(&url)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read base url: %w", translate(err))
	}
	return url, nil
}
