package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	vocabulary = 100_000 // words, as frequent as Zipf says
	wordsOfOne = 125     // of a message, beside those that are planted
	commons    = 40      // words that half of all mail holds
	latestMail = 1767225600
	yearsOfIt  = 3
)

// A planted is a search and how many messages match it; -1: nobody has counted.
type planted struct {
	query string
	hits  int
}

// searchMail is generated mail: about 1 KB of text each, words as frequent as Zipf says, a
// tenth with Chinese, and words whose messages are counted. Message n is the same whenever it
// is made.
type searchMail struct {
	count    int
	rng      *rand.Rand
	plants   map[string][]planted // by class
	pieces   [][]string           // of text, by message
	subjects [][]string
	senders  []string // planted ones
	chinese  [][]string
}

func newSearchMail(count int) *searchMail {
	m := &searchMail{
		count: count, rng: rand.New(rand.NewPCG(1, uint64(count))), plants: map[string][]planted{},
		pieces: make([][]string, count), subjects: make([][]string, count), senders: make([]string, count), chinese: make([][]string, count),
	}
	medium := min(2_000, count/10)
	text := func(n int, piece string) { m.pieces[n] = append(m.pieces[n], piece) }
	m.plant("rare", 'a', 200, 23, count, text)
	m.plant("medium", 'e', 100, medium, count, text)
	m.plant("old", 'o', 20, count/4, count/2, text) // none in the newer half
	m.plant("subject", 'u', 100, 23, count, func(n int, word string) { m.subjects[n] = append(m.subjects[n], word) })
	m.plantPrefixes(40, count/10)
	m.plantPhrases(100, 23, min(100, count/50))
	m.plantSenders("from", 'k', min(100, count/5/23), 23)
	m.plantSenders("from, medium", 'm', 16, medium)
	m.plantChinese(100, 23)
	for k := range commons {
		m.plants["common"] = append(m.plants["common"], planted{plantedWord('i', k), count / 2})
	}
	return m
}

// spread calls put for hits messages before last, evenly but by chance.
func (m *searchMail) spread(hits, last int, put func(n int)) {
	for i := range hits {
		lo, hi := i*last/hits, (i+1)*last/hits
		put(lo + m.rng.IntN(hi-lo))
	}
}

// plant puts each word of a class into hits messages before last.
func (m *searchMail) plant(class string, letter byte, words, hits, last int, put func(n int, word string)) {
	for k := range words {
		word := plantedWord(letter, k)
		m.plants[class] = append(m.plants[class], planted{word, hits})
		m.spread(hits, last, func(n int) { put(n, word) })
	}
}

// plantPrefixes plants families of fifty words with one beginning.
func (m *searchMail) plantPrefixes(families, hits int) {
	for k := range families {
		family := "z" + syllable(k) + syllable(k+7) + syllable(k+19)
		m.plants["prefix"] = append(m.plants["prefix"], planted{family, hits})
		m.spread(hits, m.count, func(n int) { m.pieces[n] = append(m.pieces[n], family+syllable(m.rng.IntN(50))+"no") })
	}
}

// plantPhrases plants pairs of words that follow one another in hits messages, and are apart in
// others.
func (m *searchMail) plantPhrases(pairs, hits, apart int) {
	for k := range pairs {
		a, b := plantedWord('y', 2*k), plantedWord('y', 2*k+1)
		m.plants["phrase"] = append(m.plants["phrase"], planted{`"` + a + " " + b + `"`, hits})
		m.spread(hits, m.count, func(n int) { m.pieces[n] = append(m.pieces[n], a+" "+b) })
		m.spread(apart, m.count, func(n int) { m.pieces[n] = append(m.pieces[n], a+" "+word(k), b+" "+word(k+1)) })
	}
}

// plantSenders lets people write hits messages each, all of them no more than half of all.
func (m *searchMail) plantSenders(class string, letter byte, people, hits int) {
	for k := range min(people, m.count/2/hits) {
		name := plantedWord(letter, k)
		m.spread(hits, m.count, func(n int) {
			for m.senders[n] != "" {
				n = (n + 1) % m.count
			}
			m.senders[n] = name
		})
		m.plants[class] = append(m.plants[class], planted{"from:" + name, hits})
	}
}

