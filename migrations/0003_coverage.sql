-- +goose Up
-- How read models with a row for each message compared with the journals when they were last looked at.
CREATE TABLE log.coverage (
  journal_id bigint NOT NULL, projection text NOT NULL,
  account_id bigint NOT NULL,                  -- 0: rows of which the journal knows no account
  generation int NOT NULL, position bigint NOT NULL, -- that the generation had reached
  checked_at timestamptz NOT NULL,
  emails     bigint NOT NULL,                  -- that the journal knows; those with events after position are pending
  pending    bigint NOT NULL,
  known_sum  bigint NOT NULL,                  -- of all but the pending ones, order-free
  held       bigint NOT NULL, held_sum bigint NOT NULL, -- rows, likewise
  missing    bigint NOT NULL, surplus bigint NOT NULL, altered bigint NOT NULL, -- rows that are not as they should be
  repaired   bigint NOT NULL,                  -- rows, since the account was added
  repaired_at timestamptz,
  PRIMARY KEY (journal_id, projection, account_id)
) WITH (fillfactor = 50);
