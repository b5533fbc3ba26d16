-- Table of projections.Mailboxes, for one generation.
CREATE TABLE mailbox (
  journal_id  bigint NOT NULL, account_id bigint NOT NULL, mailbox_id bigint NOT NULL,
  name        text COLLATE "C" NOT NULL, role text NOT NULL, delimiter text NOT NULL, selected boolean NOT NULL,
  uid_validity bigint NOT NULL,
  messages    bigint NOT NULL, unseen bigint NOT NULL, size bigint NOT NULL,
  removed     boolean NOT NULL,                -- no longer on the server
  PRIMARY KEY (journal_id, account_id, mailbox_id)
) WITH (fillfactor = 50);
