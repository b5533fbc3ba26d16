-- +goose Up
-- Which check of a mailbox against its server is the last (docs/adr/0019), and which messages are stored in part only.
CREATE TABLE state.coverage (
  journal_id bigint NOT NULL, account_id bigint NOT NULL, mailbox_id bigint NOT NULL,
  position   bigint NOT NULL,                  -- of the last CoverageChecked
  checked_at timestamptz NOT NULL,
  due        boolean NOT NULL DEFAULT false,   -- asked for: the next run lists the messages whatever STATUS says
  PRIMARY KEY (journal_id, account_id, mailbox_id)
) WITH (fillfactor = 50);
ALTER TABLE state.messages ADD COLUMN truncated boolean NOT NULL DEFAULT false; -- only the beginning is stored
UPDATE state.messages m SET truncated = true
FROM raw.messages r
WHERE r.journal_id = m.journal_id AND r.sha256 = m.sha256 AND r.size < m.size;
CREATE INDEX messages_truncated ON state.messages (journal_id, mailbox_id, uid) WHERE truncated;
