-- +goose Up
ALTER TABLE log.generations
  ADD COLUMN reads text NOT NULL DEFAULT '',   -- versions of what reads messages for it; '': it reads none
  ADD COLUMN request bytea,                    -- JSON: who asked for it, until the log tells of it
  ADD COLUMN last_error text;                  -- why it was not made live
