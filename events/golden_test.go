package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
)

var update = flag.Bool("update", false, "write the golden files that are missing; none is ever changed")

func ptr[T any](v T) *T { return &v }

// examples has one event of every stored type with all of its fields set.
func examples() []Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	place := Place{Mailbox: 5, Folder: "Größe/\"x\" <&>", UIDValidity: 1699999999, UID: 4294967295}
	message := Message{ID: 42, Account: 3, Place: place, Thread: 17, MsgID: "7d1c@shop.example"}
	settings := AccountSettings{
		Name: "Office", Host: "imap.example.org", Port: 993, Username: "ann@example.org", UseTLS: true, LimitType: LimitDays,
		LimitValue: ptr(90), Folders: `INBOX,"Clients, EU"`, ExcludeTrash: true, IntervalMin: ptr(15), AllowChanges: true,
		AuthType: AuthOAuth2, OAuthProvider: "google", CertSHA256: strings.Repeat("ab", 32),
	}
	started := SyncStarted{Sync: 57, Account: 3, AccountName: "Office", Trigger: "request", Initial: true, QueuedAt: at, StartedAt: at.Add(time.Second)}
	end := SyncEnd{
		SyncStarted: started, Status: "partial", FinishedAt: at.Add(time.Minute), Received: 4, FlagsChanged: 3, Moved: 2, Deleted: 1, Bytes: 91233,
		Mailboxes: []MailboxResult{{
			Name: "INBOX", Status: "error", Received: 4, FlagsChanged: 3, Moved: 2, Deleted: 1,
			Error: &SyncError{Code: "timeout", Message: "No answer in time."},
		}},
		Total: 7, Warnings: []string{`There is no folder "x".`},
	}
	flags := []domain.Flag{"$Junk", domain.FlagSeen}
	filter := WebhookFilter{
		Host: "hooks.crm.example", Types: []string{"email.*", "sync.failed"}, Accounts: []domain.AccountID{3},
		Folders: []domain.MailboxName{"INBOX"}, Backfill: true, Active: true,
	}
	return []Event{
		AccountAdded{Account: 3, Settings: settings},
		AccountChanged{Account: 3, Version: 2, Settings: settings, Changed: []string{"name", "password"}},
		AccountErased{Account: 3, Messages: 1893},
		AccountExported{Account: 3, Name: "Office", Format: "mbox"},
		started,
		SyncCompleted{SyncEnd: end},
		SyncFailed{SyncEnd: end, Error: SyncError{Code: "auth_failed", Message: "Refused."}, ConsecutiveFailures: 2, NextAttemptAt: &at},
		SyncStalled{
			Account: 3, AccountName: "Office", Reason: StalledNoProgress, Sync: 57, Since: at, LastSync: &at,
			LastError: &SyncError{Code: "timeout", Message: "No answer in time."},
		},
		MessageFetched{
			Message: message, SHA256: bytes.Repeat([]byte{1, 0xff}, 16), Size: 2048, InternalDate: at.Truncate(time.Second), Flags: flags,
			ModSeq: 1<<63 - 1, Merged: []domain.ThreadID{18, 19},
			Summary: Summary{
				Subject: "Re: Größe \u2028", Sender: "ann@example.org", SenderName: "Ann", Recipient: "bob@example.org, c@example.org",
				InReplyTo: "x@y", Date: at.Truncate(time.Second), Snippet: "Hello <b>.", HasAttachments: true,
			},
			Parser: 1, Truncated: true, Backfill: true,
		},
		FlagsChanged{Message: message, Added: flags[1:], Removed: []domain.Flag{domain.FlagFlagged}, Flags: flags, ModSeq: 9},
		MessageMoved{Message: message, From: Place{Mailbox: 4, Folder: "INBOX", UIDValidity: 1, UID: 2}, Flags: flags, Size: 2048, ModSeq: 9},
		MessageExpunged{Message: message, Reason: ReasonExpunged, Flags: flags, Size: 2048},
		ThreadUpdated{
			Thread: 17, Account: 3, Messages: 2, Unseen: 1, Causes: []string{"email.received"}, IDs: []domain.MessageID{44},
			Merged: []domain.ThreadID{18}, Latest: &LatestMessage{ID: 44, Subject: "Re: x", Sender: "ann@example.org", Date: at}, Backfill: true,
		},
		ChangeRequested{
			Change: 7, Account: 3, Messages: []ChangedMessage{{ID: 42, Thread: 17}}, Add: flags, Remove: []domain.Flag{domain.FlagFlagged}, MoveTo: 5, Folder: "Größe",
		},
		ChangeEnded{Change: 7, Account: 3, Error: &SyncError{Code: CodeRefused, Message: "The mail server refused the change."}, Reply: "NO [NOPERM] x"},
		MailboxFound{Account: 3, Mailbox: 5, Name: "Sent", Role: domain.RoleSent, Delimiter: "/", Selected: true, UIDValidity: 7},
		MailboxRemoved{Account: 3, Mailbox: 5, Name: "Sent", Role: domain.RoleSent},
		MailboxReset{
			Account: 3, Mailbox: 5, Name: "Sent", OldUIDValidity: 7, UIDValidity: 8,
			Mapping: []UIDRun{{From: 1, To: 101, Count: 50}}, Kept: 50, Received: 2, Deleted: 1,
		},
		TokenCreated{Token: 12, Kind: "api", Name: "CRM", Scopes: []string{"read"}, Accounts: []domain.AccountID{3}, Expires: &at},
		TokenChanged{Token: 12, Kind: "api", Name: "CRM", Expires: &at, Changed: []string{"name", "expires_at"}},
		TokenRevoked{Token: 12, Kind: "api", Name: "CRM"},
		LoggedIn{User: 1, Name: "ann", Remote: "192.0.2.7"},
		LoginFailed{User: 1, Name: "ann", Remote: "192.0.2.7"},
		UserAdded{User: 1, Name: "ann", Admin: true},
		UserChanged{User: 1, Name: "ann", Changed: []string{"password"}},
		UserDisabled{User: 1, Name: "ann"},
		UserErased{User: 1},
		ModelRebuilt{Model: "mail", Generation: 6, Version: 4, Events: 1000},
		ModelRolledBack{Model: "mail", Generation: 5},
		GrantLost{Account: 3, Name: "Private", Provider: "google", Since: at, Error: SyncError{Code: "needs_reauthorization", Message: "Gone."}},
		GrantRestored{Account: 3, Name: "Private", Provider: "google", Since: at},
		CoverageChecked{
			Account: 3, Mailbox: 5, Sync: 57, Name: "Sent", Selected: true, UIDValidity: 7, UIDNext: 640,
			CoverageCounts: CoverageCounts{OnServer: 15, Stored: 9, Excluded: 1, Quarantined: 2, Erased: 1, Missing: 2},
			Exceptions: []CoverageException{{
				Kind: CoverageQuarantined, Reason: "fetch_failed", Message: "The mail server does not deliver this message.", Count: 2,
				UIDs: "4411,4415", LastError: "NO [SERVERBUG] internal error", NextAt: &at,
			}},
		},
		WebhookAdded{Webhook: 5, Filter: filter},
		WebhookChanged{Webhook: 5, Version: 2, Filter: filter, Changed: []string{"folders"}},
		WebhookRemoved{Webhook: 5},
		WebhookSecretRotated{Webhook: 5, OldUntil: at},
		WebhookDisabled{Webhook: 5, Reason: DisabledByFailures, FailingSince: &at},
	}
}

