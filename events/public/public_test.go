package public

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

var update = flag.Bool("update", false, "rewrite the golden files, to be read in the diff")

// samples has one event of every stored type.
func samples() []events.Event {
	long := strings.Repeat("ü", 501)
	place := events.Place{Mailbox: 2, Folder: "Clients, EU", UIDValidity: 7, UID: 9}
	message := events.Message{ID: 42, Account: 3, Place: place, Thread: 17, MsgID: "a@b"}
	settings := events.AccountSettings{Name: "Office <1> & more", Host: "imap.example.org", Port: 993, Username: "ann@example.org"}
	started := events.SyncStarted{
		Sync: 55, Account: 3, AccountName: "Office", Trigger: "schedule", Initial: true,
		QueuedAt: at("2025-03-04T09:31:10Z"), StartedAt: at("2025-03-04T09:31:10.902331Z"),
	}
	end := events.SyncEnd{SyncStarted: started, Status: "partial", FinishedAt: at("2025-03-04T09:31:13.1175Z"), Received: 1, Warnings: []string{"w"}}
	return []events.Event{
		started,
		events.SyncCompleted{SyncEnd: end},
		events.SyncFailed{SyncEnd: end, Error: events.SyncError{Code: "auth_failed", Message: "Refused."}, ConsecutiveFailures: 2},
		events.MessageFetched{
			Message: message, Size: 9, InternalDate: at("2025-03-04T09:30:04Z"), Flags: []domain.Flag{`\Flagged`}, Backfill: true,
			Summary: events.Summary{Subject: long, InReplyTo: "x@y", Date: at("2025-03-04T09:30:00Z"), Snippet: "<b>"},
		},
		events.FlagsChanged{Message: events.Message{ID: 42, Account: 3, Thread: 17}, Removed: []domain.Flag{`\Seen`}},
		events.MessageMoved{Message: message, From: events.Place{Folder: "INBOX"}},
		events.MessageExpunged{Message: message, Reason: events.ReasonExpunged},
		events.ThreadUpdated{Thread: 17, Account: 3, Messages: 0, Merged: []domain.ThreadID{19}},
		events.MailboxFound{Account: 3, Mailbox: 2, Name: "Sent", Role: domain.RoleSent},
		events.MailboxRemoved{Account: 3, Mailbox: 2, Name: "Old"},
		events.MailboxReset{Account: 3, Mailbox: 2, Name: "INBOX", OldUIDValidity: 1, UIDValidity: 2, Kept: 3, Received: 4, Deleted: 5},
		events.AccountAdded{Account: 3, Settings: settings},
		events.AccountChanged{Account: 3, Version: 2, Settings: settings, Changed: []string{"name", "password"}},
		events.AccountErased{Account: 3, Messages: 12},
		events.TokenCreated{Token: 12, Kind: "api", Name: "CRM", Scopes: []string{"read"}, Expires: ptr(at("2026-01-01T00:00:00Z"))},
		events.TokenChanged{Token: 12, Kind: "api", Name: "CRM", Expires: ptr(at("2026-01-01T00:00:00Z")), Changed: []string{"expires_at"}},
		events.TokenRevoked{Token: 12, Kind: "api", Name: "CRM"},
		events.LoggedIn{User: 1, Name: "ann", Remote: "192.0.2.7"},
		events.LoginFailed{Name: "nobody", Remote: "192.0.2.7"},
		events.UserAdded{User: 1, Name: "ann", Admin: true},
		events.UserChanged{User: 1, Name: "ann", Changed: []string{"password"}},
		events.UserDisabled{User: 1, Name: "ann"},
		events.UserErased{User: 1},
		events.ModelRebuilt{Model: "mail", Generation: 6, Version: 4, Events: 9},
		events.ModelRolledBack{Model: "mail", Generation: 5},
		events.CoverageChecked{
			Account: 3, Mailbox: 2, Sync: 55, Name: "INBOX",
			CoverageCounts: events.CoverageCounts{OnServer: 9, Stored: 4, Excluded: 2, Quarantined: 1, Erased: 1, Missing: 1},
		},
		events.WebhookAdded{Webhook: 5, Filter: events.WebhookFilter{Host: "hooks.crm.example", Active: true}},
		events.WebhookChanged{Webhook: 5, Version: 2, Filter: exampleFilter, Changed: []string{"imap_servers"}},
		events.WebhookRemoved{Webhook: 5},
		events.WebhookSecretRotated{Webhook: 5, OldUntil: at("2025-03-05T09:00:00.5Z")},
		events.WebhookDisabled{Webhook: 5, Reason: events.DisabledByGone, FailingSince: ptr(at("2025-03-04T09:00:00Z"))},
		events.GrantLost{
			Account: 3, Name: "Private", Provider: "google", Since: at("2025-03-04T13:00:02.309911Z"),
			Error: events.SyncError{Code: "needs_reauthorization", Message: "Gone."},
		},
		events.GrantRestored{Account: 3, Name: "Private", Provider: "google", Since: at("2025-03-04T13:20:40Z")},
		events.SyncStalled{
			Account: 3, AccountName: "Office", Reason: events.StalledOverdue, Since: end.FinishedAt,
			LastError: &events.SyncError{Code: "timeout", Message: "No answer."},
		},
		events.AccountExported{Account: 3, Name: "Office", Format: "jsonl"},
		events.ChangeRequested{
			Change: 7, Account: 3, Messages: []events.ChangedMessage{{ID: 42, Thread: 17}, {ID: 43, Thread: 17}}, Remove: []domain.Flag{`\Seen`}, MoveTo: 2, Folder: "Clients, EU",
		},
		events.ChangeEnded{
			Change: 7, Account: 3, Error: &events.SyncError{Code: events.CodeRefused, Message: "The mail server refused the change."}, Reply: "NO [NOPERM] read-only",
		},
	}
}

