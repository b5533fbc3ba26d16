package adminui

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// serverForm is the form of an IMAP server, as it was sent.
type serverForm struct {
	*form
	ID       int64 // 0: a new one
	Settings events.AccountSettings
	Address  string // of a new one
	Limit    string // of LimitValue
	Interval string
	Probe    *commands.Probe // nil: not tested
	Advice   string
	Found    *commands.Login // what was found for an address
	password string
}

const (
	defaultInterval = 15 // minutes
	tlsPort         = 993
	plainPort       = 143
)

// newServerForm shows settings.
func newServerForm(id int64, s events.AccountSettings) *serverForm {
	f := &serverForm{form: &form{Faults: map[string]string{}}, ID: id, Settings: s}
	if s.LimitValue != nil {
		f.Limit = grouped(*s.LimitValue)
	}
	if s.IntervalMin != nil {
		f.Interval = grouped(*s.IntervalMin)
	}
	return f
}

// blankServer is the settings that a new server begins with.
func blankServer() events.AccountSettings {
	interval := defaultInterval
	return events.AccountSettings{Port: tlsPort, UseTLS: true, LimitType: events.LimitAll, ExcludeTrash: true, IntervalMin: &interval, AuthType: "password"}
}

// readServer reads the form over the settings that are there, and judges it.
func readServer(r *request, id int64, before events.AccountSettings) (*serverForm, error) {
	f, err := readForm(r)
	if err != nil {
		return nil, err
	}
	s := &serverForm{form: f, ID: id, Settings: before, Address: f.text("address", id == 0, 255), password: f.raw("password")}
	to := &s.Settings
	to.Name, to.Host = f.text("name", id != 0, 100), f.text("host", id != 0, 255)
	to.Username = f.text("username", id != 0, 255)
	to.UseTLS = f.raw("security") != "starttls"
	to.Port = f.number("port", plainPort, 65535)
	if to.UseTLS && strings.TrimSpace(f.raw("port")) == "" {
		to.Port = tlsPort
	}
	s.readLimits(to)
	to.Folders = domain.FormatFolders(domain.ParseFolders(f.text("folders", false, 10000)))
	to.ExcludeTrash = f.checked("exclude_trash")
	to.CertSHA256 = strings.ToLower(strings.ReplaceAll(f.text("certificate", false, 100), ":", ""))
	s.judge(before)
	return s, nil
}

func (s *serverForm) readLimits(to *events.AccountSettings) {
	s.Limit, s.Interval = s.raw("limit"), s.raw("interval")
	to.LimitType, to.LimitValue, to.IntervalMin = events.LimitType(s.raw("limit_type")), nil, nil
	if to.LimitType == "" {
		to.LimitType = events.LimitAll
	}
	if n := s.number("limit", 0, 100000); n > 0 {
		to.LimitValue = &n
	}
	if n := s.number("interval", 0, 10080); n > 0 {
		to.IntervalMin = &n
	}
}

func (s *serverForm) judge(before events.AccountSettings) {
	to := s.Settings
	switch to.LimitType {
	case events.LimitAll:
	case events.LimitLastN, events.LimitDays, events.LimitWeeks, events.LimitMonths, events.LimitYears:
		if to.LimitValue == nil {
			s.fault("limit", "Say how many.")
		}
	default:
		s.fault("limit_type", "Choose one.")
	}
	if to.Host != "" && !domain.IsHost(to.Host) {
		s.fault("host", "Enter a valid host name or IP address.")
	}
	if to.CertSHA256 != "" && (len(to.CertSHA256) != 64 || strings.Trim(to.CertSHA256, "0123456789abcdef") != "") {
		s.fault("certificate", "Enter 64 hexadecimal digits, or nothing.")
	}
	if len(s.password) > 1024 {
		s.fault("password", "At most 1024 characters.")
	}
	switch {
	case s.password != "":
	case s.ID == 0:
		s.fault("password", "This field is required.")
	case to.Host != before.Host || before.UseTLS && !to.UseTLS:
		// A stored password must not travel to another host, or in the clear (api.md D26).
		s.fault("password", "Enter the password again to change the host or to turn off TLS.")
	}
	if s.ID == 0 && s.Address != "" && !strings.Contains(s.Address, "@") && to.Host == "" {
		s.fault("address", "An address has an @. Without one, give the host below.")
	}
}

// login is what a test tries.
func (s *serverForm) login() commands.Login {
	to := s.Settings
	return commands.Login{Host: to.Host, Port: to.Port, Username: cmp.Or(to.Username, s.Address), Password: s.password, UseTLS: to.UseTLS, CertSHA256: to.CertSHA256}
}

// discoverFor is how long the search for a server may take in all.
const discoverFor = 40 * time.Second

// test tries the settings. Without a host it looks for the server of the address first:
// in the table of providers, then at the names that are usual.
func (u *ui) test(r *request, s *serverForm) error {
	if wait := u.opts.CountTest(r.who.User); wait > 0 {
		s.fault("", "Too many tests. Try again in "+minutes(wait)+".")
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), discoverFor)
	defer cancel()
	logins := []commands.Login{s.login()}
	if s.Settings.Host == "" {
		logins = candidates(s.Address, s.password)
	}
	cmd := commands.TestConnection{Journal: r.who.Journal, Account: domain.AccountID(s.ID)}
	for _, login := range logins {
		useTLS := login.UseTLS
		cmd.Login, cmd.UseTLS = login, &useTLS
		probe, err := u.app.TestConnection(ctx, cmd)
		if err != nil {
			return err
		}
		// A server that knows IMAP and refuses the password is the right one.
		if s.Probe == nil || probe.Code == commands.CodeOK || probe.Code == commands.CodeAuthFailed {
			s.Probe, s.Found = &probe, &login
		}
		if probe.Code == commands.CodeOK || probe.Code == commands.CodeAuthFailed {
			break
		}
	}
	s.advise()
	return nil
}

// advise says what to do about a test that failed, and takes over what was found.
func (s *serverForm) advise() {
	if p := providerOf(s.Address); p != nil && s.Probe.Code == commands.CodeAuthFailed {
		s.Advice = p.advice
	}
	if s.Advice == "" {
		s.Advice = advice[s.Probe.Code]
	}
	if s.Probe.Code != commands.CodeOK && s.Probe.Code != commands.CodeAuthFailed {
		return
	}
	to := &s.Settings
	to.Host, to.Port, to.UseTLS, to.Username = s.Found.Host, s.Found.Port, s.Found.UseTLS, s.Found.Username
	if to.Name == "" {
		to.Name = s.Address
	}
}
