-- Tables of projections.History, for one generation.
CREATE TABLE version (                         -- a message as it was after from_position and before until_position
  journal_id  bigint NOT NULL, id bigint NOT NULL,
  from_position bigint NOT NULL, until_position bigint NOT NULL, -- the largest bigint: it is still so
  account_id  bigint NOT NULL, mailbox_id bigint NOT NULL, thread_id bigint NOT NULL,
  date        timestamptz NOT NULL, internal_date timestamptz NOT NULL, -- these and all that follow as in message
  size        bigint NOT NULL,
  created_at  timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  parser      int NOT NULL,
  seen        boolean NOT NULL, flagged boolean NOT NULL, has_attachments boolean NOT NULL,
  important   boolean NOT NULL, junk boolean NOT NULL,
  sha256      bytea NOT NULL,
  flags       text[] NOT NULL,
  folder      text COLLATE "C" NOT NULL, folder_fold text COLLATE "C" NOT NULL,
  msg_id      text COLLATE "C" NOT NULL, in_reply_to text COLLATE "C" NOT NULL,
  subject     text COLLATE "C" NOT NULL, subject_fold text COLLATE "C" NOT NULL,
  sender      text COLLATE "C" NOT NULL, sender_fold text COLLATE "C" NOT NULL, sender_name text COLLATE "C" NOT NULL,
  recipient   text COLLATE "C" NOT NULL, recipient_fold text COLLATE "C" NOT NULL,
  snippet     text COLLATE "C" NOT NULL,
  PRIMARY KEY (journal_id, id, from_position)
);
CREATE INDEX version_thread ON version (journal_id, thread_id, until_position, from_position, account_id);
CREATE VIEW present AS                         -- what is now: compared with the journals, as message is
  SELECT journal_id, id, account_id, flags FROM version WHERE until_position = 9223372036854775807;
CREATE TABLE merge (                           -- a thread became part of another
  journal_id  bigint NOT NULL, thread_id bigint NOT NULL, into_id bigint NOT NULL,
  account_id  bigint NOT NULL, position bigint NOT NULL,
  PRIMARY KEY (journal_id, thread_id)
);
CREATE TABLE mailbox_version (                 -- a mailbox from a position on
  journal_id  bigint NOT NULL, account_id bigint NOT NULL, mailbox_id bigint NOT NULL, position bigint NOT NULL,
  name        text COLLATE "C" NOT NULL, role text NOT NULL,
  removed     boolean NOT NULL,                -- it is no longer on the server
  PRIMARY KEY (journal_id, account_id, mailbox_id, position)
);
CREATE TABLE account_version (                 -- an account from a position on
  journal_id  bigint NOT NULL, account_id bigint NOT NULL, position bigint NOT NULL,
  version     bigint NOT NULL, settings jsonb NOT NULL, -- events.AccountSettings
  state       text NOT NULL,                   -- running, error or idle
  last_sync   timestamptz, last_error text NOT NULL, last_run bigint NOT NULL,
  created_at  timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  PRIMARY KEY (journal_id, account_id, position)
);
