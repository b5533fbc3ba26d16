package public

import (
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// The shapes of data, one for each type or family (webhooks.md 3.1 to 3.5). A pointer is
// null where there is nothing.
type (
	runData struct {
		SyncID    domain.SyncID    `json:"sync_id"`
		URL       string           `json:"url"`
		Account   domain.AccountID `json:"imap_server"`
		Name      string           `json:"imap_server_name"`
		Trigger   string           `json:"trigger"`
		Status    string           `json:"status"`
		Initial   bool             `json:"initial"`
		StartedAt Timestamp        `json:"started_at"`
	}
	runEndData struct {
		runData
		FinishedAt   Timestamp `json:"finished_at"`
		DurationMS   int64     `json:"duration_ms"`
		Received     int       `json:"received"`
		FlagsChanged int       `json:"flags_changed"`
		Moved        int       `json:"moved"`
		Deleted      int       `json:"deleted"`
		Warnings     []string  `json:"warnings"`
	}
	runFailedData struct {
		runEndData
		Error               events.SyncError `json:"error"`
		ConsecutiveFailures int              `json:"consecutive_failures"`
		NextAttemptAt       *Timestamp       `json:"next_attempt_at"`
	}
	stalledData struct {
		SyncID       *domain.SyncID    `json:"sync_id"`
		URL          *string           `json:"url"`
		Account      domain.AccountID  `json:"imap_server"`
		Name         string            `json:"imap_server_name"`
		Reason       string            `json:"reason"`
		StalledSince Timestamp         `json:"stalled_since"`
		LastSync     *Timestamp        `json:"last_sync"`
		LastError    *events.SyncError `json:"last_error"`
	}
	coverageData struct {
		Account     domain.AccountID   `json:"imap_server"`
		SyncID      domain.SyncID      `json:"sync_id"`
		Folder      domain.MailboxName `json:"folder"`
		OnServer    int                `json:"server_messages"`
		Stored      int                `json:"stored"`
		Excluded    int                `json:"excluded"`
		Quarantined int                `json:"quarantined"`
		Erased      int                `json:"erased"`
		Missing     int                `json:"missing"`
	}
)

type (
	// emailData is what the events of emails have in common.
	emailData struct {
		ID        domain.MessageID   `json:"id"`
		URL       string             `json:"url"`
		Account   domain.AccountID   `json:"imap_server"`
		Folder    domain.MailboxName `json:"folder"`
		MessageID string             `json:"message_id"`
		ThreadID  string             `json:"thread_id"`
	}
	receivedData struct {
		emailData
		InReplyTo      *string       `json:"in_reply_to"`
		Subject        string        `json:"subject"`
		Sender         string        `json:"sender"`
		SenderName     string        `json:"sender_name"`
		Recipient      string        `json:"recipient"`
		Date           Timestamp     `json:"date"`
		ReceivedAt     Timestamp     `json:"received_at"`
		Snippet        string        `json:"snippet"`
		Flags          []domain.Flag `json:"flags"`
		IsRead         bool          `json:"is_read"`
		IsStarred      bool          `json:"is_starred"`
		HasAttachments bool          `json:"has_attachments"`
		Size           int64         `json:"size"`
		Backfill       bool          `json:"backfill"`
	}
	flagsData struct {
		emailData
		Added     []domain.Flag `json:"added"`
		Removed   []domain.Flag `json:"removed"`
		Flags     []domain.Flag `json:"flags"`
		IsRead    bool          `json:"is_read"`
		IsStarred bool          `json:"is_starred"`
	}
	movedData struct {
		emailData
		From domain.MailboxName `json:"from_folder"`
		To   domain.MailboxName `json:"to_folder"`
	}
	deletedData struct {
		ID        domain.MessageID   `json:"id"`
		Account   domain.AccountID   `json:"imap_server"`
		Folder    domain.MailboxName `json:"folder"`
		MessageID string             `json:"message_id"`
		ThreadID  string             `json:"thread_id"`
		Reason    string             `json:"reason"`
	}
	threadData struct {
		ThreadID    string             `json:"thread_id"`
		URL         *string            `json:"url"`
		Account     domain.AccountID   `json:"imap_server"`
		Count       int                `json:"thread_count"`
		UnreadCount int                `json:"thread_unread_count"`
		Causes      []string           `json:"causes"`
		EmailIDs    []domain.MessageID `json:"email_ids"`
		Merged      []string           `json:"merged_thread_ids"`
		Latest      *latestData        `json:"latest_email"`
	}
	latestData struct {
		ID      domain.MessageID `json:"id"`
		Subject string           `json:"subject"`
		Sender  string           `json:"sender"`
		Date    Timestamp        `json:"date"`
	}
	changeRequestedData struct {
		ID       domain.ChangeID     `json:"id"`
		Account  domain.AccountID    `json:"imap_server"`
		EmailIDs []domain.MessageID  `json:"email_ids"`
		Added    []domain.Flag       `json:"added"`
		Removed  []domain.Flag       `json:"removed"`
		To       *domain.MailboxName `json:"to_folder"`
	}
	changeEndedData struct {
		ID      domain.ChangeID   `json:"id"`
		Account domain.AccountID  `json:"imap_server"`
		Status  string            `json:"status"`
		Error   *events.SyncError `json:"error"`
		Reply   string            `json:"server_reply"`
	}
	folderData struct {
		Account    domain.AccountID   `json:"imap_server"`
		Folder     domain.MailboxName `json:"folder"`
		SpecialUse *domain.Role       `json:"special_use"`
	}
	resetData struct {
		Account        domain.AccountID   `json:"imap_server"`
		Folder         domain.MailboxName `json:"folder"`
		OldUIDValidity domain.UIDValidity `json:"old_uid_validity"`
		UIDValidity    domain.UIDValidity `json:"uid_validity"`
		Kept           int                `json:"kept"`
		Received       int                `json:"received"`
		Deleted        int                `json:"deleted"`
	}
)

type (
	serverData struct {
		ID       domain.AccountID `json:"id"`
		URL      string           `json:"url"`
		Name     string           `json:"name"`
		Host     string           `json:"host"`
		Username string           `json:"username"`
	}
	serverUpdatedData struct {
		serverData
		Changed []string `json:"changed"`
	}
	serverDeletedData struct {
		ID     domain.AccountID `json:"id"`
		Emails int              `json:"emails"`
	}
	serverExportedData struct {
		ID     domain.AccountID `json:"id"`
		URL    string           `json:"url"`
		Name   string           `json:"name"`
		Format string           `json:"format"`
	}
	grantData struct {
		ID       domain.AccountID  `json:"id"`
		URL      string            `json:"url"`
		Name     string            `json:"name"`
		Provider string            `json:"provider"`
		Since    Timestamp         `json:"since"`
		Error    *events.SyncError `json:"error"`
	}
	webhookData struct {
		ID  domain.WebhookID `json:"id"`
		URL string           `json:"url"`
	}
	filterData struct {
		Host            string               `json:"host"`
		EventTypes      []string             `json:"event_types"`
		Accounts        []domain.AccountID   `json:"imap_servers"`
		Folders         []domain.MailboxName `json:"folders"`
		IncludeBackfill bool                 `json:"include_backfill"`
		IsActive        bool                 `json:"is_active"`
	}
	webhookFilterData struct {
		webhookData
		filterData
	}
	webhookUpdatedData struct {
		webhookFilterData
		Changed []string `json:"changed"`
	}
	webhookRotatedData struct {
		webhookData
		OldSecretValidUntil Timestamp `json:"old_secret_valid_until"`
	}
	webhookDisabledData struct {
		webhookData
		Reason       string     `json:"reason"`
		FailingSince *Timestamp `json:"failing_since"`
	}
	webhookTestData struct {
		Test    bool   `json:"test"`
		Message string `json:"message"`
	}
	tokenData struct {
		ID        domain.TokenID     `json:"id"`
		URL       string             `json:"url"`
		Name      string             `json:"name"`
		Kind      string             `json:"kind"`
		Scopes    []string           `json:"scopes"`
		Accounts  []domain.AccountID `json:"imap_servers"`
		ExpiresAt *Timestamp         `json:"expires_at"`
	}
	tokenUpdatedData struct {
		ID        domain.TokenID `json:"id"`
		URL       string         `json:"url"`
		Name      string         `json:"name"`
		Kind      string         `json:"kind"`
		ExpiresAt *Timestamp     `json:"expires_at"`
		Changed   []string       `json:"changed"`
	}
	tokenRevokedData struct {
		ID   domain.TokenID `json:"id"`
		Name string         `json:"name"`
		Kind string         `json:"kind"`
	}
	loginData struct {
		Username string `json:"username"`
		Remote   string `json:"remote_address"`
	}
	userData struct {
		ID       domain.UserID `json:"id"`
		Username string        `json:"username"`
	}
	userCreatedData struct {
		userData
		IsAdmin bool `json:"is_admin"`
	}
	userUpdatedData struct {
		userData
		Changed []string `json:"changed"`
	}
	userErasedData struct {
		ID domain.UserID `json:"id"`
	}
	rebuiltData struct {
		Name       string `json:"name"`
		Generation int    `json:"generation"`
		Version    int    `json:"version"`
		Events     int64  `json:"events"`
	}
	rolledBackData struct {
		Name       string `json:"name"`
		Generation int    `json:"generation"`
	}
)
