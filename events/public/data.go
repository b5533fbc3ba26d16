package public

import (
	"strconv"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// maxSubject is the longest subject in an event, in characters (webhooks.md 3.2).
const maxSubject = 500

// dataOf returns the data of an event in its public shape.
func dataOf(e events.Event, base string) any {
	switch e := e.(type) {
	case events.SyncStarted:
		return runOf(e, "running", base)
	case events.SyncCompleted:
		return runEndOf(e.SyncEnd, base)
	case events.SyncFailed:
		return runFailedData{runEndOf(e.SyncEnd, base), e.Error, e.ConsecutiveFailures, StampOrNil(e.NextAttemptAt)}
	case events.SyncStalled:
		return stalledOf(e, base)
	case events.MessageFetched:
		return receivedOf(e, base)
	case events.FlagsChanged:
		return flagsData{
			emailOf(e.Message, base), orEmpty(e.Added), orEmpty(e.Removed), orEmpty(e.Flags),
			domain.HasFlag(e.Flags, domain.FlagSeen), domain.HasFlag(e.Flags, domain.FlagFlagged),
		}
	case events.MessageMoved:
		return movedData{emailOf(e.Message, base), e.From.Folder, e.Folder}
	case events.MessageExpunged:
		return deletedData{e.ID, e.Account, e.Folder, bracketed(e.MsgID), e.Thread.String(), e.Reason}
	case events.ThreadUpdated:
		return threadOf(e, base)
	case events.ChangeRequested:
		return changeRequestedOf(e)
	case events.ChangeEnded:
		return changeEndedOf(e)
	case events.MailboxFound:
		return folderOf(e.Account, e.Name, e.Role)
	case events.MailboxRemoved:
		return folderOf(e.Account, e.Name, e.Role)
	case events.MailboxReset:
		return resetData{e.Account, e.Name, e.OldUIDValidity, e.UIDValidity, e.Kept, e.Received, e.Deleted}
	case events.CoverageChecked:
		return coverageData{e.Account, e.Sync, e.Name, e.OnServer, e.Stored, e.Excluded, e.Quarantined, e.Erased, e.Missing}
	}
	return configOf(e, base)
}

// configOf returns the data of what is no mail and no sync.
func configOf(e events.Event, base string) any {
	switch e := e.(type) {
	case events.AccountAdded:
		return serverOf(e.Account, e.Settings, base)
	case events.AccountChanged:
		return serverUpdatedData{serverOf(e.Account, e.Settings, base), orEmpty(e.Changed)}
	case events.AccountErased:
		return serverDeletedData{e.Account, e.Messages}
	case events.GrantLost:
		return grantData{e.Account, link(base, "imap-servers/", int64(e.Account), "/"), e.Name, e.Provider, Stamp(e.Since), &e.Error}
	case events.GrantRestored:
		return grantData{e.Account, link(base, "imap-servers/", int64(e.Account), "/"), e.Name, e.Provider, Stamp(e.Since), nil}
	case events.AccountExported:
		return serverExportedData{e.Account, link(base, "imap-servers/", int64(e.Account), "/"), e.Name, e.Format}
	case events.TokenCreated:
		return tokenData{
			e.Token, link(base, "tokens/", int64(e.Token), "/"), e.Name, e.Kind, orEmpty(e.Scopes), orEmpty(e.Accounts),
			StampOrNil(e.Expires),
		}
	case events.TokenChanged:
		return tokenUpdatedData{
			e.Token, link(base, "tokens/", int64(e.Token), "/"), e.Name, e.Kind, StampOrNil(e.Expires), orEmpty(e.Changed),
		}
	case events.TokenRevoked:
		return tokenRevokedData{e.Token, e.Name, e.Kind}
	case events.LoggedIn:
		return loginData{e.Name, e.Remote}
	case events.LoginFailed:
		return loginData{e.Name, e.Remote}
	case events.UserAdded:
		return userCreatedData{userData{e.User, e.Name}, e.Admin}
	case events.UserChanged:
		return userUpdatedData{userData{e.User, e.Name}, orEmpty(e.Changed)}
	case events.UserDisabled:
		return userData{e.User, e.Name}
	case events.UserErased:
		return userErasedData{e.User}
	case events.ModelRebuilt:
		return rebuiltData{e.Model, e.Generation, e.Version, e.Events}
	case events.ModelRolledBack:
		return rolledBackData{e.Model, e.Generation}
	}
	return webhookOf(e, base)
}

// webhookOf returns the data of events of webhooks.
func webhookOf(e events.Event, base string) any {
	named := func(id domain.WebhookID) webhookData { return webhookData{id, link(base, "webhooks/", int64(id), "/")} }
	switch e := e.(type) {
	case events.WebhookAdded:
		return webhookFilterData{named(e.Webhook), filterOf(e.Filter)}
	case events.WebhookChanged:
		return webhookUpdatedData{webhookFilterData{named(e.Webhook), filterOf(e.Filter)}, orEmpty(e.Changed)}
	case events.WebhookRemoved:
		return named(e.Webhook)
	case events.WebhookSecretRotated:
		return webhookRotatedData{named(e.Webhook), Stamp(e.OldUntil)}
	case events.WebhookDisabled:
		return webhookDisabledData{named(e.Webhook), e.Reason, StampOrNil(e.FailingSince)}
	}
	return nil
}

func filterOf(f events.WebhookFilter) filterData {
	return filterData{f.Host, orEmpty(f.Types), orEmpty(f.Accounts), orEmpty(f.Folders), f.Backfill, f.Active}
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func bracketed(id string) string {
	if id == "" {
		return ""
	}
	return "<" + id + ">"
}

func link(base, before string, id int64, after string) string {
	return base + before + strconv.FormatInt(id, 10) + after
}

func runOf(e events.SyncStarted, status, base string) runData {
	return runData{
		e.Sync, link(link(base, "imap-servers/", int64(e.Account), "/syncs/"), "", int64(e.Sync), "/"),
		e.Account, e.AccountName, e.Trigger, status, e.Initial, Stamp(e.StartedAt),
	}
}

func runEndOf(e events.SyncEnd, base string) runEndData {
	return runEndData{
		runOf(e.SyncStarted, e.Status, base), Stamp(e.FinishedAt), e.FinishedAt.Sub(e.StartedAt).Milliseconds(),
		e.Received, e.FlagsChanged, e.Moved, e.Deleted, orEmpty(e.Warnings),
	}
}

func stalledOf(e events.SyncStalled, base string) stalledData {
	out := stalledData{
		Account: e.Account, Name: e.AccountName, Reason: e.Reason, StalledSince: Stamp(e.Since),
		LastSync: StampOrNil(e.LastSync), LastError: e.LastError,
	}
	if e.Sync != 0 {
		url := runOf(events.SyncStarted{Sync: e.Sync, Account: e.Account}, "", base).URL
		out.SyncID, out.URL = &e.Sync, &url
	}
	return out
}

func emailOf(m events.Message, base string) emailData {
	return emailData{m.ID, link(base, "emails/", int64(m.ID), "/"), m.Account, m.Folder, bracketed(m.MsgID), m.Thread.String()}
}

func receivedOf(e events.MessageFetched, base string) receivedData {
	s := e.Summary
	out := receivedData{
		emailData: emailOf(e.Message, base), Subject: cut(s.Subject), Sender: s.Sender, SenderName: s.SenderName,
		Recipient: s.Recipient, Date: Stamp(s.Date), ReceivedAt: Stamp(e.InternalDate), Snippet: s.Snippet,
		Flags: orEmpty(e.Flags), IsRead: domain.HasFlag(e.Flags, domain.FlagSeen),
		IsStarred: domain.HasFlag(e.Flags, domain.FlagFlagged), HasAttachments: s.HasAttachments, Size: e.Size,
		Backfill: e.Backfill,
	}
	if s.InReplyTo != "" {
		id := bracketed(s.InReplyTo)
		out.InReplyTo = &id
	}
	return out
}

// cut returns at most maxSubject characters.
func cut(text string) string {
	n := 0
	for i := range text {
		if n == maxSubject {
			return text[:i]
		}
		n++
	}
	return text
}

func threadOf(e events.ThreadUpdated, base string) threadData {
	out := threadData{
		ThreadID: e.Thread.String(), Account: e.Account, Count: e.Messages, UnreadCount: e.Unseen,
		Causes: orEmpty(e.Causes), EmailIDs: orEmpty(e.IDs), Merged: make([]string, len(e.Merged)),
	}
	for i, t := range e.Merged {
		out.Merged[i] = t.String()
	}
	if l := e.Latest; l != nil {
		url := link(base, "emails/", int64(l.ID), "/thread/")
		out.URL = &url
		out.Latest = &latestData{l.ID, l.Subject, l.Sender, Stamp(l.Date)}
	}
	return out
}

func changeRequestedOf(e events.ChangeRequested) changeRequestedData {
	out := changeRequestedData{
		ID: e.Change, Account: e.Account, EmailIDs: make([]domain.MessageID, len(e.Messages)), Added: orEmpty(e.Add), Removed: orEmpty(e.Remove),
	}
	for i, m := range e.Messages {
		out.EmailIDs[i] = m.ID
	}
	if e.MoveTo != 0 {
		out.To = &e.Folder
	}
	return out
}

func changeEndedOf(e events.ChangeEnded) changeEndedData {
	out := changeEndedData{e.Change, e.Account, "done", e.Error, e.Reply}
	if e.Error != nil {
		out.Status = "rejected"
	}
	return out
}

func folderOf(acc domain.AccountID, name domain.MailboxName, role domain.Role) folderData {
	out := folderData{Account: acc, Folder: name}
	if role != "" {
		out.SpecialUse = &role
	}
	return out
}

func serverOf(acc domain.AccountID, s events.AccountSettings, base string) serverData {
	return serverData{acc, link(base, "imap-servers/", int64(acc), "/"), s.Name, s.Host, s.Username}
}
