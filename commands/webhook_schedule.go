package commands

import (
	"math/rand/v2"
	"time"
)

const (
	disableAfter    = 5 * 24 * time.Hour // without a success
	disableFailures = 3                  // different deliveries that failed in that time
	maxRetryAfter   = 24 * time.Hour
)

// Answers that mean more than a failure (RFC 9110 sections 15.5.11, 15.6.3, 15.6.5, RFC 6585 section 4).
const (
	statusGone           = 410
	statusTooMany        = 429
	statusBadGateway     = 502
	statusGatewayTimeout = 504
)

// retryWaits are the waits after the failed attempts of a delivery (webhooks.md 7).
var retryWaits = [...]time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
	20 * time.Hour, 24 * time.Hour,
}

// retryAt returns when a delivery is tried again after a failure at now; step counts the failures before
// it. nil: its attempts are used up. vary is 0 to 1: where in the range of a tenth less to a tenth more.
func retryAt(step int, now time.Time, retryAfter time.Duration, vary float64) *time.Time {
	if step >= len(retryWaits) {
		return nil
	}
	wait := retryWaits[step]
	wait += time.Duration((vary*2 - 1) / 10 * float64(wait))
	at := now.Add(max(wait, min(retryAfter, maxRetryAfter)))
	return &at
}

// isOverload reports whether an answer asks for less: the webhook then gets one request at a time.
func isOverload(status int) bool {
	return status == statusTooMany || status == statusBadGateway || status == statusGatewayTimeout
}

// Verdict is what an attempt means for its delivery and its webhook.
type Verdict struct {
	Succeeded bool
	NextAt    *time.Time // of a failure by schedule; nil: there is no further attempt
	Overload  bool       // one request at a time from now on
	Gone      bool       // nobody is there any more, and nobody will be
}

// judge returns what an answer means.
func judge(step int, a WebhookAnswer) Verdict {
	if a.Succeeded() {
		return Verdict{Succeeded: true}
	}
	ended := a.StartedAt.Add(a.Took)
	return Verdict{
		NextAt: retryAt(step, ended, a.RetryAfter, rand.Float64()), Overload: isOverload(a.Status), Gone: a.Status == statusGone,
	}
}
