-- +goose Up
-- Changes that are asked for and not made yet, folded from change-requested and change-ended: docs/adr/0030.
CREATE SEQUENCE state.change_ids;
CREATE TABLE state.changes (
  journal_id bigint NOT NULL, account_id bigint NOT NULL,
  change_id  bigint NOT NULL,
  position   bigint NOT NULL,                  -- of change-requested
  tries      int NOT NULL DEFAULT 0,           -- runs that have begun to make it on the server
  PRIMARY KEY (journal_id, account_id, change_id)
) WITH (fillfactor = 50);
