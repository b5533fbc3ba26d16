-- Tables of projections.Accounts, for one generation.
CREATE TABLE account (
  journal_id  bigint NOT NULL, account_id bigint NOT NULL,
  version     bigint NOT NULL, settings jsonb NOT NULL, -- events.AccountSettings
  last_sync   timestamptz, last_error text NOT NULL, last_run bigint NOT NULL,
  created_at  timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  PRIMARY KEY (journal_id, account_id)
);
CREATE TABLE sync_run (
  journal_id  bigint NOT NULL, account_id bigint NOT NULL, sync_id bigint NOT NULL,
  status      text NOT NULL, trigger text NOT NULL, ended boolean NOT NULL, -- of run, to be asked for
  run         jsonb NOT NULL,                  -- events.SyncEnd
  error       jsonb,                           -- events.SyncError
  PRIMARY KEY (journal_id, account_id, sync_id)
);
CREATE TABLE mailbox_coverage (
  journal_id  bigint NOT NULL, account_id bigint NOT NULL, mailbox_id bigint NOT NULL,
  position    bigint NOT NULL, checked_at timestamptz NOT NULL, -- of the last check
  checked     json NOT NULL,                   -- events.CoverageChecked
  PRIMARY KEY (journal_id, account_id, mailbox_id)
);
CREATE INDEX sync_run_age ON sync_run (journal_id, account_id, (run ->> 'queued_at'));
CREATE INDEX sync_run_open ON sync_run (journal_id, account_id) WHERE NOT ended; -- at most one an account
