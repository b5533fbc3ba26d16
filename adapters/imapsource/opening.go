package imapsource

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/imap2api/imap2api/commands"
)

// opening is a connection from the first octet to the login, in a dialogue of
// one command at a time.
type opening struct {
	*session // not logged in yet

	src   *Source
	login commands.Login
	state tls.ConnectionState // zero without TLS
	token string              // of login.Bearer
}

func (o *opening) tlsName() string {
	if o.state.Version == 0 {
		return ""
	}
	return tls.VersionName(o.state.Version)
}

// errNotIMAP says that something else answered.
var errNotIMAP = errors.New("greeting is not one of IMAP")

// connect opens a connection and logs in. What it returns is never nil, so that
// a probe can tell how far it came.
func (s *Source) connect(ctx context.Context, login commands.Login) (*opening, error) {
	o := &opening{session: &session{}, src: s, login: login}
	if login.Bearer != nil { // no connection is made for a grant that is gone
		token, err := login.Bearer.Token(ctx, "")
		if err != nil {
			return o, o.explain(ctx, err)
		}
		o.token = token
	}
	conn, err := s.dial(ctx, login)
	if err != nil {
		return o, dialError(ctx, login, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := o.start(ctx, conn); err != nil {
		_ = conn.Close()
		return o, err
	}
	return o, nil
}

func (o *opening) start(ctx context.Context, conn net.Conn) error {
	if o.login.UseTLS {
		t, err := o.src.handshake(ctx, conn, o.login)
		if err != nil {
			return tlsError(ctx, o.login, err)
		}
		conn, o.state = t, t.ConnectionState()
	}
	o.wire = newWire(conn, o.src.opt, o.login)
	preauth, err := o.greeting()
	if err != nil {
		return o.explain(ctx, err)
	}
	if err := o.askCapabilities(); err != nil {
		return o.explain(ctx, err)
	}
	if o.state.Version == 0 {
		if err := o.startTLS(ctx, preauth); err != nil {
			return err
		}
	}
	if !preauth {
		if err := o.authenticate(ctx); err != nil {
			return o.explain(ctx, err)
		}
	}
	// Capabilities from before the login are void, and iCloud's proxy garbles the
	// ones it sends along with the answer: ask.
	if err := o.askCapabilities(); err != nil {
		return o.explain(ctx, err)
	}
	if err := o.identify(); err != nil {
		return o.explain(ctx, err)
	}
	return nil
}

// greeting reads the first line (RFC 9051 section 7.1.5). Something that is not
// IMAP may wait for us to speak first, so there is less time for it.
func (o *opening) greeting() (preauth bool, err error) {
	w := o.wire
	w.timeout = o.src.opt.DialTimeout
	defer func() { w.timeout = o.src.opt.CommandTimeout }()
	a, err := w.next()
	switch {
	case err != nil:
		return false, err
	case a.kind != status:
		return false, errNotIMAP
	}
	text := string(a.rest)
	word, _, _ := strings.Cut(strings.ToUpper(text), " ")
	switch word {
	case "OK":
		return false, nil
	case "PREAUTH":
		return true, nil
	}
	return false, &refusedError{text: w.told(text)}
}

// startTLS upgrades the connection if the server offers it. Then it must
// succeed: falling back to plain text is what an attacker would wish for.
func (o *opening) startTLS(ctx context.Context, preauth bool) error {
	offered := o.caps.has("STARTTLS")
	if preauth {
		// RFC 9051 section 11.1: after PREAUTH there can be no STARTTLS.
		return sourceError(commands.CodeTLSFailed, fmt.Sprintf("%s skips the login before TLS, which is not safe.", o.login.Host), errors.New("preauth without tls"))
	}
	if !offered {
		return nil
	}
	if _, err := o.command("STARTTLS", nil); err != nil {
		if _, ok := errors.AsType[*refusedError](err); !ok {
			return o.explain(ctx, err)
		}
		return tlsError(ctx, o.login, err)
	}
	if o.wire.br.Buffered() > 0 {
		// What came in plain text after the OK would be read as if it were protected.
		return tlsError(ctx, o.login, errors.New("octets between starttls and handshake"))
	}
	_ = o.wire.conn.SetDeadline(time.Time{})
	t, err := o.src.handshake(ctx, o.wire.conn, o.login)
	if err != nil {
		return tlsError(ctx, o.login, err)
	}
	o.wire.over(t)
	o.state = t.ConnectionState()
	return o.explain(ctx, o.askCapabilities())
}

func (o *opening) askCapabilities() error {
	o.caps = capabilities{}
	lines, err := o.command("CAPABILITY", nil)
	if err != nil {
		return err
	}
	for _, line := range lines {
		if f := strings.Fields(line); f[0] == "CAPABILITY" {
			o.caps.list = f[1:]
		}
	}
	return nil
}

// identify sends ID (RFC 2971), without which 163.com opens no mailbox. The
// answer does not matter.
func (o *opening) identify() error {
	if !o.caps.has("ID") {
		return nil
	}
	version := ""
	if v := o.src.opt.Version; v != "" {
		version = ` "version" ` + strconv.QuoteToASCII(v)
	}
	_, err := o.command(`ID ("name" "imap2api"`+version+`)`, nil)
	if _, ok := errors.AsType[*refusedError](err); ok {
		return nil
	}
	return err
}

// command runs a command before or at the login and returns the untagged answers, literals left
// out. Continuation requests are answered by next, with what comes base64-encoded or raw.
func (o *opening) command(text string, next func(challenge string) (string, error)) ([]string, error) {
	if words := strings.Fields(text); len(words) > 2 && words[0] == "AUTHENTICATE" {
		o.wire.hide(words[2:]...)
	}
	respond := func(challenge string) (string, error) {
		if next == nil {
			return "", errNotIMAP
		}
		response, err := next(challenge)
		if len(response) > 1 {
			o.wire.hide(response)
		}
		return response, err
	}
	var lines []string
	err := o.converse(text, func(a *answer) error {
		if lines = append(lines, a.word+string(a.rest)); len(lines) > 100 {
			return o.wire.fail(errLine)
		}
		return nil
	}, respond)
	return lines, err
}

// explain makes an error of the dialogue one for callers.
func (o *opening) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e := contextError(ctx, o.login, err); e != nil {
		return e
	}
	if e, ok := errors.AsType[*commands.SourceError](err); ok {
		return e
	}
	host := o.login.Host
	if e, ok := errors.AsType[*refusedError](err); ok {
		switch {
		case throttled(e.text) || strings.Contains(strings.ToUpper(e.text), "[UNAVAILABLE]"):
			return throttledError(fmt.Sprintf("%s accepts no further connection for now.", host), e.text, err)
		case e.login:
			return sourceError(commands.CodeAuthFailed, fmt.Sprintf("Login to %s was refused.", host), err)
		}
		return sourceError(commands.CodeProtocolError, fmt.Sprintf("%s refused the connection.", host), err)
	}
	switch {
	case errors.Is(err, errNotIMAP), errors.Is(err, errLine) && o.caps.list == nil:
		return sourceError(commands.CodeNotIMAP, fmt.Sprintf("What answers at %s, port %d, is not an IMAP server.", host, o.login.Port), err)
	case errors.Is(err, errBearerInClear):
		return sourceError(commands.CodeTLSFailed, fmt.Sprintf("%s offers no TLS, without which nobody signs in with OAuth 2.0.", host), err)
	case errors.Is(err, errNoBearer):
		return sourceError(commands.CodeAuthFailed, fmt.Sprintf("%s does not take OAuth 2.0.", host), err)
	case errors.Is(err, errNoLogin):
		return sourceError(commands.CodeAuthFailed, fmt.Sprintf("%s takes no password on this connection.", host), err)
	case isTimeout(err):
		return timeoutError(o.login, err)
	case throttled(o.wire.spoken()):
		return throttledError(fmt.Sprintf("%s accepts no further connection for now.", host), o.wire.spoken(), fmt.Errorf("%w: %s", err, o.wire.spoken()))
	case o.wire.why() != nil:
		closed := sourceError(commands.CodeConnectFailed, fmt.Sprintf("%s closed the connection.", host), fmt.Errorf("%w: %s", err, o.wire.spoken()))
		if o.wire.farewell() != "" {
			closed.Reason = commands.ReasonBye
		}
		return closed
	}
	return sourceError(commands.CodeProtocolError, fmt.Sprintf("%s sent an answer that cannot be read.", host), err)
}
