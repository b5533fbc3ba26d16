package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"

	"github.com/imap2api/imap2api/commands"
)

// errTooLarge: what does not end is no whole answer, whatever its status.
var errTooLarge = errors.New("the answer has more than 64 KiB")

// blockedError is a target that is refused.
type blockedError struct{ why string }

// Error returns why.
func (e *blockedError) Error() string { return e.why }

// explain returns why there is no answer, as clients read it (webhooks.md 2.4).
func explain(ctx context.Context, err error) *commands.WebhookError {
	var wrapped *url.Error
	if errors.As(err, &wrapped) { // it repeats the URL, which may hold a secret
		err = wrapped.Err
	}
	return &commands.WebhookError{Code: codeOf(ctx, err), Message: err.Error()}
}

func codeOf(ctx context.Context, err error) string {
	var (
		blocked  *blockedError
		dns      *net.DNSError
		operr    *net.OpError
		cert     *tls.CertificateVerificationError
		record   tls.RecordHeaderError
		alert    tls.AlertError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		netErr   net.Error
	)
	switch {
	case errors.As(err, &blocked):
		return "blocked_address"
	case errors.Is(err, errTooLarge):
		return "response_too_large"
	case errors.As(err, &cert), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &unknown), errors.As(err, &hostname):
		return "tls_failed"
	case errors.As(err, &dns):
		return "dns_failed"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded),
		errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return "timeout"
	case errors.As(err, &operr) && operr.Op == "dial":
		return "connect_failed"
	case errors.As(err, &operr) && operr.Op == "remote error": // an alert of the peer
		return "tls_failed"
	}
	return "protocol_error"
}
