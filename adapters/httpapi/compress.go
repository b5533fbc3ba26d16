package httpapi

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// minCompressed is the size over which a body is compressed (api.md 8.2), in octets.
const minCompressed = 1 << 10

// zstdWriter encodes whole bodies; it may be used by many at once. Browsers take
// windows of up to 8 MiB (RFC 9659).
var zstdWriter = sync.OnceValue(func() *zstd.Encoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20), zstd.WithEncoderConcurrency(1))
	if err != nil { // the options are constants
		panic(err)
	}
	return w
})

var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, 4)
	if err != nil { // the level is a constant
		panic(err)
	}
	return w
}}

// codingFor returns zstd, gzip or "" for a body of size octets (RFC 9110 section 12.5.3).
func codingFor(lines []string, size int) string {
	if size <= minCompressed || len(lines) == 0 {
		return ""
	}
	weight := map[string]float64{}
	for _, item := range listOf(lines) {
		name, params, _ := strings.Cut(item, ";")
		q := 1.0
		if value, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			q, _ = strconv.ParseFloat(value, 64) // what is no number is 0
		}
		weight[strings.ToLower(strings.TrimSpace(name))] = q
	}
	of := func(name string) float64 {
		if q, ok := weight[name]; ok {
			return q
		}
		return weight["*"]
	}
	switch z, g := of("zstd"), of("gzip"); {
	case z > 0 && z >= g:
		return "zstd"
	case g > 0:
		return "gzip"
	}
	return ""
}

// compress appends body in a coding of codingFor.
func compress(to *bytes.Buffer, coding string, body []byte) {
	if coding == "zstd" {
		to.Write(zstdWriter().EncodeAll(body, to.AvailableBuffer()))
		return
	}
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(to)
	_, _ = w.Write(body) // a Buffer takes everything
	_ = w.Close()
}