func recorded(i int, e events.Event) events.Recorded {
	typ, _ := e.EventType()
	rec := events.Recorded{
		Journal: 1, Position: events.Position(i + 1), Type: typ, Stream: e.EventStream(), Account: e.EventAccount(), Event: e,
		RecordedAt: at("2025-03-04T10:10:02.1173Z"), Meta: events.Meta{Actor: events.Actor{Kind: events.ActorSystem, Name: "sync"}},
		ID: parsed("01JNF3TB3RM3S9Q1V6W2Z8Y4KD"),
	}
	if i%2 == 1 {
		rec.Meta = events.Meta{Actor: events.Actor{Kind: events.ActorUser, Name: "ann", Token: 12}, RequestID: "r-1"}
	}
	return rec
}

// TestGolden compares an event of every stored type, and an erased one.
func TestGolden(t *testing.T) {
	t.Parallel()
	all := map[string]events.Recorded{}
	for i, e := range samples() {
		rec := recorded(i, e)
		all[string(rec.Type)] = rec
	}
	erased := all[string(events.TypeMessageFetched)]
	erased.Event, erased.ErasedBy = nil, 99
	all["erased"] = erased
	for name, rec := range all {
		var pretty bytes.Buffer
		got := Render(rec, exampleBase)
		if err := json.Indent(&pretty, got, "", "  "); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		pretty.WriteByte('\n')
		path := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !bytes.Equal(got, Render(rec, exampleBase)) {
			t.Errorf("%s: two renderings differ", name)
		}
	}
}

// TestEveryStoredTypeIsPublic: the feed has no gaps.
func TestEveryStoredTypeIsPublic(t *testing.T) {
	t.Parallel()
	sampled := map[events.Type]bool{}
	for _, e := range samples() {
		typ, _ := e.EventType()
		sampled[typ] = true
		if dataOf(e, exampleBase) == nil {
			t.Errorf("%s has no data", typ)
		}
	}
	for _, stored := range events.Types() {
		name := TypeOf(stored)
		back, known := Stored(name)
		if name == "" || !known || !slices.Equal(back, []events.Type{stored}) || CategoryOf(stored) == "" || !sampled[stored] {
			t.Errorf("%s: public name %q, back %v, category %q, sampled %v", stored, name, back, CategoryOf(stored), sampled[stored])
		}
		if !slices.Contains(InCategory(CategoryOf(stored)), stored) {
			t.Errorf("%s is not in its category", stored)
		}
	}
}

func TestStored(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		n     int
		known bool
	}{
		"email.*": {4, true}, "sync.*": {5, true}, "webhook.created": {1, true}, "webhook.*": {5, true}, "webhook.test": {0, true}, "email.sent": {0, false},
		"*": {0, false}, "ema*": {0, false}, "": {0, false}, "email.": {0, false}, ".*": {0, false},
	} {
		if got, known := Stored(name); len(got) != want.n || known != want.known {
			t.Errorf("%q: got %v, %v", name, got, known)
		}
	}
}

