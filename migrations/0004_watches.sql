-- +goose Up
-- Who watches which account for changes: not history, so nothing of it is in the log.
CREATE TABLE state.watches (
  journal_id bigint NOT NULL, account_id bigint NOT NULL,
  holder     uuid NOT NULL, held_until timestamptz NOT NULL, -- the process; another may take it then
  state      text NOT NULL,                    -- commands.WatchState: live, connecting, waiting, refused
  reason text NOT NULL, message text NOT NULL, -- why it is not live, empty if nothing is wrong
  since      timestamptz NOT NULL,             -- that it is so
  next_at    timestamptz,                      -- of the next try
  PRIMARY KEY (journal_id, account_id)
) WITH (fillfactor = 50);
-- When a run last ended well, for the watch of a login that was refused and for what is overdue.
ALTER TABLE state.accounts
  ADD COLUMN synced_at timestamptz,            -- end of the last run that succeeded at least in part
  ADD COLUMN last_run bigint NOT NULL DEFAULT 0, -- 0: none
  ADD COLUMN last_error jsonb,                 -- events.SyncError of the last run; NULL if it did not fail
  ADD COLUMN stalled_at timestamptz;           -- SyncStalled was recorded, and no run has succeeded since
UPDATE state.accounts a
SET synced_at = (SELECT max(e.recorded_at) FROM log.events e
      WHERE e.journal_id = a.journal_id AND e.account_id = a.account_id AND e.type = 'sync-completed'),
    last_run = coalesce((SELECT max(e.stream_id) FROM log.events e
      WHERE e.journal_id = a.journal_id AND e.account_id = a.account_id AND e.type = 'sync-started'), 0);
