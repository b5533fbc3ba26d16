package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// MaxPayload is the most octets that a payload may have.
const MaxPayload = 64 << 10

// ErrUnknown is returned by Decode for a type or version that this program does not know.
var ErrUnknown = errors.New("unknown event type or version")

// decoders has, for each type, one function for each version ever written:
// version n is at index n-1 and returns the newest shape.
var decoders = map[Type][]func(Unmarshal, []byte) (Event, error){
	TypeAccountAdded:    {decode[AccountAdded], decode[AccountAdded]},
	TypeAccountChanged:  {decode[AccountChanged], decode[AccountChanged]},
	TypeAccountErased:   {decode[AccountErased]},
	TypeAccountExported: {decode[AccountExported]},
	TypeSyncStarted:     {decode[SyncStarted]},
	TypeSyncCompleted:   {decode[SyncCompleted]},
	TypeSyncFailed:      {decode[SyncFailed]},
	TypeSyncStalled:     {decode[SyncStalled]},
	TypeMessageFetched:  {decode[MessageFetched]},
	TypeFlagsChanged:    {decode[FlagsChanged]},
	TypeMessageMoved:    {decode[MessageMoved]},
	TypeMessageExpunged: {decode[MessageExpunged]},
	TypeThreadUpdated:   {decode[ThreadUpdated]},
	TypeMailboxFound:    {decode[MailboxFound], decode[MailboxFound]}, // 1 says nothing of the delimiter
	TypeMailboxRemoved:  {decode[MailboxRemoved]},
	TypeMailboxReset:    {decode[MailboxReset]},
	TypeChangeRequested: {decode[ChangeRequested]},
	TypeChangeEnded:     {decode[ChangeEnded]},
	TypeGrantLost:       {decode[GrantLost]},
	TypeGrantRestored:   {decode[GrantRestored]},
	TypeCoverageChecked: {decode[CoverageChecked]},
	TypeTokenCreated:    {decode[TokenCreated]},
	TypeTokenChanged:    {decode[TokenChanged]},
	TypeTokenRevoked:    {decode[TokenRevoked]},
	TypeLoggedIn:        {decode[LoggedIn]},
	TypeLoginFailed:     {decode[LoginFailed]},
	TypeUserAdded:       {decode[UserAdded]},
	TypeUserChanged:     {decode[UserChanged]},
	TypeUserDisabled:    {decode[UserDisabled]},
	TypeUserErased:      {decode[UserErased]},
	TypeModelRebuilt:    {decode[ModelRebuilt]},
	TypeModelRolledBack: {decode[ModelRolledBack]},

	TypeWebhookAdded:         {decode[WebhookAdded]},
	TypeWebhookChanged:       {decode[WebhookChanged]},
	TypeWebhookRemoved:       {decode[WebhookRemoved]},
	TypeWebhookSecretRotated: {decode[WebhookSecretRotated]},
	TypeWebhookDisabled:      {decode[WebhookDisabled]},
}

// Unmarshal reads JSON into what v points to. It accepts what Unmarshal of
// encoding/json accepts and leaves the same value, and keeps nothing of data.
type Unmarshal func(data []byte, v any) error

func decode[E Event](unmarshal Unmarshal, payload []byte) (Event, error) {
	var e E
	err := unmarshal(payload, &e)
	return e, err
}

// Types returns all stored types, sorted.
func Types() []Type {
	out := make([]Type, 0, len(decoders))
	for t := range decoders {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// Versions returns how many versions of a type there are; 0 for an unknown one.
func Versions(t Type) int { return len(decoders[t]) }

// Encode returns the payload of an event: compact JSON. It returns an error for
// a payload of more than MaxPayload octets, which is a fault of the command.
func Encode(e Event) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode %T: %w", e, err)
	}
	b.Truncate(b.Len() - 1) // the line end that Encode adds
	if b.Len() > MaxPayload {
		return nil, fmt.Errorf("encode %T: payload of %d octets is over %d", e, b.Len(), MaxPayload)
	}
	return b.Bytes(), nil
}

// Decode returns the event of a payload, lifted to the newest version. It
// returns ErrUnknown for a type or version that this program does not know.
func Decode(t Type, version int, payload []byte) (Event, error) {
	return DecodeWith(json.Unmarshal, t, version, payload)
}

// DecodeWith is Decode with another reader of JSON than encoding/json.
func DecodeWith(unmarshal Unmarshal, t Type, version int, payload []byte) (Event, error) {
	versions := decoders[t]
	if version < 1 || version > len(versions) {
		return nil, fmt.Errorf("decode %s version %d: %w", t, version, ErrUnknown)
	}
	e, err := versions[version-1](unmarshal, payload)
	if err != nil {
		return nil, fmt.Errorf("decode %s version %d: %w", t, version, err)
	}
	return e, nil
}
