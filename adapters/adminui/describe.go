package adminui

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
)

// eventRow is an event as lists show it.
type eventRow struct {
	events.Recorded
	Name string // its public type
	Text string
	Link string // to what it is about, below /admin; "" if there is no page
}

func eventRows(list []events.Recorded) []eventRow {
	out := make([]eventRow, len(list))
	for i, rec := range list {
		out[i] = eventRow{rec, public.TypeOf(rec.Type), describe(rec), linkOf(rec)}
		if out[i].Name == "" {
			out[i].Name = string(rec.Type)
		}
	}
	return out
}

func linkOf(rec events.Recorded) string {
	if e, ok := rec.Event.(events.ThreadUpdated); ok && e.Latest != nil {
		return fmt.Sprintf("/mail/%d/", e.Latest.ID)
	}
	switch rec.Stream.Kind {
	case events.StreamMessage:
		if rec.Type != events.TypeMessageExpunged && rec.ErasedBy == 0 {
			return fmt.Sprintf("/mail/%d/", rec.Stream.ID)
		}
	case events.StreamAccount, events.StreamSync:
		if rec.Account != 0 && rec.ErasedBy == 0 && rec.Type != events.TypeAccountErased {
			return fmt.Sprintf("/servers/%d/", rec.Account)
		}
	}
	return ""
}

// describe tells an event in a sentence.
func describe(rec events.Recorded) string {
	if rec.ErasedBy != 0 {
		return fmt.Sprintf("Its content was erased by event %d.", rec.ErasedBy)
	}
	switch e := rec.Event.(type) {
	case events.MessageFetched, events.FlagsChanged, events.MessageMoved, events.MessageExpunged, events.ThreadUpdated:
		return describeMessage(e)
	case events.MailboxFound:
		return fmt.Sprintf("Folder %s is on the server", e.Name)
	case events.MailboxRemoved:
		return fmt.Sprintf("Folder %s is gone from the server", e.Name)
	case events.MailboxReset:
		return fmt.Sprintf("Folder %s was made anew on the server: %d emails recognised, %d new, %d gone", e.Name, e.Kept, e.Received, e.Deleted)
	case events.CoverageChecked:
		return fmt.Sprintf("Folder %s: %d on the server, %d stored, %d missing", e.Name, e.OnServer, e.Stored, e.Missing)
	}
	if text := describeRest(rec.Event); text != "" {
		return text
	}
	return aboutType(public.TypeOf(rec.Type))
}

// aboutType is what a public type says in general.
func aboutType(name string) string {
	i := slices.IndexFunc(types(), func(t public.Type) bool { return t.Type == name })
	if i < 0 {
		return ""
	}
	return types()[i].Description
}

// types are all public types.
var types = sync.OnceValue(public.Types)

func describeMessage(event events.Event) string {
	switch e := event.(type) {
	case events.MessageFetched:
		return fmt.Sprintf("Arrived in %s: %s", e.Folder, orNone(e.Summary.Subject))
	case events.FlagsChanged:
		return "Flags: " + strings.Join(append(signed("+", e.Added), signed("\u2212", e.Removed)...), " ")
	case events.MessageMoved:
		return fmt.Sprintf("Moved from %s to %s", e.From.Folder, e.Folder)
	case events.MessageExpunged:
		return fmt.Sprintf("Gone from %s (%s)", e.Folder, strings.ReplaceAll(e.Reason, "_", " "))
	case events.ThreadUpdated:
		about := ""
		if e.Latest != nil {
			about = " " + orNone(e.Latest.Subject)
		}
		return fmt.Sprintf("Thread%s has %s, %d unread", about, plural(e.Messages, "email", "emails"), e.Unseen)
	}
	return ""
}

func orNone(subject string) string {
	if subject == "" {
		return "(no subject)"
	}
	return subject
}

func signed(sign string, flags []domain.Flag) []string {
	out := make([]string, len(flags))
	for i, f := range flags {
		out[i] = sign + string(f)
	}
	return out
}

func describeRest(event events.Event) string {
	switch e := event.(type) {
	case events.AccountAdded:
		return fmt.Sprintf("IMAP server %s was added", e.Settings.Name)
	case events.AccountChanged:
		return fmt.Sprintf("Settings of %s: %s", e.Settings.Name, strings.Join(e.Changed, ", "))
	case events.AccountErased:
		return fmt.Sprintf("IMAP server was deleted, with %s", plural(e.Messages, "email", "emails"))
	case events.SyncStarted:
		return fmt.Sprintf("Sync of %s began (%s)", e.AccountName, e.Trigger)
	case events.SyncCompleted:
		return fmt.Sprintf("Sync of %s: %d received, %d changed, %d moved, %d deleted", e.AccountName, e.Received, e.FlagsChanged, e.Moved, e.Deleted)
	case events.SyncFailed:
		return fmt.Sprintf("Sync of %s failed: %s", e.AccountName, e.Error.Message)
	case events.TokenCreated:
		return fmt.Sprintf("Token %s was made, for %s", e.Name, strings.Join(e.Scopes, ", "))
	case events.TokenChanged:
		return fmt.Sprintf("Token %s: %s", e.Name, strings.Join(e.Changed, ", "))
	case events.TokenRevoked:
		return fmt.Sprintf("Token %s is void", e.Name)
	case events.LoggedIn:
		return fmt.Sprintf("%s signed in from %s", e.Name, e.Remote)
	case events.LoginFailed:
		return fmt.Sprintf("Somebody tried to sign in as %s from %s", e.Name, e.Remote)
	case events.UserAdded:
		return fmt.Sprintf("User %s was added", e.Name)
	case events.UserChanged:
		return fmt.Sprintf("User %s: %s", e.Name, strings.Join(e.Changed, ", "))
	case events.UserDisabled:
		return fmt.Sprintf("User %s may not sign in any more", e.Name)
	case events.ModelRebuilt:
		return fmt.Sprintf("Read model %s was built anew from %s", e.Model, plural(e.Events, "event", "events"))
	case events.ModelRolledBack:
		return fmt.Sprintf("Read model %s is as it was before", e.Model)
	}
	return ""
}
