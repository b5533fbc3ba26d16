package public

import (
	"slices"
	"strings"

	"github.com/imap2api/imap2api/events"
)

// The categories of events.
const (
	Mail     = "mail"
	Sync     = "sync"
	Config   = "config"
	Security = "security"
	Delivery = "delivery"
)

// Categories are all categories.
var Categories = []string{Mail, Sync, Config, Security, Delivery}

// kind is one public type. Some have no stored type yet.
type kind struct {
	name        string
	stored      events.Type // "" for a type that nothing records yet
	category    string
	deliverable bool // by webhooks
	description string
	example     any // a value of the shape of its data
}

// kinds has every type, in the order of webhooks.md 3.
var kinds = []kind{
	{"sync.started", events.TypeSyncStarted, Sync, true, "A sync run starts.", exampleSyncStarted},
	{"sync.completed", events.TypeSyncCompleted, Sync, true, "A sync run ended with success or partial.", exampleSyncEnded},
	{"sync.failed", events.TypeSyncFailed, Sync, true, "A sync run ended with an error.", exampleSyncFailed},
	{"sync.stalled", events.TypeSyncStalled, Sync, true, "A run makes no progress, or no run has succeeded for long.", exampleSyncStalled},
	{"email.received", events.TypeMessageFetched, Mail, true, "A new email is stored.", exampleReceived},
	{"email.flags_changed", events.TypeFlagsChanged, Mail, true, "Flags of an email changed.", exampleFlags},
	{"email.moved", events.TypeMessageMoved, Mail, true, "An email was recognised in another folder.", exampleMoved},
	{"email.deleted", events.TypeMessageExpunged, Mail, true, "An email vanished from the server.", exampleDeleted},
	{"thread.updated", events.TypeThreadUpdated, Mail, true, "Emails of a thread were added, removed or changed.", exampleThread},
	{"change.requested", events.TypeChangeRequested, Mail, false, "Somebody wants emails changed on the mail server.", exampleChangeRequested},
	{"change.ended", events.TypeChangeEnded, Mail, false, "A change was made on the mail server, or is given up.", exampleChangeEnded},
	{"folder.found", events.TypeMailboxFound, Mail, false, "A folder appeared.", exampleFolder},
	{"folder.removed", events.TypeMailboxRemoved, Mail, false, "A folder vanished.", exampleFolder},
	{"folder.reset", events.TypeMailboxReset, Mail, false, "A folder got a new UIDVALIDITY.", exampleReset},
	{"sync.coverage_checked", events.TypeCoverageChecked, Sync, false, "A folder was compared with the server.", exampleCoverage},
	{"imap_server.created", events.TypeAccountAdded, Config, true, "An IMAP server was added.", exampleServer},
	{"imap_server.updated", events.TypeAccountChanged, Config, true, "Settings of an IMAP server changed.", exampleServerUpdated},
	{"imap_server.deleted", events.TypeAccountErased, Config, true, "An IMAP server and its content were removed.", exampleServerDeleted},
	{"imap_server.exported", events.TypeAccountExported, Security, false, "Somebody began to take the emails of an IMAP server out as files.", exampleServerExported},
	{"imap_server.needs_reauthorization", events.TypeGrantLost, Config, true, "The OAuth 2.0 grant is gone.", exampleGrant},
	{"imap_server.reauthorized", events.TypeGrantRestored, Config, true, "The OAuth 2.0 grant is back.", exampleGrantBack},
	{"webhook.disabled", events.TypeWebhookDisabled, Delivery, true, "A webhook was switched off automatically.", exampleWebhookDisabled},
	{"webhook.test", "", Delivery, false, "A test of a webhook.", exampleWebhookTest},
	{"webhook.created", events.TypeWebhookAdded, Config, false, "A webhook was added.", exampleWebhookCreated},
	{"webhook.updated", events.TypeWebhookChanged, Config, false, "A webhook changed.", exampleWebhookUpdated},
	{"webhook.deleted", events.TypeWebhookRemoved, Config, false, "A webhook was removed.", exampleWebhook},
	{"webhook.secret_rotated", events.TypeWebhookSecretRotated, Config, false, "A webhook has a new secret.", exampleWebhookRotated},
	{"token.created", events.TypeTokenCreated, Security, false, "An API token exists.", exampleToken},
	{"token.updated", events.TypeTokenChanged, Security, false, "An API token has another name or expiry.", exampleTokenUpdated},
	{"token.revoked", events.TypeTokenRevoked, Security, false, "An API token is void.", exampleTokenRevoked},
	{"auth.login", events.TypeLoggedIn, Security, false, "A user signed in.", exampleLogin},
	{"auth.login_failed", events.TypeLoginFailed, Security, false, "A password was wrong, or the name unknown.", exampleLogin},
	{"user.created", events.TypeUserAdded, Security, false, "A user exists.", exampleUser},
	{"user.updated", events.TypeUserChanged, Security, false, "A user changed.", exampleUserUpdated},
	{"user.disabled", events.TypeUserDisabled, Security, false, "A user may not sign in any more.", exampleUserDisabled},
	{"user.erased", events.TypeUserErased, Security, false, "All content of a user was removed.", exampleUserErased},
	{"projection.rebuilt", events.TypeModelRebuilt, Config, false, "A read model was built anew.", exampleRebuilt},
	{"projection.rolled_back", events.TypeModelRolledBack, Config, false, "The kept generation of a read model is live again.", exampleRolledBack},
}

