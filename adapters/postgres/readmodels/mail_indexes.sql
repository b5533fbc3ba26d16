-- Indexes of projections.Mail that only readers need: made once a generation is full.
CREATE INDEX message_date ON message (journal_id, date, id);
CREATE INDEX message_received ON message (journal_id, internal_date, id);
CREATE INDEX message_account ON message (journal_id, account_id, date, id);
CREATE INDEX message_folder ON message (journal_id, hashtextextended(folder, 0), date, id); -- a name may be longer than a key of an index
CREATE INDEX message_msg_id ON message (journal_id, hashtextextended(msg_id, 0)) WHERE msg_id <> '';
CREATE INDEX message_junk ON message (journal_id, id) WHERE junk;
CREATE INDEX message_important ON message (journal_id, id) WHERE important;
CREATE INDEX thread_latest ON thread (journal_id, latest_date, latest_id);
CREATE INDEX thread_account ON thread (journal_id, account_id, latest_date, latest_id);
