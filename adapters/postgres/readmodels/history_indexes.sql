-- Index of projections.History that only readers need: made once a generation is full.
CREATE INDEX version_date ON version (journal_id, date, id, account_id, until_position, from_position);
