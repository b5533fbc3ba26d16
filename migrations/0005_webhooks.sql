-- +goose Up
-- Webhooks and their deliveries: ordinary tables. What changes of a webhook is recorded as an event too; deliveries are made
-- from events by a reaction, and by no rebuild: docs/adr/0021.
CREATE SCHEMA hooks;
CREATE TABLE hooks.webhooks (
  journal_id bigint NOT NULL, webhook_id bigint NOT NULL,
  version    bigint NOT NULL,                  -- counts the changes; part of the ETag
  url text NOT NULL, description text NOT NULL,
  event_types text[] NOT NULL, accounts bigint[] NOT NULL, folders text[] NOT NULL, -- empty: all
  include_backfill boolean NOT NULL, is_active boolean NOT NULL,
  disabled_reason text NOT NULL CHECK (disabled_reason IN ('', 'manual', 'gone', 'failures')),
  sealed bytea NOT NULL DEFAULT '', secret_hint text NOT NULL DEFAULT '', -- the secret under the secret key, the row's key as associated data
  old_sealed bytea, old_until timestamptz,     -- the secret before it, which signs too until then
  failing_since timestamptz,                   -- the first failure after the last success; NULL: the last attempt succeeded
  last_success_at timestamptz, last_failure_at timestamptz,
  cautious   boolean NOT NULL DEFAULT false,   -- one request at a time, until one succeeds
  paced_at   timestamptz NOT NULL DEFAULT '-infinity', -- before then no recovered event is sent
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  PRIMARY KEY (journal_id, webhook_id)
) WITH (fillfactor = 50);
CREATE TABLE hooks.subscriptions (             -- what each webhook wants, as of the checkpoint of the reaction
  journal_id bigint NOT NULL, webhook_id bigint NOT NULL,
  filter jsonb NOT NULL,                       -- events.WebhookFilter
  PRIMARY KEY (journal_id, webhook_id)
);
CREATE SEQUENCE hooks.delivery_ids;
CREATE TABLE hooks.deliveries (                -- one event, or test, for one webhook
  journal_id bigint NOT NULL, webhook_id bigint NOT NULL,
  delivery_id bigint NOT NULL DEFAULT nextval('hooks.delivery_ids'),
  position   bigint NOT NULL,                  -- of the event; 0: a test
  event_id   uuid NOT NULL, event_type text NOT NULL, account_id bigint NOT NULL,
  body       bytea NOT NULL,                   -- the same for every attempt
  status     text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'cancelled')),
  lane       smallint NOT NULL,                -- 0 first attempt, 1 first attempt of a recovered event, 2 repeat
  step       smallint NOT NULL DEFAULT 0,      -- failed attempts of the present schedule
  attempts   int NOT NULL DEFAULT 0,           -- requests ever
  next_attempt_at timestamptz,                 -- NULL unless pending
  again      boolean NOT NULL DEFAULT false,   -- one more attempt is asked for, whatever the status
  claimed_until timestamptz,                   -- an attempt goes on, or its process is dead after then
  created_at timestamptz NOT NULL, finished_at timestamptz,
  PRIMARY KEY (journal_id, webhook_id, delivery_id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX deliveries_position ON hooks.deliveries (journal_id, webhook_id, position) WHERE position > 0;
CREATE INDEX deliveries_first ON hooks.deliveries (journal_id, webhook_id, lane, position) WHERE status = 'pending' AND lane < 2;
CREATE INDEX deliveries_repeat ON hooks.deliveries (journal_id, webhook_id, next_attempt_at) WHERE status = 'pending' AND lane = 2;
CREATE INDEX deliveries_again ON hooks.deliveries (journal_id, webhook_id) WHERE again;
CREATE INDEX deliveries_claimed ON hooks.deliveries (journal_id, webhook_id) WHERE claimed_until IS NOT NULL;
CREATE INDEX deliveries_due ON hooks.deliveries (next_attempt_at) WHERE status = 'pending';
CREATE INDEX deliveries_created ON hooks.deliveries USING brin (created_at);
CREATE TABLE hooks.attempts (                  -- one HTTP request
  journal_id bigint NOT NULL, webhook_id bigint NOT NULL, delivery_id bigint NOT NULL,
  number int NOT NULL,
  trigger text NOT NULL,                       -- automatic, manual, test
  started_at timestamptz NOT NULL, duration_ms int NOT NULL,
  request_headers jsonb NOT NULL,              -- without the signature
  status_code int, response_headers jsonb NOT NULL, response_body text NOT NULL,
  error_code text NOT NULL, error_message text NOT NULL, -- empty: none
  PRIMARY KEY (journal_id, webhook_id, delivery_id, number)
);
