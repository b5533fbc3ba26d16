package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// One encoder and one decoder for all; their EncodeAll and DecodeAll may be called
// at the same time.
var (
	// Entropy coding of all literals takes a quarter off base64, which has no matches.
	packer = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithEncoderCRC(false)))
	unpacker = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(2<<30)))
)

// must is for constant options.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The values of codec in raw.messages.
const (
	codecNone    = 0
	codecZstd    = 1
	codecChecked = 2 // zstd, and the CRC-32C of that: some bits of a frame change nothing in what it unpacks to
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendPacked appends octets as they are stored, and says how.
func appendPacked(to, octets []byte) (data []byte, codec int16) {
	begin := len(to)
	to = packer.EncodeAll(octets, slices.Grow(to, len(octets)+64))
	if len(to)-begin+crc32.Size >= len(octets) {
		return append(to[:begin], octets...), codecNone
	}
	return binary.BigEndian.AppendUint32(to, crc32.Checksum(to[begin:], castagnoli)), codecChecked
}

// unpack returns the octets of what pack made of them. size is how many there must be.
func unpack(data []byte, codec int16, size int64) ([]byte, error) {
	octets := data
	if codec == codecChecked {
		frame := data[:max(0, len(data)-crc32.Size)]
		if !bytes.Equal(data[len(frame):], binary.BigEndian.AppendUint32(nil, crc32.Checksum(frame, castagnoli))) {
			return nil, errors.New("unpack: its checksum is another")
		}
		data, codec = frame, codecZstd
	}
	switch codec {
	case codecNone:
	case codecZstd:
		var err error
		if octets, err = unpacker.DecodeAll(data, make([]byte, 0, size)); err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
	default:
		return nil, fmt.Errorf("unpack: unknown codec %d", codec)
	}
	if int64(len(octets)) != size {
		return nil, fmt.Errorf("unpack: %d octets in place of %d", len(octets), size)
	}
	return octets, nil
}
