package eventlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/imap2api/imap2api/events"
)

// golden returns the golden file of a version of an event.
func golden(tb testing.TB, t events.Type, version int) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "events", "testdata", fmt.Sprintf("%s.v%d.json", t, version)))
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.TrimSuffix(b, []byte("\n"))
}

// compareDecoders reads a payload as encoding/json does and as the log does, and
// reports whether it is an event.
func compareDecoders(t *testing.T, typ events.Type, version int, payload []byte) bool {
	t.Helper()
	want, wantErr := events.Decode(typ, version, payload)
	lent := bytes.Clone(payload)
	got, err := storedEvent(string(typ), int16(version), encodingJSON, lent)
	clear(lent) // the octets of a row are lent
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%s %q: got error %v, encoding/json %v", typ, payload, err, wantErr)
	}
	if !reflect.DeepEqual(got, want) { // stricter than cmp: nil is not empty, and the zone counts
		t.Fatalf("%s %q:\ngot  %#v\nwant %#v", typ, payload, got, want)
	}
	return err == nil
}

// TestDecodersAgree: the log reads events as encoding/json does: those ever written,
// random ones, and what is left of them after an accident.
func TestDecodersAgree(t *testing.T) {
	t.Parallel()
	for _, typ := range events.Types() {
		for version := 1; version <= events.Versions(typ); version++ {
			if !compareDecoders(t, typ, version, golden(t, typ, version)) {
				t.Errorf("%s version %d: the golden file is not read", typ, version)
			}
		}
		t.Run(string(typ), func(t *testing.T) {
			t.Parallel()
			g := &eventGen{rand.New(rand.NewPCG(1, 2))}
			for range 300 {
				version, payload := g.payload(t, typ)
				if !compareDecoders(t, typ, version, payload) {
					t.Fatalf("%s is not read", payload)
				}
				for range 20 {
					payload = g.spoil(payload)
					compareDecoders(t, typ, version, payload)
				}
			}
		})
	}
}

// FuzzDecodersAgree is TestDecodersAgree on any octets.
func FuzzDecodersAgree(f *testing.F) {
	for i, typ := range events.Types() {
		f.Add(i, golden(f, typ, events.Versions(typ)))
	}
	f.Fuzz(func(t *testing.T, at int, payload []byte) {
		types := events.Types()
		typ := types[max(0, at)%len(types)]
		compareDecoders(t, typ, events.Versions(typ), payload)
	})
}

// eventGen makes random events.
type eventGen struct{ *rand.Rand }

// payload returns a random event of a type as it is written.
func (g *eventGen) payload(t *testing.T, typ events.Type) (version int, payload []byte) {
	t.Helper()
	version = events.Versions(typ)
	e, err := events.Decode(typ, version, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.New(reflect.TypeOf(e)).Elem()
	g.fill(v)
	payload, err = events.Encode(v.Interface().(events.Event))
	if err != nil {
		t.Fatal(err)
	}
	return version, payload
}

// fill sets all that v holds.
func (g *eventGen) fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		at := time.UnixMicro(g.Int64N(4e15)).UTC()
		if g.IntN(2) == 0 {
			at = at.In(time.FixedZone("", 60*(g.IntN(1440)-720)))
		}
		v.Set(reflect.ValueOf(at))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			g.fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), g.IntN(4), 8))
		for i := range v.Len() {
			g.fill(v.Index(i))
		}
	case reflect.Pointer:
		if g.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			g.fill(v.Elem())
		}
	case reflect.String:
		v.SetString(g.text())
	case reflect.Bool:
		v.SetBool(g.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, g.Int64()}[g.IntN(6)])
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(g.Uint64() >> (64 - v.Type().Bits()))
	default:
		panic("an event with a " + v.Type().String())
	}
}

func (g *eventGen) text() string {
	pieces := []string{"", "a", "Größe ", `"`, `\`, "/", "\x00", "\x1f", "\u2028", "\xff", "𝄞", "\ufffd", "<b>&", strings.Repeat("x", 40)}
	var b strings.Builder
	for range g.IntN(5) {
		b.WriteString(pieces[g.IntN(len(pieces))])
	}
	return b.String()
}

// spoil changes a payload in one place; often it is still JSON.
func (g *eventGen) spoil(payload []byte) []byte {
	pieces := []string{
		"", "", " ", "\t", "{", "}", "[", "]", ",", ":", `"`, `\`, `\u`, `\ud800`, `\ud834\udd1e`, "\xff", "\xed\xa0\x80", "0", "-", "-0", "1e2", ".5",
		"null", "true", "{}", "[]", `""`, `"x":[{"id":1},null,-1.5e+9],`, `"ID":7,`, `"flags":["a"],`, `"flags":null,`, `"account":1e1,`, `"sha256":"/w==",`,
		`"limit_value":3,`, `"latest":{},`, `"latest":null,`, `"expires_at":"2026-01-02T3:04:05,5+01:00",`, `"date":"2026-01-02T03:04:05+24:00"`,
	}
	at := g.IntN(len(payload) + 1)
	if g.IntN(4) == 0 { // where another member may come
		at = min(len(payload), 1+max(0, bytes.LastIndexByte(payload[:at], '{')))
	}
	gone := min(len(payload)-at, g.IntN(3)*g.IntN(3))
	piece := pieces[g.IntN(len(pieces))]
	if g.IntN(8) == 0 && at < len(payload) { // names are read without regard to case
		piece, gone = strings.ToUpper(string(payload[at])), 1
	}
	return []byte(string(payload[:at]) + piece + string(payload[at+gone:]))
}

// BenchmarkDecode reads payloads as encoding/json does and as the log does, and
// those in zstd.
func BenchmarkDecode(b *testing.B) {
	mail, err := events.Encode(toyMessage(1, 1, 1, "Your order of the fourth of March has been sent"))
	if err != nil {
		b.Fatal(err)
	}
	enc, err := zstdEncoder()
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		typ     events.Type
		payload []byte
	}{
		{"mail", events.TypeMessageFetched, mail},
		{"message-fetched", events.TypeMessageFetched, golden(b, events.TypeMessageFetched, 1)},
		{"flags-changed", events.TypeFlagsChanged, golden(b, events.TypeFlagsChanged, 1)},
		{"thread-updated", events.TypeThreadUpdated, golden(b, events.TypeThreadUpdated, 1)},
	} {
		packed := enc.EncodeAll(c.payload, nil)
		for _, way := range []struct {
			name string
			read func() (events.Event, error)
		}{
			{"encoding-json", func() (events.Event, error) { return events.DecodeWith(json.Unmarshal, c.typ, 1, c.payload) }},
			{"log", func() (events.Event, error) { return storedEvent(string(c.typ), 1, encodingJSON, c.payload) }},
			{"log-zstd", func() (events.Event, error) { return storedEvent(string(c.typ), 1, encodingZstd, packed) }},
		} {
			b.Run(c.name+"/"+way.name, func(b *testing.B) {
				b.SetBytes(int64(len(c.payload)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := way.read(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
