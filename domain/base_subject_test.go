package domain

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBaseSubject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		subject, base string
		reply         bool
	}{
		{"", "", false},
		{"Budget", "budget", false},
		{"  Budget \t of\r\n  May ", "budget of may", false},
		{"Grüße AUS Köln", "grüße aus köln", false},
		{"Zero\u200bwidth\u00a0space", "zerowidth space", false},

		{"Re: Budget", "budget", true},
		{"RE:Budget", "budget", true},
		{"Re : Budget", "budget", true},
		{"re: Re: RE: Budget", "budget", true},
		{"Re[2]: Budget", "budget", true},
		{"Re(12): Budget", "budget", true},
		{"Re^3: Budget", "budget", true},
		{"Re [list]: Budget", "budget", true},
		{"Fwd: Budget", "budget", true},
		{"FW: Budget", "budget", true},
		{"AW: WG: Budget", "budget", true},
		{"SV: VS: Budget", "budget", true},
		{"Antw: Budget", "budget", true},
		{"TR: Rif: RES: ENC: RV: Budget", "budget", true},
		{"R: Budget", "budget", true},
		{"Réf : Budget", "budget", true},
		{"Ynt: Odp: Ha: Budget", "budget", true},
		{"ОТВЕТ: Бюджет", "бюджет", true},
		{"回复：预算", "预算", true},
		{"答复: 转发: 预算", "预算", true},
		{"返信: 予算", "予算", true},
		{"Re:", "", true},
		{"Re: Re:", "", true},

		{"Re Budget", "re budget", false},
		{"Regarding: Budget", "regarding: budget", false},
		{"Core: Budget", "core: budget", false},
		{"Re(x): Budget", "re(x): budget", false},
		{"Re(): Budget", "re(): budget", false},
		{"Re[: Budget", "re[: budget", false},
		{"Ad: Re: Ad: x", "ad: re: ad: x", false},
		{": x", ": x", false},

		{"[list] Budget", "budget", false},
		{"[list] Re: [list] Budget", "budget", true},
		{"Re: [list] Re: Budget", "budget", true},
		{"[a][b] [c] Budget", "budget", false},
		{"[xyz]", "[xyz]", false},
		{"[abc] [xyz]", "[xyz]", false},
		{"Re: [xyz]", "[xyz]", true},
		{"[xyz] Re:", "", true},
		{"[not closed Budget", "[not closed budget", false},
		{"[a[b]] Budget", "[a[b]] budget", false},

		{"Budget (fwd)", "budget", true},
		{"Budget (fWd)  (FWD)", "budget", true},
		{"Budget(fwd)", "budget", true},
		{"(fwd)", "", true},
		{"Budget (a)", "budget (a)", false},
		{"[Fwd: Budget]", "budget", true},
		{"Re: [FWD: c]", "c", true},
		{"[fwd: foo] bar", "bar", false},
		{"[fwd: foo] and [b]", "and [b]", false},
		// dovecot's imaptest
		{"[foo] Fwd: [bar] Re: fw: b (fWd)  (fwd)", "b", true},
		{"re: [fwd: [fwd: re: [fwd: babylon]]]", "babylon", true},
	}
	for _, tt := range tests {
		base, reply := BaseSubject(tt.subject)
		if base != tt.base || reply != tt.reply {
			t.Errorf("BaseSubject(%q) = %q, %t, want %q, %t", tt.subject, base, reply, tt.base, tt.reply)
		}
		if again, _ := BaseSubject(base); again != base {
			t.Errorf("BaseSubject(%q) = %q, want it unchanged", base, again)
		}
	}
}

func TestReplyPrefixesFit(t *testing.T) {
	t.Parallel()
	for word, fits := range replyPrefixes {
		if !fits {
			t.Errorf("%q is longer than maxPrefix", word)
		}
		if folded := foldSubject(word); folded != word {
			t.Errorf("%q is %q in a subject", word, folded)
		}
		if base, reply := BaseSubject(word + ": x"); base != "x" || !reply {
			t.Errorf("%q is not taken off", word)
		}
	}
}

// Ten times the text may take about ten times the time; hostile subjects are of
// the kind that makes a simple loop take a hundred times.
func TestBaseSubjectIsLinear(t *testing.T) {
	for _, piece := range []string{"[a]", "[", "[[a]", "re:", "re[", "re [a] ", "[fwd:", "(fwd)", " ", "[a] re: ", "r", "re^1", "回复：", "\u200b"} {
		took := func(n int) time.Duration {
			s, best := strings.Repeat(piece, n), time.Hour
			for range 3 {
				best = min(best, computed(func() { BaseSubject(s) }))
			}
			return best
		}
		if short, long := took(10_000), took(100_000); long > 40*short+20*time.Millisecond {
			t.Errorf("subject of %q: %v, ten times as long: %v", piece, short, long)
		}
	}
}

// computed returns how long the processors work on f. Beside it no other test may run; the load of
// the machine does not count.
func computed(f func()) time.Duration {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			panic(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	f()
	return used() - start
}

func BenchmarkBaseSubject(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		BaseSubject("Re: [users@httpd] Problem with mod_rewrite and Größe")
	}
}