var byStored = index()

func index() map[events.Type]*kind {
	out := map[events.Type]*kind{}
	for i := range kinds {
		if k := &kinds[i]; k.stored != "" {
			out[k.stored] = k
		}
	}
	return out
}

// TypeOf returns the public name of a stored type, "" if it has none.
func TypeOf(t events.Type) string {
	if k := byStored[t]; k != nil {
		return k.name
	}
	return ""
}

// CategoryOf returns the category of a stored type, "" if it has none.
func CategoryOf(t events.Type) string {
	if k := byStored[t]; k != nil {
		return k.category
	}
	return ""
}

// Stored returns the stored types behind a public name, or behind a family such as
// email.*; known is false for a name that is neither. A known name may have none yet.
func Stored(name string) (types []events.Type, known bool) {
	family, isFamily := strings.CutSuffix(name, "*")
	for i := range kinds {
		k := &kinds[i]
		member := isFamily && strings.HasSuffix(family, ".") && strings.HasPrefix(k.name, family)
		if k.name != name && !member {
			continue
		}
		known = true
		if k.stored != "" {
			types = append(types, k.stored)
		}
	}
	return types, known
}

// IsDeliverable reports whether webhooks may get events of a stored type.
func IsDeliverable(t events.Type) bool {
	k := byStored[t]
	return k != nil && k.deliverable
}

// Deliverable returns the stored types that webhooks may get.
func Deliverable() []events.Type {
	var out []events.Type
	for _, k := range kinds {
		if k.deliverable && k.stored != "" {
			out = append(out, k.stored)
		}
	}
	return out
}

// InCategory returns the stored types of a category.
func InCategory(category string) []events.Type {
	var out []events.Type
	for _, k := range kinds {
		if k.category == category && k.stored != "" {
			out = append(out, k.stored)
		}
	}
	return slices.Clip(out)
}

// Type is a public type, as GET /api/event-types/ describes it.
type Type struct {
	Type        string
	Description string
	Deliverable bool   // by webhooks
	Schema      []byte // JSON Schema 2020-12 of data
	Example     []byte // JSON, of data
}

// Types returns all public types in the order of webhooks.md 3.
func Types() []Type {
	out := make([]Type, len(kinds))
	for i, k := range kinds {
		out[i] = Type{k.name, k.description, k.deliverable, schemaOf(k), marshal(k.example)}
	}
	return out
}
