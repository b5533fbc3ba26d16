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
-- Mailboxes of which somebody is told by Gmail's watch: not history, so nothing of it is in the log.
CREATE TABLE hooks.gmail_watches (
  journal_id bigint NOT NULL, mailbox text NOT NULL, -- userId, folded
  webhook_id bigint NOT NULL, topic_project text NOT NULL,
  accounts   bigint[],                         -- NULL: all of the journal
  address    text NOT NULL,                    -- emailAddress of what is sent
  labels     text[] NOT NULL, excluded boolean NOT NULL, -- only messages with one of these, or none of them; empty: all
  told       bigint NOT NULL,                  -- position up to which all was told
  expires_at timestamptz NOT NULL,
  next_at    timestamptz NOT NULL DEFAULT '-infinity', -- nothing is sent before
  tries      int NOT NULL DEFAULT 0,           -- failed ones since the last that succeeded
  PRIMARY KEY (journal_id, mailbox)
) WITH (fillfactor = 50);