// plantChinese plants two characters which nothing else has, in the middle of others.
func (m *searchMail) plantChinese(pairs, hits int) {
	for k := range pairs {
		pair := string([]rune{0x8000 + rune(k), 0x8800 + rune(k)})
		m.plants["chinese"] = append(m.plants["chinese"], planted{pair, hits})
		m.spread(hits, m.count, func(n int) { m.chinese[n] = append(m.chinese[n], pair) })
	}
}

const consonants, vowels = "bcdfghklmnprstv", "aeiou"

// syllable returns one of 75.
func syllable(n int) string {
	n %= len(consonants) * len(vowels)
	return string([]byte{consonants[n/len(vowels)], vowels[n%len(vowels)]})
}

// word returns a word of the vocabulary: the more frequent, the shorter.
func word(rank int) string {
	all := len(consonants) * len(vowels)
	var out string
	for n := rank + all; n > 0; n /= all {
		out = syllable(n) + out
	}
	return out
}

// plantedWord returns a word that nothing else begins with, and no stemmer shortens.
func plantedWord(letter byte, n int) string {
	return "x" + string(letter) + syllable(n/75) + syllable(n) + syllable(n*7+3) + "no"
}

// at returns when message n was sent: in the order of numbers, but for a week.
func (m *searchMail) at(n int, rng *rand.Rand) time.Time {
	span := int64(yearsOfIt * 365 * 86400)
	return time.Unix(latestMail-span+span*int64(n)/int64(m.count)+rng.Int64N(7*86400), 0).UTC()
}

// message makes message n and when it was sent.
func (m *searchMail) message(n int) ([]byte, time.Time) {
	rng := rand.New(rand.NewPCG(2, uint64(n)))
	zipf := rand.NewZipf(rng, 1.07, 3, vocabulary-1)
	some := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = word(int(zipf.Uint64()))
		}
		return out
	}
	date := m.at(n, rng)
	name, at := word(100+rng.IntN(5_000))+" "+word(9_000+rng.IntN(5_000)), "example.com"
	if m.senders[n] != "" {
		name, at = m.senders[n]+" "+word(200), m.senders[n]+".example"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s <%s@%s>\r\nTo: Me Myself <me@example.org>\r\n", name, strings.ReplaceAll(name, " ", "."), at)
	fmt.Fprintf(&b, "Date: %s\r\nMessage-ID: <%d.%d@search.example>\r\n", date.Format(time.RFC1123Z), n, m.count)
	if n > 0 && rng.IntN(3) == 0 {
		fmt.Fprintf(&b, "In-Reply-To: <%d.%d@search.example>\r\n", n-1-rng.IntN(min(n, 50)), m.count)
	}
	fmt.Fprintf(&b, "Subject: %s\r\n", strings.Join(append(some(6), m.subjects[n]...), " "))
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
	text := append(some(wordsOfOne), m.pieces[n]...)
	text = append(text, m.common(n)...)
	rng.Shuffle(len(text), func(i, j int) { text[i], text[j] = text[j], text[i] })
	for i, piece := range text {
		if i%12 == 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(piece + " ")
	}
	if m.chinese[n] != nil || rng.IntN(10) == 0 {
		m.writeChinese(&b, n, rng)
	}
	b.WriteString("\r\n")
	return []byte(b.String()), date
}

// common returns the words of message n that half of all mail holds: of two messages, each has
// what the other lacks.
func (m *searchMail) common(n int) []string {
	half := rand.New(rand.NewPCG(3, uint64(n/2))).Uint64()
	var out []string
	for k := range commons {
		if int(half>>k&1) == n%2 {
			out = append(out, plantedWord('i', k))
		}
	}
	return out
}

func (m *searchMail) writeChinese(b *strings.Builder, n int, rng *rand.Rand) {
	zipf := rand.NewZipf(rng, 1.2, 20, 3_000)
	for i := range len(m.chinese[n]) + 3 {
		b.WriteString("\r\n")
		for range 10 + rng.IntN(10) {
			b.WriteRune(0x4e00 + rune(zipf.Uint64()))
		}
		if i < len(m.chinese[n]) {
			b.WriteString(m.chinese[n][i])
			b.WriteRune(0x4e00 + rune(zipf.Uint64()))
		}
	}
}
