package eventlog

import (
	"strconv"

	"github.com/imap2api/imap2api/domain"
)

// column returns one value of each row: an array for unnest.
func column[R, V any](rows []R, value func(R) V) []V {
	out := make([]V, len(rows))
	for i, r := range rows {
		out[i] = value(r)
	}
	return out
}

// lastOf returns the rows with the last of those that have a key in common, since
// one statement cannot write a row twice.
func lastOf[R any, K comparable](rows []R, key func(R) K) []R {
	at := make(map[K]int, len(rows))
	out := make([]R, 0, len(rows))
	for _, r := range rows {
		k := key(r)
		if i, ok := at[k]; ok {
			out[i] = r
			continue
		}
		at[k] = len(out)
		out = append(out, r)
	}
	return out
}

// Arrays of arrays cannot be given to unnest, so the inner ones travel as text.

// lines joins texts without line ends, for string_to_array.
func lines[T ~string](list []T) string {
	var out []byte
	for i, s := range list {
		if i > 0 {
			out = append(out, '\n')
		}
		out = append(out, s...)
	}
	return string(out)
}

// arrayText returns the text of a bigint[].
func arrayText[T ~int64](list []T) string {
	out := []byte{'{'}
	for i, n := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(n), 10)
	}
	return string(append(out, '}'))
}

// subOctets returns the sub of a node as stored: empty instead of zero.
func subOctets(k domain.Key) []byte {
	if k == (domain.Key{}) {
		return []byte{}
	}
	return k[:]
}

// msgKeyOctets returns the key of a message-id as stored: empty without one.
func msgKeyOctets(msgID string) []byte { return subOctets(domain.MsgKey(msgID)) }

// peopleOctets returns keys one after the other.
func peopleOctets(keys []domain.Key) []byte {
	out := make([]byte, 0, 16*len(keys))
	for i := range keys {
		out = append(out, keys[i][:]...)
	}
	return out
}
