package public

import (
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const exampleBase = "https://mail.example.org/api/"

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil { // the texts are below
		panic(err)
	}
	return t
}

func ptr[T any](v T) *T { return &v }

// The examples of webhooks.md 3.
var (
	exampleRun = events.SyncEnd{
		SyncStarted: events.SyncStarted{
			Sync: 55, Account: 3, AccountName: "Office", Trigger: "schedule", StartedAt: at("2025-03-04T09:31:10.902331Z"),
		},
		Status: "success", FinishedAt: at("2025-03-04T09:31:13.1175Z"), Received: 1, FlagsChanged: 2,
	}
	exampleSyncStarted = dataOf(exampleRun.SyncStarted, exampleBase)
	exampleSyncEnded   = dataOf(events.SyncCompleted{SyncEnd: exampleRun}, exampleBase)
	exampleSyncFailed  = dataOf(events.SyncFailed{
		SyncEnd: events.SyncEnd{
			SyncStarted: events.SyncStarted{
				Sync: 61, Account: 3, AccountName: "Office", Trigger: "schedule", StartedAt: at("2025-03-04T11:00:00.002118Z"),
			},
			Status: "error", FinishedAt: at("2025-03-04T11:00:20.499Z"),
		},
		Error:               events.SyncError{Code: "auth_failed", Message: "Login to imap.example.org was refused."},
		ConsecutiveFailures: 1, NextAttemptAt: ptr(at("2025-03-04T11:15:00Z")),
	}, exampleBase)
	exampleSyncStalled = dataOf(events.SyncStalled{
		Account: 3, AccountName: "Office", Reason: events.StalledNoProgress, Sync: 63, Since: at("2025-03-04T12:00:31.512877Z"),
		LastSync: ptr(at("2025-03-04T10:45:02.118337Z")),
	}, exampleBase)
	exampleCoverage = dataOf(events.CoverageChecked{
		Account: 3, Sync: 55, Name: "INBOX",
		CoverageCounts: events.CoverageCounts{OnServer: 1230, Stored: 1204, Excluded: 24, Quarantined: 2},
	}, exampleBase)
)

var (
	exampleMessage = events.Message{
		ID: 42, Account: 3, Place: events.Place{Mailbox: 1, Folder: "INBOX"}, Thread: 17, MsgID: "7d1c.1741080600@shop.example",
	}
	exampleReceived = dataOf(events.MessageFetched{
		Message: exampleMessage, Size: 48213, InternalDate: at("2025-03-04T09:30:04Z"),
		Summary: events.Summary{
			Subject: "Your order 2291", Sender: "orders@shop.example", SenderName: "Example Shop", Recipient: "ann@example.org",
			Date: at("2025-03-04T09:30:00Z"), Snippet: "Thank you for your order. It will leave our warehouse today ...",
			HasAttachments: true,
		},
	}, exampleBase)
	exampleFlags = dataOf(events.FlagsChanged{
		Message: exampleMessage, Added: []domain.Flag{domain.FlagSeen}, Flags: []domain.Flag{domain.FlagSeen},
	}, exampleBase)
	exampleMoved = dataOf(events.MessageMoved{
		Message: exampleMessage, From: events.Place{Folder: "Archive/2024"},
	}, exampleBase)
	exampleDeleted = dataOf(events.MessageExpunged{Message: exampleMessage, Reason: events.ReasonExpunged}, exampleBase)
	exampleThread  = dataOf(events.ThreadUpdated{
		Thread: 17, Account: 3, Messages: 2, Unseen: 1, Causes: []string{"email.received"}, IDs: []domain.MessageID{44},
		Latest: &events.LatestMessage{
			ID: 44, Subject: "Re: Your order 2291", Sender: "ann@example.org", Date: at("2025-03-04T10:05:00Z"),
		},
	}, exampleBase)
	exampleChangeRequested = dataOf(events.ChangeRequested{
		Change: 7, Account: 3, Messages: []events.ChangedMessage{{ID: 42, Thread: 17}}, Add: []domain.Flag{domain.FlagSeen}, MoveTo: 4, Folder: "Archive",
	}, exampleBase)
	exampleChangeEnded = dataOf(events.ChangeEnded{Change: 7, Account: 3}, exampleBase)
	exampleFolder      = folderOf(3, "Sent", domain.RoleSent)
	exampleReset       = resetData{Account: 3, Folder: "INBOX", OldUIDValidity: 1699999999, UIDValidity: 1741080000, Kept: 1200, Received: 4}
)

var exampleFilter = events.WebhookFilter{
	Host: "hooks.crm.example", Types: []string{"email.received", "sync.failed"}, Accounts: []domain.AccountID{3}, Active: true,
}

var (
	exampleServer = serverData{3, exampleBase + "imap-servers/3/", "Office", "imap.example.org", "ann@example.org"}

	exampleServerUpdated = serverUpdatedData{exampleServer, []string{"name"}}
	exampleServerDeleted = serverDeletedData{3, 1893}
	exampleGrant         = dataOf(events.GrantLost{
		Account: 3, Name: "Private", Provider: "google", Since: at("2025-03-04T13:00:02.309911Z"),
		Error: events.SyncError{Code: "needs_reauthorization", Message: "The provider no longer accepts the stored sign-in."},
	}, exampleBase)
	exampleGrantBack       = dataOf(events.GrantRestored{Account: 3, Name: "Private", Provider: "google", Since: at("2025-03-04T13:20:40.101202Z")}, exampleBase)
	exampleServerExported  = serverExportedData{3, exampleBase + "imap-servers/3/", "Office", "mbox"}
	exampleWebhook         = webhookData{5, exampleBase + "webhooks/5/"}
	exampleWebhookCreated  = webhookFilterData{exampleWebhook, filterOf(exampleFilter)}
	exampleWebhookUpdated  = webhookUpdatedData{exampleWebhookCreated, []string{"event_types"}}
	exampleWebhookRotated  = webhookRotatedData{exampleWebhook, "2025-03-05T09:00:00Z"}
	exampleWebhookDisabled = webhookDisabledData{exampleWebhook, "failures", ptr(Timestamp("2025-02-27T09:00:00Z"))}
	exampleWebhookTest     = webhookTestData{true, "Hello from imap2api."}
	exampleToken           = tokenData{12, exampleBase + "tokens/12/", "CRM import", "api", []string{"read"}, []domain.AccountID{3}, nil}
	exampleTokenUpdated    = tokenUpdatedData{12, exampleBase + "tokens/12/", "CRM import", "api", nil, []string{"name"}}
	exampleTokenRevoked    = tokenRevokedData{12, "CRM import", "api"}
	exampleLogin           = loginData{"ann", "192.0.2.7"}
	exampleUser            = userCreatedData{userData{1, "ann"}, false}
	exampleUserUpdated     = userUpdatedData{userData{1, "ann"}, []string{"password"}}
	exampleUserDisabled    = userData{1, "ann"}
	exampleUserErased      = userErasedData{1}
	exampleRebuilt         = rebuiltData{"mail", 6, 4, 1048220}
	exampleRolledBack      = rolledBackData{"mail", 5}
)
