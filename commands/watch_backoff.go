package commands

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Reasons why an account is not watched, kept apart: a name that is not resolved heals otherwise than a
// password that is refused.
const (
	ReasonDNS       = "dns"
	ReasonTCP       = "tcp"
	ReasonTLS       = "tls"
	ReasonAuth      = "auth" // not tried again before something has changed: servers lock accounts
	ReasonLimit     = "limit"
	ReasonThrottled = "throttled"
	ReasonBye       = "bye"
	ReasonProtocol  = "protocol"
	ReasonInternal  = "internal"
)

var reasonOfCode = map[string]string{
	CodeDNSFailed: ReasonDNS, CodeBlockedAddress: ReasonTCP, CodeConnectFailed: ReasonTCP, CodeTimeout: ReasonTCP,
	CodeTLSFailed: ReasonTLS, CodeCertificateInvalid: ReasonTLS, CodeAuthFailed: ReasonAuth, CodeNeedsReauthorization: ReasonAuth,
	CodeThrottled: ReasonThrottled, CodeNotIMAP: ReasonProtocol, CodeProtocolError: ReasonProtocol, CodeFolderMissing: ReasonProtocol,
}

// reasonOf tells why a connection could not be had or was lost.
func reasonOf(err error) string {
	e, ok := errors.AsType[*SourceError](err)
	switch {
	case !ok:
		return ReasonInternal
	case e.Reason != "":
		return e.Reason
	case reasonOfCode[e.Code] != "":
		return reasonOfCode[e.Code]
	}
	return ReasonInternal
}

// Bounds of the pause before a new connection, and how long one must hold for the pauses to begin anew.
const (
	firstBackoff = time.Second
	lastBackoff  = 5 * time.Minute
	healthyAfter = time.Minute
)

// backoff is the pauses before new connections to a server: full jitter under a bound that doubles,
// so that those who were cut off together do not come back together.
type backoff struct {
	failed int // in a row
}

// next returns the pause after a failure. What the server asks for is obeyed.
func (b *backoff) next(err error) time.Duration {
	bound := min(firstBackoff<<min(b.failed, 20), lastBackoff)
	b.failed++
	pause := rand.N(bound) + time.Millisecond
	if e, ok := errors.AsType[*SourceError](err); ok && e.Code == CodeThrottled {
		pause = max(pause, e.Wait)
	}
	return pause
}

// held notes how long a connection lived: one that was healthy makes the pauses begin anew.
func (b *backoff) held(lived time.Duration) {
	if lived >= healthyAfter {
		b.failed = 0
	}
}

// messageOf tells people why a connection could not be had or was lost.
func messageOf(err error) string {
	if e, ok := errors.AsType[*SourceError](err); ok {
		return e.Message
	}
	return internalError
}