func goldenPath(t Type, version int) string {
	return filepath.Join("testdata", fmt.Sprintf("%s.v%d.json", t, version))
}

// Every version of every event that was ever written still decodes, and the
// newest is written as it was.
func TestGolden(t *testing.T) {
	t.Parallel()
	byType := map[Type]Event{}
	for _, e := range examples() {
		typ, version := e.EventType()
		byType[typ] = e
		if version != Versions(typ) {
			t.Errorf("%s is written in version %d, %d are read", typ, version, Versions(typ))
		}
	}
	for _, typ := range Types() {
		for version := 1; version <= Versions(typ); version++ {
			newest := version == Versions(typ)
			path := goldenPath(typ, version)
			if _, err := os.Stat(path); *update && newest && errors.Is(err, os.ErrNotExist) {
				payload, err := Encode(byType[typ])
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, append(payload, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Errorf("%s version %d has no golden file: %v", typ, version, err)
				continue
			}
			payload := bytes.TrimSuffix(file, []byte("\n"))
			got, err := Decode(typ, version, payload)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if !newest {
				continue
			}
			if diff := cmp.Diff(byType[typ], got); diff != "" {
				t.Errorf("%s is read as (-want +got):\n%s", path, diff)
			}
			if written, err := Encode(got); err != nil || !bytes.Equal(written, payload) {
				t.Errorf("%s is written as %s, %v", path, written, err)
			}
		}
	}
}

// The examples leave no field out, so the golden files show all of them.
func TestExamplesAreFull(t *testing.T) {
	t.Parallel()
	for _, e := range examples() {
		typ, _ := e.EventType()
		for _, path := range zeroFields(reflect.ValueOf(e), string(typ)) {
			t.Errorf("%s is not set", path)
		}
	}
}

func zeroFields(v reflect.Value, path string) []string {
	switch {
	case v.IsZero():
		return []string{path}
	case v.Kind() == reflect.Pointer:
		return zeroFields(v.Elem(), path)
	case v.Kind() == reflect.Slice && v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct:
		return zeroFields(v.Index(0), path)
	case v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[time.Time]():
		return nil
	}
	var out []string
	for i := range v.NumField() {
		out = append(out, zeroFields(v.Field(i), path+"."+v.Type().Field(i).Name)...)
	}
	return out
}

// What an event is about and of which account it is can be read from its payload.
func TestStreams(t *testing.T) {
	t.Parallel()
	want := map[Type]Stream{
		TypeAccountAdded: {StreamAccount, 3}, TypeAccountChanged: {StreamAccount, 3}, TypeAccountErased: {StreamAccount, 3},
		TypeSyncStarted: {StreamSync, 57}, TypeSyncCompleted: {StreamSync, 57}, TypeSyncFailed: {StreamSync, 57}, TypeSyncStalled: {StreamAccount, 3},
		TypeAccountExported: {StreamAccount, 3},
		TypeMessageFetched:  {StreamMessage, 42}, TypeFlagsChanged: {StreamMessage, 42}, TypeMessageMoved: {StreamMessage, 42},
		TypeMessageExpunged: {StreamMessage, 42}, TypeThreadUpdated: {StreamThread, 17}, TypeMailboxFound: {StreamMailbox, 5},
		TypeMailboxRemoved: {StreamMailbox, 5}, TypeMailboxReset: {StreamMailbox, 5}, TypeTokenCreated: {StreamToken, 12},
		TypeTokenChanged: {StreamToken, 12}, TypeTokenRevoked: {StreamToken, 12}, TypeLoggedIn: {StreamUser, 1}, TypeLoginFailed: {StreamUser, 1}, TypeUserAdded: {StreamUser, 1},
		TypeUserChanged: {StreamUser, 1}, TypeUserDisabled: {StreamUser, 1}, TypeUserErased: {StreamUser, 1},
		TypeChangeRequested: {StreamChange, 7}, TypeChangeEnded: {StreamChange, 7},
		TypeCoverageChecked: {StreamMailbox, 5}, TypeGrantLost: {StreamAccount, 3}, TypeGrantRestored: {StreamAccount, 3}, TypeModelRebuilt: {StreamModel, 6}, TypeModelRolledBack: {StreamModel, 5},
		TypeWebhookAdded: {StreamWebhook, 5}, TypeWebhookChanged: {StreamWebhook, 5}, TypeWebhookRemoved: {StreamWebhook, 5},
		TypeWebhookSecretRotated: {StreamWebhook, 5}, TypeWebhookDisabled: {StreamWebhook, 5},
	}
	got := map[Type]Stream{}
	for _, e := range examples() {
		typ, _ := e.EventType()
		got[typ] = e.EventStream()
		account := domain.AccountID(0)
		if slices.Contains([]StreamKind{StreamAccount, StreamSync, StreamMessage, StreamThread, StreamMailbox, StreamChange}, got[typ].Kind) {
			account = 3
		}
		if e.EventAccount() != account {
			t.Errorf("%s is of account %d", typ, e.EventAccount())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
}

func TestDecodeUnknown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		typ     Type
		version int
	}{{"message-lost", 1}, {TypeLoggedIn, 0}, {TypeLoggedIn, Versions(TypeLoggedIn) + 1}, {TypeLoggedIn, -1}, {"", 1}} {
		if e, err := Decode(test.typ, test.version, []byte("{}")); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q version %d: %v, %v", test.typ, test.version, e, err)
		}
	}
	if e, err := Decode(TypeLoggedIn, 1, []byte("{")); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("half a payload: %v, %v", e, err)
	}
	if Versions("message-lost") != 0 {
		t.Error("an unknown type has versions")
	}
}

