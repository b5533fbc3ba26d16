package postgres

import _ "embed" // the tables of read models

// The statements that make the tables of a generation, and those that index it
// once it is full. They name no schema: the search path says which generation.
var (
	//go:embed readmodels/mail.sql
	MailTables string
	//go:embed readmodels/mail_indexes.sql
	MailIndexes string
	//go:embed readmodels/mailboxes.sql
	MailboxesTables string
	//go:embed readmodels/mailboxes_indexes.sql
	MailboxesIndexes string
	//go:embed readmodels/accounts.sql
	AccountsTables string
	//go:embed readmodels/accounts_indexes.sql
	AccountsIndexes string
	//go:embed readmodels/search.sql
	SearchTables string
	//go:embed readmodels/search_indexes.sql
	SearchIndexes string
	//go:embed readmodels/history.sql
	HistoryTables string
	//go:embed readmodels/history_indexes.sql
	HistoryIndexes string
)

// The tables of each read model, for comparing generations. Each leads with journal_id.
var (
	MailTableNames      = []string{"message", "thread", "thread_alias", "tally"}
	MailboxesTableNames = []string{"mailbox"}
	AccountsTableNames  = []string{"account", "sync_run", "mailbox_coverage"}
	SearchTableNames    = []string{"document", "short_word", "frequency"}
	HistoryTableNames   = []string{"version", "merge", "mailbox_version", "account_version"}
)
