package httpapi

import (
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// probeJSON is what a connection test found (api.md 10.1).
type probeJSON struct {
	Success      bool              `json:"success"`
	Code         string            `json:"code"`
	Message      string            `json:"message"`
	TLS          string            `json:"tls"`
	Capabilities []string          `json:"capabilities"`
	Folders      []probeFolderJSON `json:"folders"`
	DurationMS   int64             `json:"duration_ms"`
}

type probeFolderJSON struct {
	Name       domain.MailboxName `json:"name"`
	SpecialUse *string            `json:"special_use"`
	Messages   *uint32            `json:"messages"` // null if the server did not say
}

func probeOf(p commands.Probe) probeJSON {
	out := probeJSON{
		Success: p.Code == commands.CodeOK, Code: p.Code, Message: p.Message, TLS: p.TLS,
		Capabilities: orEmpty(p.Capabilities), Folders: []probeFolderJSON{}, DurationMS: p.Took.Milliseconds(),
	}
	for _, m := range p.Mailboxes {
		if m.NoSelect {
			continue
		}
		f := probeFolderJSON{Name: m.Name, SpecialUse: textOrNil(string(m.Role))}
		if m.Status != nil {
			f.Messages = &m.Status.Messages
		}
		out.Folders = append(out.Folders, f)
	}
	return out
}

// readLogin reads the fields of a connection test.
func readLogin(d *decoder, whole bool) serverInput {
	return serverInput{
		host:     readHost(d, whole),
		port:     d.integer("port", rule{min: 1, max: 65535}),
		username: d.text("username", rule{required: whole, max: 255}),
		password: d.text("password", rule{required: whole, max: 1024, keep: true}),
		useTLS:   d.boolean("use_ssl"),
		pin:      readPin(d),
	}
}

// testSettings tries settings that are not stored.
func (a *api) testSettings(r *request) (response, error) {
	if err := a.countTest(r); err != nil {
		return response{}, err
	}
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	in := readLogin(d, true)
	if err := d.err(); err != nil {
		return response{}, err
	}
	s := events.AccountSettings{UseTLS: true}
	in.put(&s)
	if in.port == nil {
		s.Port = defaultPort(s.UseTLS)
	}
	return a.probe(r, commands.TestConnection{Journal: r.who.Journal, Login: commands.Login{
		Host: s.Host, Port: s.Port, Username: s.Username, Password: *in.password, UseTLS: s.UseTLS, CertSHA256: s.CertSHA256,
	}})
}

// testServer tries stored settings, some of them overridden.
func (a *api) testServer(r *request) (response, error) {
	if err := a.countTest(r); err != nil {
		return response{}, err
	}
	acc, err := a.serverOfPath(r)
	if err != nil {
		return response{}, err
	}
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	in := readLogin(d, false)
	if acc.OAuthStatus != "" && in.host != nil && *in.host != acc.Settings.Host {
		d.fault("host", msgForeignHost) // tokens go nowhere else
	}
	if err := d.err(); err != nil {
		return response{}, err
	}
	s, err := in.merged(acc.Settings)
	if err != nil {
		return response{}, err
	}
	cmd := commands.TestConnection{Journal: r.who.Journal, Account: acc.ID, UseTLS: &s.UseTLS}
	cmd.Login = commands.Login{Host: s.Host, Port: s.Port, Username: s.Username, CertSHA256: s.CertSHA256}
	set(&cmd.Login.Password, in.password)
	return a.probe(r, cmd)
}

func (a *api) probe(r *request, cmd commands.TestConnection) (response, error) {
	p, err := a.app.TestConnection(r.Context(), cmd)
	if err != nil {
		return response{}, err
	}
	return response{body: probeOf(p), plain: true}, nil
}
