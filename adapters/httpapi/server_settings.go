package httpapi

import (
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const (
	portTLS, portPlain = 993, 143
	defaultInterval    = 15 // minutes

	msgHost       = "Enter a valid host name or IP address."
	msgLimitValue = "Sync limit value is required for this sync type"
	msgAgain      = "Enter the password again to change the host or to turn off TLS."
	msgPin        = "Enter 64 hexadecimal digits, or nothing."
)

// serverInput is the fields of an IMAP server that a request gives; nil is not given.
type serverInput struct {
	name, host, username, password *string
	port                           *int
	useTLS                         *bool
	limitType                      *string
	limitValue                     *int
	setLimitValue                  bool // limitValue is given, be it null
	folders                        *string
	excludeTrash                   *bool
	interval                       *int
	setInterval                    bool // interval is given, be it null
	allowChanges                   *bool
	pin                            *string
	authType, provider             *string
	providers                      []commands.OAuthProvider
}

// readServer reads the fields in the order of api.md 9.3; required ones must be there if whole.
func readServer(d *decoder, whole bool, providers []commands.OAuthProvider) serverInput {
	oauth := whole && signsIn(d)
	in := serverInput{
		name:          d.text("name", rule{required: whole, max: 100}),
		host:          readHost(d, whole && !oauth),
		port:          d.integer("port", rule{min: 1, max: 65535}),
		username:      d.text("username", rule{required: whole, max: 255}),
		password:      readPassword(d, whole, oauth),
		useTLS:        d.boolean("use_ssl"),
		limitType:     d.choice("sync_limit_type", "all", "last_n", "days", "weeks", "months", "years"),
		setLimitValue: d.given("sync_limit_value"),
		limitValue:    d.integer("sync_limit_value", rule{nullable: true, min: 1, max: 100000}),
		folders:       d.text("folders_to_sync", rule{blank: true, max: 10000}),
		excludeTrash:  d.boolean("exclude_trash"),
		setInterval:   d.given("sync_interval"),
		interval:      d.integer("sync_interval", rule{nullable: true, min: 1, max: 10080}),
		allowChanges:  d.boolean("allow_changes"),
	}
	in.providers = providers
	in.authType = d.choice("auth_type", events.AuthPassword, events.AuthOAuth2)
	in.provider = readProvider(d, oauth)
	in.pin = readPin(d)
	return in
}

func readHost(d *decoder, whole bool) *string {
	host := d.text("host", rule{required: whole, max: 255})
	if host != nil && !domain.IsHost(*host) {
		d.fault("host", msgHost)
		return nil
	}
	return host
}

// readPin reads the extension field tls_certificate_sha256 (api.md D60).
func readPin(d *decoder) *string {
	pin := d.text("tls_certificate_sha256", rule{blank: true})
	if pin == nil {
		return nil
	}
	text := strings.ToLower(strings.ReplaceAll(*pin, ":", ""))
	if text != "" && (len(text) != 64 || strings.Trim(text, "0123456789abcdef") != "") {
		d.fault("tls_certificate_sha256", msgPin)
		return nil
	}
	return &text
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// settings returns the settings of a new IMAP server.
func (in serverInput) settings() (events.AccountSettings, error) {
	interval := defaultInterval
	s := events.AccountSettings{
		UseTLS: true, LimitType: events.LimitAll, ExcludeTrash: true, IntervalMin: &interval, AuthType: events.AuthPassword,
	}
	in.put(&s)
	in.putProvider(events.AccountSettings{}, &s)
	if in.port == nil {
		s.Port = defaultPort(s.UseTLS)
	}
	return s, in.check(s, s)
}

// merged returns settings with what is given (api.md D25). It computes only.
func (in serverInput) merged(before events.AccountSettings) (events.AccountSettings, error) {
	after := before
	in.put(&after)
	in.putProvider(before, &after)
	if in.port == nil && after.UseTLS != before.UseTLS && before.Port == defaultPort(before.UseTLS) {
		after.Port = defaultPort(after.UseTLS)
	}
	return after, in.check(before, after)
}

func (in serverInput) put(s *events.AccountSettings) {
	set(&s.Name, in.name)
	set(&s.Host, in.host)
	set(&s.Port, in.port)
	set(&s.Username, in.username)
	set(&s.UseTLS, in.useTLS)
	set((*string)(&s.LimitType), in.limitType)
	if in.setLimitValue {
		s.LimitValue = in.limitValue
	}
	if in.folders != nil {
		s.Folders = normalFolders(*in.folders)
	}
	set(&s.ExcludeTrash, in.excludeTrash)
	if in.setInterval {
		s.IntervalMin = in.interval
	}
	set(&s.AllowChanges, in.allowChanges)
	set(&s.AuthType, in.authType)
	set(&s.OAuthProvider, in.provider)
	set(&s.CertSHA256, in.pin)
}

// check judges the merged settings: what one field alone cannot show.
func (in serverInput) check(before, after events.AccountSettings) error {
	var faults inputError
	switch {
	case after.AuthType == events.AuthOAuth2:
		in.checkSignIn(before, after, &faults)
	case before.AuthType == events.AuthOAuth2 && in.password == nil:
		faults.add("password", msgRequired)
	// api.md D26: a stored password must not travel to another host, or in the clear.
	case in.password == nil && (after.Host != before.Host || before.UseTLS && !after.UseTLS):
		faults.add("password", msgAgain)
	}
	if after.LimitType != events.LimitAll && after.LimitValue == nil {
		faults.add("sync_limit_value", msgLimitValue)
	}
	return faults.err()
}

func defaultPort(useTLS bool) int {
	if useTLS {
		return portTLS
	}
	return portPlain
}

// normalFolders returns a list of folders as it is stored (api.md D23).
func normalFolders(text string) string { return domain.FormatFolders(domain.ParseFolders(text)) }