// TestTypes: every example has the keys of its schema, in the types it allows.
func TestTypes(t *testing.T) {
	t.Parallel()
	for _, typ := range Types() {
		var schema struct {
			Type       string                        `json:"type"`
			Required   []string                      `json:"required"`
			Properties map[string]struct{ Type any } `json:"properties"`
		}
		if err := json.Unmarshal(typ.Schema, &schema); err != nil {
			t.Fatalf("%s: %v", typ.Type, err)
		}
		var example map[string]any
		if err := json.Unmarshal(typ.Example, &example); err != nil {
			t.Fatalf("%s: %v", typ.Type, err)
		}
		for name, value := range example {
			allowed, _ := schema.Properties[name].Type.([]any)
			if one, ok := schema.Properties[name].Type.(string); ok {
				allowed = []any{one}
			}
			if !slices.Contains(allowed, any(jsonType(value))) || !slices.Contains(schema.Required, name) {
				t.Errorf("%s: %s is %v, the schema allows %v", typ.Type, name, value, allowed)
			}
		}
		if len(example) != len(schema.Required) || schema.Type != "object" || typ.Description == "" {
			t.Errorf("%s: %s does not fit %s", typ.Type, typ.Example, typ.Schema)
		}
	}
}

func jsonType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "integer"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// TestContract has the examples of webhooks.md 3 as they are printed there.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"sync.completed": `{"sync_id":55,"url":"https://mail.example.org/api/imap-servers/3/syncs/55/","imap_server":3,` +
			`"imap_server_name":"Office","trigger":"schedule","status":"success","initial":false,"started_at":"2025-03-04T09:31:10.902331Z",` +
			`"finished_at":"2025-03-04T09:31:13.117500Z","duration_ms":2215,"received":1,"flags_changed":2,"moved":0,"deleted":0,"warnings":[]}`,
		"email.flags_changed": `{"id":42,"url":"https://mail.example.org/api/emails/42/","imap_server":3,"folder":"INBOX",` +
			`"message_id":"<7d1c.1741080600@shop.example>","thread_id":"thread-17","added":["\\Seen"],"removed":[],"flags":["\\Seen"],` +
			`"is_read":true,"is_starred":false}`,
		"thread.updated": `{"thread_id":"thread-17","url":"https://mail.example.org/api/emails/44/thread/","imap_server":3,"thread_count":2,` +
			`"thread_unread_count":1,"causes":["email.received"],"email_ids":[44],"merged_thread_ids":[],"latest_email":{"id":44,` +
			`"subject":"Re: Your order 2291","sender":"ann@example.org","date":"2025-03-04T10:05:00Z"}}`,
		"imap_server.deleted": `{"id":3,"emails":1893}`,
		"webhook.test":        `{"test":true,"message":"Hello from imap2api."}`,
	} {
		i := slices.IndexFunc(Types(), func(typ Type) bool { return typ.Type == name })
		if diff := cmp.Diff(want, string(Types()[i].Example)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// parsed reads a ULID by arithmetic.
func parsed(text string) (id [16]byte) {
	n := new(big.Int)
	for _, c := range text {
		n.Add(n.Lsh(n, 5), big.NewInt(int64(strings.IndexRune(crockford, c))))
	}
	n.FillBytes(id[:])
	return id
}

func TestID(t *testing.T) {
	t.Parallel()
	for text, id := range map[string][16]byte{
		strings.Repeat("0", 26): {}, "7" + strings.Repeat("Z", 25): [16]byte(bytes.Repeat([]byte{0xff}, 16)),
		strings.Repeat("0", 25) + "1": {15: 1}, "4" + strings.Repeat("0", 25): {0: 0x80},
	} {
		if got := ID(id); got != text {
			t.Errorf("got %s, want %s", got, text)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var id [16]byte
		for i := range id {
			id[i] = byte(r.Uint32())
		}
		if got := parsed(ID(id)); got != id {
			t.Fatalf("%x becomes %s and %x", id, ID(id), got)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	rec := recorded(0, samples()[3])
	b.ReportAllocs()
	for b.Loop() {
		Render(rec, exampleBase)
	}
}
