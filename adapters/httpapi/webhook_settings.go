package httpapi

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events/public"
)

const (
	maxWebhookURL  = 2000
	maxWebhookText = 200
	maxFolderName  = 1000 // characters

	msgSecret = "Enter whsec_ followed by base64 of 24 to 64 bytes."
)

// webhookInput is the fields of a webhook that a request gives; nil is not given.
type webhookInput struct {
	url, description *string
	types            []string
	accounts         []domain.AccountID
	folders          []domain.MailboxName
	setTypes         bool
	setAccounts      bool
	setFolders       bool
	backfill, active *bool
	secret           string // "": not given
}

// readWebhook reads the fields in the order of webhooks.md 2.1; url must be there if whole, and only then
// there may be a secret.
func (a *api) readWebhook(r *request, whole bool) (webhookInput, error) {
	d, err := a.decodeBody(r, false)
	if err != nil {
		return webhookInput{}, err
	}
	in := webhookInput{
		url: a.readTarget(d, whole), description: d.text("description", rule{blank: true, max: maxWebhookText}),
		setTypes: d.given("event_types"), types: readEventTypes(d), setAccounts: d.given("imap_servers"),
	}
	if in.accounts, err = a.readServers(r, d); err != nil {
		return in, err
	}
	// A token that is limited to some servers makes no webhook that is not.
	if r.accounts() != nil && len(in.accounts) == 0 && (whole || in.setAccounts) && len(d.faults.messages["imap_servers"]) == 0 {
		d.fault("imap_servers", msgEmptyList)
	}
	in.setFolders, in.folders = d.given("folders"), readFolders(d)
	in.backfill, in.active = d.boolean("include_backfill"), d.boolean("is_active")
	if whole {
		in.secret = readSecret(d)
	}
	return in, d.err()
}

func (a *api) readTarget(d *decoder, whole bool) *string {
	text := d.text("url", rule{required: whole, max: maxWebhookURL})
	if text == nil || a.app.CheckTarget == nil {
		return text
	}
	var field *domain.FieldError
	if err := a.app.CheckTarget(*text); errors.As(err, &field) {
		d.fault("url", field.Message)
		return nil
	}
	return text
}

// readEventTypes reads event_types: names and families that webhooks may get.
func readEventTypes(d *decoder) []string {
	var out []string
	for _, name := range readTexts(d, "event_types") {
		switch {
		case !public.IsWebhookType(name):
			d.fault("event_types", notAChoice(name))
		case !slices.Contains(out, name):
			out = append(out, name)
		}
	}
	return out
}

func readFolders(d *decoder) []domain.MailboxName {
	var out []domain.MailboxName
	for _, name := range readTexts(d, "folders") {
		switch {
		case strings.ContainsRune(name, 0):
			d.fault("folders", msgNUL)
		case name == "":
			d.fault("folders", msgBlank)
		case utf8.RuneCountInString(name) > maxFolderName:
			d.fault("folders", tooLong(maxFolderName))
		case !slices.Contains(out, domain.MailboxName(name)):
			out = append(out, domain.MailboxName(name))
		}
	}
	return out
}

// readTexts reads a list of strings.
func readTexts(d *decoder, name string) []string {
	if !d.given(name) {
		return nil
	}
	var out []string
	for _, item := range d.list(name) {
		switch kindOf(item) {
		case "str":
			out = append(out, unquote(item))
		case "int", "float":
			out = append(out, string(item))
		default:
			d.fault(name, msgString)
		}
	}
	return out
}

func readSecret(d *decoder) string {
	secret := d.text("secret", rule{})
	if secret == nil {
		return ""
	}
	if !commands.IsWebhookSecret(*secret) {
		d.fault("secret", msgSecret)
	}
	return *secret
}

// merged returns settings with what is given. It computes only.
func (in webhookInput) merged(s commands.WebhookSettings) commands.WebhookSettings {
	set(&s.URL, in.url)
	set(&s.Description, in.description)
	if in.setTypes {
		s.Types = in.types
	}
	if in.setAccounts {
		s.Accounts = in.accounts
	}
	if in.setFolders {
		s.Folders = in.folders
	}
	set(&s.Backfill, in.backfill)
	set(&s.Active, in.active)
	return s
}
