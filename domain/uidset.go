package domain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// UIDRange is a range of UIDs, both ends included.
type UIDRange struct{ Lo, Hi UID }

// UIDSet is a set of UIDs as ranges, ascending, without overlap and not
// adjacent. A mailbox of a million messages without holes is one range. The
// zero value is the empty set; sets are values, no method changes its receiver.
type UIDSet []UIDRange

// UIDs returns the set of the given UIDs, in any order; 0 is left out.
func UIDs(uids ...UID) UIDSet {
	s := slices.Clone(uids)
	slices.Sort(s)
	var out UIDSet
	for _, u := range s {
		if u != 0 {
			out = out.push(u, u)
		}
	}
	return out
}

// push adds a range that does not begin before the last one.
func (s UIDSet) push(lo, hi UID) UIDSet {
	if n := len(s); n > 0 && (lo <= s[n-1].Hi || lo == s[n-1].Hi+1) {
		s[n-1].Hi = max(s[n-1].Hi, hi)
		return s
	}
	return append(s, UIDRange{lo, hi})
}

// NewUIDSet returns the set of the given ranges, in any order; empty ones and 0 are left out.
func NewUIDSet(ranges ...UIDRange) UIDSet {
	r := slices.Clone(ranges)
	slices.SortFunc(r, func(a, b UIDRange) int { return int(int64(a.Lo) - int64(b.Lo)) })
	var out UIDSet
	for _, x := range r {
		x.Lo = max(x.Lo, 1)
		if x.Lo <= x.Hi {
			out = out.push(x.Lo, x.Hi)
		}
	}
	return out
}

// Count returns the number of UIDs.
func (s UIDSet) Count() int {
	n := 0
	for _, r := range s {
		n += int(r.Hi-r.Lo) + 1
	}
	return n
}

// Max returns the highest UID, 0 of the empty set.
func (s UIDSet) Max() UID {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].Hi
}

// Contains reports whether u is in the set.
func (s UIDSet) Contains(u UID) bool {
	_, found := slices.BinarySearchFunc(s, u, func(r UIDRange, u UID) int {
		switch {
		case r.Hi < u:
			return -1
		case r.Lo > u:
			return 1
		}
		return 0
	})
	return found
}

// Union returns the UIDs of either set.
func (s UIDSet) Union(o UIDSet) UIDSet { return NewUIDSet(append(slices.Clone(s), o...)...) }

// Minus returns the UIDs of s that are not in o.
func (s UIDSet) Minus(o UIDSet) UIDSet {
	var out UIDSet
	j := 0
	for _, r := range s {
		lo := uint64(r.Lo)
		for j < len(o) && o[j].Hi < r.Lo {
			j++
		}
		for k := j; k < len(o) && o[k].Lo <= r.Hi; k++ {
			if uint64(o[k].Lo) > lo {
				out = append(out, UIDRange{UID(lo), o[k].Lo - 1})
			}
			lo = max(lo, uint64(o[k].Hi)+1)
		}
		if lo <= uint64(r.Hi) {
			out = append(out, UIDRange{UID(lo), r.Hi})
		}
	}
	return out
}

// Intersect returns the UIDs that are in both sets.
func (s UIDSet) Intersect(o UIDSet) UIDSet { return s.Minus(s.Minus(o)) }

// Newest returns the n highest UIDs.
func (s UIDSet) Newest(n int) UIDSet {
	var out UIDSet
	for i := len(s) - 1; i >= 0 && n > 0; i-- {
		r := s[i]
		if size := int(r.Hi-r.Lo) + 1; size > n {
			r.Lo = r.Hi - UID(n) + 1
		}
		n -= int(r.Hi-r.Lo) + 1
		out = append(out, r)
	}
	slices.Reverse(out)
	return out
}

// All calls yield for each UID, lowest first.
func (s UIDSet) All(yield func(UID) bool) {
	for _, r := range s {
		for u := r.Lo; ; u++ {
			if !yield(u) {
				return
			}
			if u == r.Hi {
				break
			}
		}
	}
}

// String returns the set as an IMAP sequence-set (RFC 9051 section 9), "" of the empty set.
func (s UIDSet) String() string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(r.Lo), 10))
		if r.Hi != r.Lo {
			b.WriteByte(':')
			b.WriteString(strconv.FormatUint(uint64(r.Hi), 10))
		}
	}
	return b.String()
}

// ParseUIDSet reads a sequence-set of numbers, such as String writes, in any order, ""
// for the empty set. It returns ErrInvalid for anything else.
func ParseUIDSet(text string) (UIDSet, error) {
	var ranges []UIDRange
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		low, high, ok := strings.Cut(part, ":")
		if !ok {
			high = low
		}
		lo, err1 := strconv.ParseUint(low, 10, 32)
		hi, err2 := strconv.ParseUint(high, 10, 32)
		if err1 != nil || err2 != nil || lo == 0 || hi == 0 {
			return nil, fmt.Errorf("uid set %q: %w", text, ErrInvalid)
		}
		ranges = append(ranges, UIDRange{UID(min(lo, hi)), UID(max(lo, hi))})
	}
	return NewUIDSet(ranges...), nil
}
