package imapsource

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/imap2api/imap2api/commands"
)

// sourceError returns an error for callers; message must not hold anything a
// server sent.
func sourceError(code, message string, err error) *commands.SourceError {
	return &commands.SourceError{Code: code, Message: message, Err: err}
}

// throttledError tells that a server has enough of us, and what it said: whether there are too many
// connections, and for how long it wants to be left alone.
func throttledError(message, said string, err error) *commands.SourceError {
	e := sourceError(commands.CodeThrottled, message, err)
	if overLimit(said) {
		e.Reason = commands.ReasonLimit
	}
	e.Wait = backoffHint(said)
	return e
}

func codeAndMessage(err error) (code, message string) {
	if e, ok := errors.AsType[*commands.SourceError](err); ok {
		return e.Code, e.Message
	}
	return commands.CodeInternal, "The connection test failed."
}

// dialError tells why there is no connection.
func dialError(ctx context.Context, login commands.Login, err error) error {
	if e := contextError(ctx, login, err); e != nil {
		return e
	}
	if _, ok := errors.AsType[*blockedError](err); ok {
		return sourceError(commands.CodeBlockedAddress, fmt.Sprintf("The address of %s is not allowed.", login.Host), err)
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return sourceError(commands.CodeDNSFailed, fmt.Sprintf("The name %s cannot be resolved.", login.Host), err)
	}
	if isTimeout(err) {
		return timeoutError(login, err)
	}
	return sourceError(commands.CodeConnectFailed, fmt.Sprintf("There is no connection to %s, port %d.", login.Host, login.Port), err)
}

// tlsError tells why a handshake failed.
func tlsError(ctx context.Context, login commands.Login, err error) error {
	if e := contextError(ctx, login, err); e != nil {
		return e
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || errors.Is(err, errPin) {
		return sourceError(commands.CodeCertificateInvalid, certificateMessage(login, err), err)
	}
	if isTimeout(err) {
		return timeoutError(login, err)
	}
	return sourceError(commands.CodeTLSFailed, fmt.Sprintf("A TLS connection to %s, port %d, cannot be made.", login.Host, login.Port), err)
}

func certificateMessage(login commands.Login, err error) string {
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.Is(err, errPin):
		return fmt.Sprintf("The certificate of %s is not the pinned one.", login.Host)
	case errors.As(err, &name):
		return fmt.Sprintf("The certificate of %s is for another name.", login.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("The certificate of %s has expired or is not valid yet.", login.Host)
	}
	return fmt.Sprintf("The certificate of %s is not trusted.", login.Host)
}

func timeoutError(login commands.Login, err error) error {
	return sourceError(commands.CodeTimeout, fmt.Sprintf("%s did not answer in time.", login.Host), err)
}

// contextError returns an error if the context is over, else nil.
func contextError(ctx context.Context, login commands.Login, err error) error {
	switch ctx.Err() {
	case nil:
		return nil
	case context.DeadlineExceeded:
		return timeoutError(login, fmt.Errorf("%w: %w", ctx.Err(), err))
	}
	return sourceError(commands.CodeCancelled, "The request was cancelled.", fmt.Errorf("%w: %w", ctx.Err(), err))
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || ok && ne.Timeout()
}

// throttled reports whether a server says that it has enough of us for now.
// Codes are of RFC 9051 section 7.1 and Gmail; texts are of Dovecot, Courier,
// Gmail and Exchange.
func throttled(text string) bool {
	low := strings.ToLower(text)
	for _, s := range []string{
		"[limit]", "[inuse]", "[throttled]", "[overquota]", "too many", "simultaneous connections",
		"number of connections", "connection limit", "command or bandwidth limits", "suggested backoff time",
		"authenticated but not connected", "try again later",
	} {
		if strings.Contains(low, s) {
			return true
		}
	}
	return false
}

// overLimit reports whether a server that has enough of us has too many connections.
func overLimit(text string) bool {
	low := strings.ToLower(text)
	for _, s := range []string{"[limit]", "[inuse]", "too many", "simultaneous connections", "number of connections", "connection limit"} {
		if strings.Contains(low, s) {
			return true
		}
	}
	return false
}

// maxBackoff bounds what a server may ask for: Gmail's bans last a day.
const maxBackoff = 24 * time.Hour

// backoffHint reads what Exchange Online says: "Suggested Backoff Time: 299980 milliseconds".
func backoffHint(text string) time.Duration {
	_, after, ok := strings.Cut(strings.ToLower(text), "suggested backoff time:")
	fields := strings.Fields(after)
	if !ok || len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, maxBackoff.Milliseconds())) * time.Millisecond
}

// nonexistent reports whether a server says that there is no such mailbox, by code
// (RFC 5530) or in the words of Dovecot, which lists a name with others below it like a mailbox.
func nonexistent(text string) bool {
	low := strings.ToLower(text)
	return strings.Contains(low, "[nonexistent]") || strings.Contains(low, "mailbox doesn't exist")
}

// words makes a server's text fit for a log and a quarantine: one line of valid
// UTF-8 with at most 200 octets.
func words(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "")
	}
	return strings.TrimSpace(text)
}
