package eventlog

import (
	"fmt"
	"sync"

	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/imap2api/imap2api/events"
)

// Encodings of a stored payload.
const (
	encodingJSON int16 = 0
	encodingZstd int16 = 1
)

// zstdEncoder and zstdDecoder are made when first needed and serve all goroutines.
// Payloads are at most events.MaxPayload, so small windows do.
var (
	zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true),
			zstd.WithWindowSize(events.MaxPayload), zstd.WithEncoderLevel(zstd.SpeedDefault))
	})
	zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(2*events.MaxPayload))
	})
)

// storedEvent returns the event of a row of log.events, lifted to its newest
// version, and keeps nothing of payload. It returns events.ErrUnknown for a type,
// version or encoding that this program does not know. It reads JSON as encoding/json
// does, in half the time.
func storedEvent(t string, version, encoding int16, payload []byte) (events.Event, error) {
	octets, err := decodePayload(encoding, payload)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", t, err)
	}
	return events.DecodeWith(jsonv1.Unmarshal, events.Type(t), int(version), octets)
}

func decodePayload(encoding int16, payload []byte) ([]byte, error) {
	switch encoding {
	case encodingJSON:
		return payload, nil
	case encodingZstd:
		dec, err := zstdDecoder()
		if err != nil {
			return nil, err
		}
		return dec.DecodeAll(payload, nil)
	}
	return nil, fmt.Errorf("encoding %d: %w", encoding, events.ErrUnknown)
}

// encodePayload returns an event as it is stored, in zstd if that is wanted and smaller.
func encodePayload(e events.Event, compress bool) (encoding int16, payload []byte, err error) {
	payload, err = events.Encode(e)
	if err != nil || !compress {
		return encodingJSON, payload, err
	}
	enc, err := zstdEncoder()
	if err != nil {
		return 0, nil, err
	}
	if packed := enc.EncodeAll(payload, make([]byte, 0, len(payload))); len(packed) < len(payload) {
		return encodingZstd, packed, nil
	}
	return encodingJSON, payload, nil
}