func TestEncodeTooLarge(t *testing.T) {
	t.Parallel()
	fits := LoggedIn{Name: strings.Repeat("x", MaxPayload-len(`{"user":0,"name":"","remote":""}`))}
	if b, err := Encode(fits); err != nil || len(b) != MaxPayload {
		t.Errorf("%d octets, %v", len(b), err)
	}
	fits.Name += "x"
	if b, err := Encode(fits); err == nil {
		t.Errorf("%d octets are taken", len(b))
	}
}

// Whatever decodes is written in a form that decodes to the same.
func FuzzDecode(f *testing.F) {
	for i, typ := range Types() {
		if file, err := os.ReadFile(goldenPath(typ, 1)); err == nil {
			f.Add(i, 1, file)
		}
	}
	f.Fuzz(func(t *testing.T, at, version int, payload []byte) {
		types := Types()
		typ := types[max(0, at)%len(types)]
		e, err := Decode(typ, version, payload)
		if err != nil {
			return
		}
		if got, _ := e.EventType(); got != typ {
			t.Fatalf("%s is read as %s", typ, got)
		}
		written, err := Encode(e)
		if err != nil {
			return // too large
		}
		if !json.Valid(written) || bytes.ContainsAny(written, "\n") {
			t.Fatalf("written %q", written)
		}
		again, err := Decode(typ, Versions(typ), written)
		if err != nil {
			t.Fatalf("%s is not read: %v", written, err)
		}
		if twice, err := Encode(again); err != nil || !bytes.Equal(twice, written) {
			t.Fatalf("%s is written as %s, %v", written, twice, err)
		}
	})
}
