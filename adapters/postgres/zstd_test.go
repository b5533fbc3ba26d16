package postgres

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestPackedBits: whichever bit of what is stored changes, the octets do not come back.
func TestPackedBits(t *testing.T) {
	t.Parallel()
	octets := []byte("Subject: one\r\n\r\n" + strings.Repeat("text ", 40))
	data, codec := appendPacked([]byte("before"), octets)
	data = data[len("before"):]
	if got, err := unpack(data, codec, int64(len(octets))); codec != codecChecked || err != nil || !bytes.Equal(got, octets) {
		t.Fatalf("codec %d: %q, %v", codec, got, err)
	}
	for i := range data {
		for bit := range 8 {
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << bit
			if _, err := unpack(damaged, codec, int64(len(octets))); err == nil {
				t.Errorf("octet %d, bit %d: nothing is found", i, bit)
			}
		}
	}
	for n := range 4 {
		if _, err := unpack(data[:n], codec, int64(len(octets))); err == nil {
			t.Errorf("%d octets: nothing is found", n)
		}
	}
}

// TestPackedBefore: what earlier versions have stored is read.
func TestPackedBefore(t *testing.T) {
	t.Parallel()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	octets := fmt.Append(nil, strings.Repeat("text ", 40))
	if got, err := unpack(enc.EncodeAll(octets, nil), codecZstd, int64(len(octets))); err != nil || !bytes.Equal(got, octets) {
		t.Errorf("%q, %v", got, err)
	}
}
