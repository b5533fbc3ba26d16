package httpapi

import (
	"slices"
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
)

const (
	msgLeaveEmpty    = "Leave this empty when signing in with OAuth 2.0."
	msgNotConfigured = "This provider is not configured."
	msgForeignHost   = "This host does not belong to the provider."
)

// signsIn reports whether a body asks for OAuth 2.0 in place of a password.
func signsIn(d *decoder) bool {
	kind := newDecoder(d.fields).text("auth_type", rule{blank: true, nullable: true})
	return kind != nil && *kind == events.AuthOAuth2
}

// readPassword reads a password; with OAuth 2.0 there must be none.
func readPassword(d *decoder, whole, oauth bool) *string {
	if !oauth {
		return d.text("password", rule{required: whole, max: 1024, keep: true})
	}
	if p := d.text("password", rule{blank: true, nullable: true, max: 1024, keep: true}); p != nil && *p != "" {
		d.fault("password", msgLeaveEmpty)
	}
	return nil
}

// readProvider reads oauth_provider, which is nothing to a server with a password.
func readProvider(d *decoder, oauth bool) *string {
	if !oauth && !d.given("oauth_provider") || string(d.fields["oauth_provider"]) == "null" && !oauth {
		return nil
	}
	if !d.given("oauth_provider") {
		d.fault("oauth_provider", msgRequired)
		return nil
	}
	return d.choice("oauth_provider", "google", "microsoft", "custom")
}

// providerNamed returns a provider; ok is false if the operator has not configured it.
func (in serverInput) providerNamed(key string) (p commands.OAuthProvider, ok bool) {
	i := slices.IndexFunc(in.providers, func(p commands.OAuthProvider) bool { return p.Key == key })
	if i < 0 {
		return commands.OAuthProvider{Key: key}, false
	}
	return in.providers[i], in.providers[i].Configured
}

// putProvider fills in what follows from the provider: its host where none is given.
func (in serverInput) putProvider(before events.AccountSettings, s *events.AccountSettings) {
	if s.AuthType != events.AuthOAuth2 {
		s.OAuthProvider = ""
		return
	}
	p, _ := in.providerNamed(s.OAuthProvider)
	another := before.AuthType != s.AuthType || before.OAuthProvider != s.OAuthProvider
	if p.Host != "" && in.host == nil && another {
		s.Host, s.UseTLS = p.Host, true
		if in.port == nil {
			s.Port = p.Port
		}
	}
}

// checkSignIn judges settings with OAuth 2.0 (api.md 10.15). Tokens go to the provider's host only.
func (in serverInput) checkSignIn(before, after events.AccountSettings, faults *inputError) {
	p, configured := in.providerNamed(after.OAuthProvider)
	another := in.authType != nil || in.provider != nil || before.Host != after.Host
	switch {
	case after.OAuthProvider != "" && !configured || !another:
	case after.Host == "":
		faults.add("host", msgRequired)
	case p.Host != "" && !strings.EqualFold(after.Host, p.Host):
		faults.add("host", msgForeignHost)
	}
	if in.password != nil {
		faults.add("password", msgLeaveEmpty)
	}
	switch {
	case after.OAuthProvider == "":
		faults.add("oauth_provider", msgRequired)
	case !configured && (in.authType != nil || in.provider != nil):
		faults.add("oauth_provider", msgNotConfigured)
	}
}
