-- +goose Up
-- The event log, what decisions need to know, and raw messages: docs/adr/0006.
CREATE SCHEMA log;    -- the truth
CREATE SCHEMA state;  -- what decisions need to know: an inline fold of the log
CREATE SCHEMA raw;    -- raw messages
CREATE TABLE log.journals (                    -- one head row per user, and journal 0 for the installation
  journal_id  bigint PRIMARY KEY,              -- the user's id
  position    bigint NOT NULL DEFAULT 0,       -- of the last event; the next is one more
  link        bytea NOT NULL,                  -- of the last commit
  recorded_at timestamptz NOT NULL,            -- of the last commit; time never runs backwards in a journal
  erased_by   bigint                           -- position of UserErased; nothing is appended after it
) WITH (fillfactor = 50);
CREATE TABLE log.events (
  journal_id  bigint NOT NULL, position bigint NOT NULL CHECK (position > 0),
  stream_id   bigint NOT NULL, account_id bigint NOT NULL, -- account 0: of no account
  recorded_at timestamptz NOT NULL,            -- that of the commit
  stream_kind smallint NOT NULL,               -- message, thread, mailbox, account, sync run, webhook, token, user ...
  schema_version smallint NOT NULL, encoding smallint NOT NULL, -- of payload: 0 JSON, 1 JSON in zstd
  key_id      smallint NOT NULL DEFAULT 0,     -- 0: not encrypted
  event_id    uuid NOT NULL, type text NOT NULL, -- the id is a ULID
  payload     bytea, leaf bytea,               -- the leaf is kept in place of an erased payload
  PRIMARY KEY (journal_id, position), CHECK ((payload IS NULL) <> (leaf IS NULL))
) PARTITION BY HASH (journal_id);
CREATE INDEX events_stream ON log.events (journal_id, stream_kind, stream_id, position);
CREATE TABLE log.commits (                     -- one row per append: a link of the chain
  journal_id  bigint NOT NULL, first_position bigint NOT NULL, last_position bigint NOT NULL,
  recorded_at timestamptz NOT NULL,
  append_id   uuid NOT NULL,                   -- a repeated append finds it and does nothing
  meta        bytea, meta_leaf bytea,          -- JSON: actor, request id, sync run; the leaf in its place once erased
  root        bytea NOT NULL, link bytea NOT NULL,
  PRIMARY KEY (journal_id, last_position), UNIQUE (journal_id, append_id),
  CHECK (first_position <= last_position), CHECK ((meta IS NULL) <> (meta_leaf IS NULL))
) PARTITION BY HASH (journal_id);
CREATE INDEX commits_recorded_at ON log.commits USING brin (recorded_at);
CREATE TABLE log.generations (                 -- a read model is a schema; this says which
  projection text NOT NULL, generation int NOT NULL,
  version    int NOT NULL, schema_name text NOT NULL UNIQUE, -- version of the fold and its tables
  status     text NOT NULL CHECK (status IN ('building', 'live', 'kept')),
  started_at timestamptz NOT NULL, activated_at timestamptz, PRIMARY KEY (projection, generation)
);
CREATE UNIQUE INDEX generations_live ON log.generations (projection, version) WHERE status = 'live';
CREATE TABLE log.checkpoints (
  journal_id bigint NOT NULL, projection text NOT NULL, generation int NOT NULL,
  position   bigint NOT NULL DEFAULT 0,        -- the rows hold all events up to here and none after
  attempts   int NOT NULL DEFAULT 0,           -- failed ones at the event after position; 0: sound
  failed_since timestamptz, next_retry_at timestamptz, last_error text, updated_at timestamptz NOT NULL,
  PRIMARY KEY (journal_id, projection, generation)
) WITH (fillfactor = 50);
CREATE INDEX checkpoints_stopped ON log.checkpoints (projection, generation) WHERE attempts > 0;
CREATE TABLE state.accounts (                  -- settings as decisions need them; the password is sealed
  journal_id bigint NOT NULL, account_id bigint NOT NULL,
  version    bigint NOT NULL,                  -- counts the changes; part of the ETag
  settings   jsonb NOT NULL,                   -- events.AccountSettings
  sealed     bytea,                            -- the password under the secret key, the row's key as associated data
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  erased_by  bigint,                           -- position of AccountErased; nothing of it is appended after
  erasure_done boolean NOT NULL DEFAULT false, -- nothing of its content is left
  synced_once boolean NOT NULL DEFAULT false,  -- a run has ended well; before that mail is backfill
  failures   int NOT NULL DEFAULT 0,           -- runs that failed since the last that did not
  lease      bigint NOT NULL DEFAULT 0,        -- number of the present holder; compared under the head's lock
  lease_owner text, lease_until timestamptz,
  next_sync_at timestamptz,                    -- by schedule; NULL: on request only
  PRIMARY KEY (journal_id, account_id)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX accounts_id ON state.accounts (account_id);
CREATE INDEX accounts_due ON state.accounts (next_sync_at) WHERE erased_by IS NULL;
CREATE TABLE state.sync_queue (                -- at most one run waits or goes on for an account
  journal_id bigint NOT NULL, account_id bigint NOT NULL,
  sync_id    bigint NOT NULL,                  -- of the run
  cause text NOT NULL,                         -- request, schedule, push, created
  queued_at timestamptz NOT NULL,
  started_at timestamptz,                      -- NULL: waits
  cancelled  boolean NOT NULL DEFAULT false,
  progress   jsonb, progress_at timestamptz,   -- commands.Progress; for people, not for decisions
  PRIMARY KEY (journal_id, account_id)
) WITH (fillfactor = 50);
CREATE TABLE state.mailboxes (
  journal_id bigint NOT NULL, mailbox_id bigint NOT NULL, account_id bigint NOT NULL,
  uid_validity bigint NOT NULL, uid_next bigint NOT NULL, name text NOT NULL,
  mod_seq    bigint NOT NULL,                  -- HIGHESTMODSEQ up to which events are recorded; 0 without CONDSTORE
  role text NOT NULL, selected boolean NOT NULL,
  messages   bigint NOT NULL,                  -- EXISTS at the checkpoint
  level      boolean NOT NULL,                 -- the checkpoint is complete: all of the window was stored, flags were read
  window_key text NOT NULL,                    -- the sync limit that the checkpoint was reached with
  PRIMARY KEY (journal_id, mailbox_id),
  -- Deferrable: two mailboxes may change names in one statement. By a hash: names may be longer than a key of an index.
  CONSTRAINT mailboxes_name EXCLUDE USING btree (journal_id WITH =, account_id WITH =, md5(name) WITH =) DEFERRABLE
);
CREATE TABLE state.messages (                  -- the known UIDs
  journal_id bigint NOT NULL, mailbox_id bigint NOT NULL, uid bigint NOT NULL,
  id bigint NOT NULL, thread_id bigint NOT NULL, -- as clients see them; the thread as it was when the message came
  mod_seq bigint NOT NULL, flags text[] NOT NULL,
  sha256  bytea NOT NULL,                      -- of the raw message: heals moves, copies and a new UIDVALIDITY
  msg_id  text NOT NULL,                       -- the Message-ID as events name it; empty without one
  msg_key bytea NOT NULL,                      -- of msg_id: domain.MsgKey, empty without one
  size bigint NOT NULL, internal_date timestamptz NOT NULL, -- with msg_key: recognise a move without its octets
  date timestamptz NOT NULL,                   -- as clients see it: which message of a thread is the latest
  PRIMARY KEY (journal_id, mailbox_id, uid)
) PARTITION BY HASH (journal_id);
CREATE INDEX messages_thread ON state.messages (journal_id, thread_id);
CREATE INDEX messages_msg_key ON state.messages (journal_id, msg_key) WHERE msg_key <> '';
CREATE TABLE state.quarantine (                -- listed by the server, not to be had: tried again, never forgotten
  journal_id bigint NOT NULL, mailbox_id bigint NOT NULL, uid bigint NOT NULL,
  attempts int NOT NULL, reason text NOT NULL, last_error text NOT NULL,
  first_at timestamptz NOT NULL, next_at timestamptz NOT NULL,
  PRIMARY KEY (journal_id, mailbox_id, uid)
);
CREATE TABLE state.threads (                   -- the thread index: nodes that messages share
  journal_id bigint NOT NULL, account_id bigint NOT NULL, thread_id bigint NOT NULL,
  kind smallint NOT NULL,                      -- domain.NodeKind
  key bytea NOT NULL,                          -- domain.Key: the first 16 octets of a SHA-256
  sub bytea NOT NULL,                          -- what tells nodes with this key apart; empty if nothing does
  people bytea NOT NULL,                       -- of a subject node: keys of addresses, 16 octets each, ascending
  PRIMARY KEY (journal_id, account_id, kind, key, sub)
) PARTITION BY HASH (journal_id);
CREATE TABLE state.thread_merges (             -- earlier ids of a thread, for ever
  journal_id bigint NOT NULL, account_id bigint NOT NULL,
  thread_id bigint NOT NULL, into_id bigint NOT NULL,
  PRIMARY KEY (journal_id, thread_id)
);
CREATE INDEX thread_merges_into ON state.thread_merges (journal_id, into_id);
CREATE TABLE state.touched_threads (           -- what ThreadUpdated has still to tell at the end of the run
  journal_id bigint NOT NULL, account_id bigint NOT NULL, thread_id bigint NOT NULL,
  causes smallint NOT NULL, message_ids bigint[] NOT NULL, merged bigint[] NOT NULL, backfill boolean NOT NULL,
  PRIMARY KEY (journal_id, account_id, thread_id)
);
CREATE SEQUENCE state.account_ids;  CREATE SEQUENCE state.mailbox_ids; CREATE SEQUENCE state.message_ids;
CREATE SEQUENCE state.user_ids; CREATE SEQUENCE state.token_ids;
CREATE SEQUENCE state.thread_ids;   CREATE SEQUENCE state.sync_ids;    CREATE SEQUENCE state.webhook_ids;
CREATE TABLE raw.messages (
  journal_id bigint NOT NULL, sha256 bytea NOT NULL, -- of the octets as IMAP sent them
  size bigint NOT NULL, stored_at timestamptz NOT NULL, -- octets, unpacked; time of the last Put
  codec smallint NOT NULL, key_id smallint NOT NULL DEFAULT 0, -- codec: 0 as it is, 1 zstd
  data bytea, location text,                   -- the octets, or where they are in the raw store
  PRIMARY KEY (journal_id, sha256), CHECK ((location IS NULL) <> (data IS NULL))
) PARTITION BY HASH (journal_id);
CREATE TABLE raw.contents (                    -- parsed once for all who read; a cache, may be emptied at any time
  journal_id bigint NOT NULL, sha256 bytea NOT NULL, version int NOT NULL, -- of the parser
  data bytea NOT NULL,                         -- domain.Content, packed by the store
  PRIMARY KEY (journal_id, sha256, version)
) PARTITION BY HASH (journal_id);
CREATE TABLE raw.uses (                        -- written by the append; a raw message without one is an orphan
  journal_id bigint NOT NULL, sha256 bytea NOT NULL, account_id bigint NOT NULL,
  PRIMARY KEY (journal_id, sha256, account_id), FOREIGN KEY (journal_id, sha256) REFERENCES raw.messages
) PARTITION BY HASH (journal_id);
ALTER TABLE log.events ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE raw.messages ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE raw.contents ALTER COLUMN data SET STORAGE EXTERNAL;
-- +goose StatementBegin
DO $$ DECLARE t text; i int; BEGIN
  FOR t, i IN SELECT unnest('{log.events,log.commits,state.messages,state.threads,raw.messages,raw.contents,raw.uses}'::text[]), n FROM generate_series(0, 15) n LOOP
    EXECUTE format('CREATE TABLE %s_%s PARTITION OF %s FOR VALUES WITH (MODULUS 16, REMAINDER %s)', t, i, t, i);
  END LOOP;
END $$;
-- +goose StatementEnd
-- What the chain knows of an event. The program computes the same.
CREATE FUNCTION log.leaf(type text, schema_version smallint, encoding smallint, key_id smallint, stream_kind smallint,
                         stream_id bigint, account_id bigint, event_id uuid, payload bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256('leaf\000'::bytea || int2send(octet_length(type)::smallint) || convert_to(type, 'UTF8')
  || int2send(schema_version) || int2send(encoding) || int2send(key_id) || int2send(stream_kind)
  || int8send(stream_id) || int8send(account_id) || uuid_send(event_id) || payload);
-- The one change that the log allows: content goes, its leaf stays.
-- +goose StatementBegin
CREATE FUNCTION log.guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_ARGV[0] = 'events' THEN
    IF OLD.payload IS NOT NULL AND NEW.payload IS NULL THEN
      NEW := OLD; NEW.payload := NULL;
      NEW.leaf := log.leaf(OLD.type, OLD.schema_version, OLD.encoding, OLD.key_id, OLD.stream_kind,
                           OLD.stream_id, OLD.account_id, OLD.event_id, OLD.payload);
      RETURN NEW;
    END IF;
  ELSIF TG_OP = 'UPDATE' AND TG_ARGV[0] = 'commits' THEN
    IF OLD.meta IS NOT NULL AND NEW.meta IS NULL THEN
      NEW := OLD; NEW.meta := NULL; NEW.meta_leaf := sha256('meta\000'::bytea || OLD.meta);
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'the event log is append-only' USING ERRCODE = 'restrict_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON log.events FOR EACH ROW EXECUTE FUNCTION log.guard('events');
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON log.commits FOR EACH ROW EXECUTE FUNCTION log.guard('commits');
INSERT INTO log.journals (journal_id, link, recorded_at)
VALUES (0, sha256('journal\000'::bytea || int8send(0)), clock_timestamp());
