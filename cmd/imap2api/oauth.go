package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strings"

	"github.com/imap2api/imap2api/adapters/httpapi"
	"github.com/imap2api/imap2api/adapters/oauth"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// oauthConfig is the settings of OAuth 2.0 for IMAP servers (api.md 13).
type oauthConfig struct {
	google, microsoft, custom                         oauthClient
	customName, customAuth, customToken, customScopes string
	oauthReturnURLs                                   string
}

// oauthClient is what the operator has registered at a provider.
type oauthClient struct{ id, secretFile string }

func (c *oauthConfig) register(fs *flag.FlagSet) {
	for name, client := range map[string]*oauthClient{"google": &c.google, "microsoft": &c.microsoft, "custom": &c.custom} {
		fs.StringVar(&client.id, "oauth-"+name+"-client-id", "", "OAuth 2.0 for IMAP servers: the client registered there; unset: not offered")
		fs.StringVar(&client.secretFile, "oauth-"+name+"-client-secret-file", "", "its secret; unset: a public client")
	}
	fs.StringVar(&c.customName, "oauth-custom-name", "", "what people call the custom provider")
	fs.StringVar(&c.customAuth, "oauth-custom-auth-url", "", "its authorization endpoint")
	fs.StringVar(&c.customToken, "oauth-custom-token-url", "", "its token endpoint")
	fs.StringVar(&c.customScopes, "oauth-custom-scopes", "", "scopes to ask for, separated by spaces or commas")
	fs.StringVar(&c.oauthReturnURLs, "oauth-return-urls", "", "origins that a browser may go to after a sign-in, comma-separated")
}

// validate returns what is wrong.
func (c *oauthConfig) validate() error {
	var faults []error
	for _, u := range []struct{ name, value string }{{"oauth-custom-auth-url", c.customAuth}, {"oauth-custom-token-url", c.customToken}} {
		if !isAddress(u.value) && (u.value != "" || c.custom.id != "") {
			faults = append(faults, fmt.Errorf("%s: %q is not an http or https URL", u.name, u.value))
		}
	}
	for _, origin := range splitList(c.oauthReturnURLs) {
		if u, err := url.Parse(origin); err != nil || !isAddress(origin) || u.Path != "" || u.RawQuery != "" {
			faults = append(faults, fmt.Errorf("oauth-return-urls: %q is not an origin such as https://app.example", origin))
		}
	}
	return errors.Join(faults...)
}

func isAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.User == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// oauthService returns what speaks with providers.
func (c *oauthConfig) oauthService() (*oauth.Service, error) {
	var faults []error
	client := func(name string, c oauthClient) oauth.Client {
		out := oauth.Client{ID: c.id}
		if c.id == "" || c.secretFile == "" {
			return out
		}
		var err error
		if out.Secret, err = readSecret(c.secretFile); err != nil {
			faults = append(faults, fmt.Errorf("oauth-%s-client-secret-file: %w", name, err))
		}
		return out
	}
	opts := oauth.Options{
		Google: client("google", c.google), Microsoft: client("microsoft", c.microsoft),
		Custom: oauth.Custom{
			Client: client("custom", c.custom), Name: c.customName, AuthURL: c.customAuth, TokenURL: c.customToken,
			Scopes: strings.FieldsFunc(c.customScopes, func(r rune) bool { return r == ',' || r == ' ' }),
		},
	}
	if len(faults) > 0 {
		return nil, usageError{errors.Join(faults...)}
	}
	return oauth.New(opts), nil
}

func (s *system) wireSignIns(app *httpapi.App) {
	o, l := s.metrics, s.log
	signIn := commands.NewAuthorization(s.grantBook, s.grants, s.passwords, s.oauth, now)
	app.OAuthProviders = s.oauth.Providers
	app.GetGrant = observe(o, l, "get_grant", queries.NewGetGrant(s.accounts, s.grants).Handle)
	app.BeginAuthorization = observe(o, l, "begin_sign_in", signIn.Begin)
	app.LookAuthorization = observe(o, l, "look_sign_in", signIn.Look)
	app.FinishAuthorization = observe(o, l, "finish_sign_in", func(ctx context.Context, cmd commands.FinishAuthorization) (commands.AuthorizationEnded, error) {
		defer s.queue.Notify() // a sync may begin
		return signIn.Finish(ctx, cmd)
	})
	app.PutGrant = observe(o, l, "put_grant", func(ctx context.Context, cmd commands.PutGrant) (events.Position, error) {
		defer s.queue.Notify()
		return signIn.Put(ctx, cmd)
	})
	app.DropGrant = observe(o, l, "drop_grant", signIn.Drop)
}
