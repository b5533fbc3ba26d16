package oauth

import (
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/imap2api/imap2api/commands"
)

// Client is what a provider knows us by.
type Client struct {
	ID, Secret string // "": not configured; a public client has no secret
}

// Custom is a provider that the operator names.
type Custom struct {
	Client
	Name              string
	AuthURL, TokenURL string
	Scopes            []string
}

// Options of a Service; zero values mean that nobody is configured.
type Options struct {
	Google, Microsoft Client
	Custom            Custom
	// HTTP asks providers; nil: a client with a timeout.
	HTTP *http.Client
}

// provider is a provider and its addresses.
type provider struct {
	commands.OAuthProvider
	client   Client
	endpoint oauth2.Endpoint
	revoke   string // RFC 7009; "": it has none
	extra    []oauth2.AuthCodeOption
}

// askTimeout ends a request to a provider.
const askTimeout = 20 * time.Second

// Service speaks with providers. It is the OAuth of commands.
type Service struct {
	list []provider
	http *http.Client
}

// New returns a service.
func New(opts Options) *Service {
	s := &Service{http: opts.HTTP, list: []provider{google(opts.Google), microsoft(opts.Microsoft)}}
	if s.http == nil {
		s.http = &http.Client{Timeout: askTimeout}
	}
	if c := opts.Custom; c.ID != "" {
		name := c.Name
		if name == "" {
			name = "the provider"
		}
		s.list = append(s.list, provider{
			OAuthProvider: commands.OAuthProvider{Key: "custom", Name: name, Configured: true, Port: 993, Scopes: c.Scopes},
			client:        c.Client, endpoint: oauth2.Endpoint{AuthURL: c.AuthURL, TokenURL: c.TokenURL},
		})
	}
	return s
}

// google gives a refresh token only if it is asked for one and the user agrees anew.
func google(c Client) provider {
	return provider{
		OAuthProvider: commands.OAuthProvider{
			Key: "google", Name: "Google", Configured: c.ID != "", Host: "imap.gmail.com", Port: 993,
			Scopes: []string{"https://mail.google.com/"},
		},
		client: c,
		endpoint: oauth2.Endpoint{
			AuthURL: "https://accounts.google.com/o/oauth2/v2/auth", TokenURL: "https://oauth2.googleapis.com/token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
		revoke: "https://oauth2.googleapis.com/revoke",
		extra:  []oauth2.AuthCodeOption{oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("prompt", "consent")},
	}
}

// microsoft has accounts of people and of organisations behind one address.
func microsoft(c Client) provider {
	return provider{
		OAuthProvider: commands.OAuthProvider{
			Key: "microsoft", Name: "Microsoft", Configured: c.ID != "", Host: "outlook.office365.com", Port: 993,
			Scopes: []string{"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"},
		},
		client: c,
		endpoint: oauth2.Endpoint{
			AuthURL:   "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
			TokenURL:  "https://login.microsoftonline.com/common/oauth2/v2.0/token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// Providers returns those that accounts may name.
func (s *Service) Providers() []commands.OAuthProvider {
	out := make([]commands.OAuthProvider, len(s.list))
	for i, p := range s.list {
		out[i] = p.OAuthProvider
	}
	return out
}

// named returns a provider that is configured.
func (s *Service) named(key string) (provider, error) {
	for _, p := range s.list {
		if p.Key == key && p.Configured {
			return p, nil
		}
	}
	return provider{}, &commands.GrantError{Err: errNotConfigured}
}

func (p provider) config(redirectURI string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.client.ID, ClientSecret: p.client.Secret, Endpoint: p.endpoint, RedirectURL: redirectURI, Scopes: p.Scopes,
	}
}
