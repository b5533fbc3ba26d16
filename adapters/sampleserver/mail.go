package sampleserver

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

//go:embed texts/lists.txt
var listTexts string

//go:embed texts/junk.txt
var junkTexts string

// The senders that are programs.
var (
	shop      = person{"Paper & Thread", "orders@paper-thread.example"}
	courier   = person{"Northern Parcel", "tracking@parcel.example"}
	builder   = person{"Build", "build@ci.example"}
	bank      = person{"Stadtbank", "auszug@stadtbank.example"}
	quarterly = person{"The Quarto", "letters@quarto.example"}
	list      = person{"Letterpress list", "letterpress@lists.example"}
	calendar  = person{"Calendar", "calendar@example.org"}
)

var seen = []imap.Flag{imap.FlagSeen}

// letters returns all mail that is there from the beginning, oldest first in each folder.
func letters(start time.Time) []letter {
	out := conversations(start)
	out = append(out, orders(start)...)
	out = append(out, builds(start)...)
	out = append(out, newsletters(start)...)
	out = append(out, statements(start)...)
	out = append(out, posts(start)...)
	out = append(out, junk(start)...)
	out = append(out, invitations(start)...)
	slices.SortStableFunc(out, func(a, b letter) int { return a.at.Compare(b.at) })
	return out
}

// ago is a moment before start.
func ago(start time.Time, days int, hour float64) time.Time {
	return start.AddDate(0, 0, -days).Add(time.Duration(hour * float64(time.Hour)))
}

var goods = []string{
	"Linen thread 18/3, natural", "Bone folder, 15 cm", "Bookcloth, deep blue, 1 m", "Cotton paper 150 g, 25 sheets",
	"Paste brush, round", "Headband, blue and white", "Awl with beech handle", "Binder's board 2.5 mm, 5 sheets",
}

// order is the confirmation of an order, with its invoice.
func order(number int, at time.Time) letter {
	item, price := goods[number%len(goods)], fmt.Sprintf("%d.%02d", 6+number%37, number*7%100)
	return letter{
		folder: "INBOX", id: fmt.Sprintf("order-%d", number), from: shop, to: ann, at: at, flags: seen,
		subject: fmt.Sprintf("Your order %d", number),
		text:    fmt.Sprintf("Thank you for your order.\n\n  1 x %s   %s EUR\n\nIt will leave our warehouse within two days.\n", item, price),
		html: fmt.Sprintf(`<div style="font-family:Georgia,serif;max-width:560px"><img src="https://paper-thread.example/logo-%d.png" width="140" height="40" alt="Paper &amp; Thread">
<h2 style="color:#2a4d69">Thank you for your order</h2><table width="100%%" cellpadding="6" border="0">
<tr style="background-color:#eef3f7"><th align="left">Item</th><th align="right">EUR</th></tr><tr><td>%s</td><td align="right">%s</td></tr></table>
<p>It will leave our warehouse within two days. <a href="https://paper-thread.example/orders/%d">See your order</a></p></div>`, number, item, price, number),
		files: []file{pdf(fmt.Sprintf("invoice-%d.pdf", number), fmt.Sprintf("Invoice %d", number), item, price+" EUR, paid by card")},
	}
}

// shipped answers an order: it is on its way.
func shipped(number int, at time.Time) letter {
	return letter{
		folder: "INBOX", id: fmt.Sprintf("shipped-%d", number), from: courier, to: ann, at: at,
		subject: fmt.Sprintf("Re: Your order %d is on its way", number), references: []string{fmt.Sprintf("order-%d", number)},
		text: fmt.Sprintf("Parcel NP%07d for order %d has left Hamburg and is expected tomorrow between 9 and 13.\n", number*137%9999999, number),
	}
}

func orders(start time.Time) []letter {
	var out []letter
	for i := range 24 {
		number, day := 2240+i*3, 88-i*7/2
		out = append(out, order(number, ago(start, day, 9.25+float64(i%9))))
		s := shipped(number, ago(start, day-1, 16.5))
		s.flags = seen
		if i > 20 {
			s.flags = nil
		}
		out = append(out, s)
	}
	return out
}

var branches = []string{"main", "almanac-layout", "hyphenation", "colour-bars"}

// build is a message of a build server.
func build(number int, at time.Time) letter {
	branch, result, text := branches[number%len(branches)], "passed", "All 214 checks passed in 1 min 48 s.\n"
	if number%6 == 5 {
		result, text = "failed", "3 of 214 checks failed:\n\n  layout: page 14 overflows by 1.2 mm\n  layout: page 15 is empty\n  spelling: \"signiture\" on page 52\n"
	}
	return letter{
		folder: "Builds", id: fmt.Sprintf("build-%d", number), from: builder, to: ann, at: at, flags: seen,
		subject: fmt.Sprintf("[almanac] %s: build %d %s", branch, number, result), text: text,
		extra: [][2]string{{"Auto-Submitted", "auto-generated"}},
	}
}

func builds(start time.Time) []letter {
	var out []letter
	for i := range 72 {
		out = append(out, build(1100+i, ago(start, 60-i*5/6, 8+float64(i*7%11))))
	}
	return out
}

func newsletters(start time.Time) []letter {
	topics := []string{"Marbled paper", "The ampersand", "A press in a suitcase", "Why margins", "Ink from oak galls", "Reading by daylight", "The index", "Stone and steel", "A library of doors", "Red, the second colour", "Sewing on tapes", "The long s"}
	var out []letter
	for i, topic := range topics {
		l := letter{
			folder: "INBOX", id: fmt.Sprintf("quarto-%d", i), from: quarterly, to: ann, at: ago(start, 84-i*7, 6.5), flags: seen,
			subject: "The Quarto: " + topic, extra: [][2]string{{"List-Unsubscribe", "<https://quarto.example/leave>"}},
			text: topic + "\n\nA letter about books as things, every Sunday.\n\nhttps://quarto.example/" + fmt.Sprint(i) + "\n",
			html: fmt.Sprintf(`<body style="background-color:#f6f1e7"><div style="max-width:600px;margin:0 auto;padding:24px;font-family:Georgia,serif;color:#33291f">
<p style="letter-spacing:2px">THE QUARTO, No %d</p><h1 style="font-weight:normal">%s</h1><img src="cid:head@quarto" width="240" height="150" alt="A landscape in one colour">
<p>Books are things before they are texts. This week we look closely at one part of them, with a lens and a cup of tea.</p>
<blockquote style="border-left:3px solid #b08d57;padding-left:12px"><i>A margin is a place for the thumb and for the mind.</i></blockquote>
<p><a href="https://quarto.example/%d">Read on</a></p><img src="https://quarto.example/open/%d.gif" width="1" height="1" alt=""></div></body>`, 40+i, topic, i, i),
		}
		head := picture("head.png", 30*i)
		head.cid = "head@quarto"
		l.files = []file{head}
		out = append(out, l)
	}
	return out
}

func statements(start time.Time) []letter {
	var out []letter
	for i := range 6 {
		at := ago(start, 170-i*30, 7)
		month := at.Format("2006-01")
		out = append(out, letter{
			folder: "Rechnungen", id: "auszug-" + month, from: bank, to: ann, at: at, flags: seen, subject: "Kontoauszug " + month,
			text:  "Guten Tag,\n\nIhr Kontoauszug liegt diesem Schreiben bei. Bitte prüfen Sie ihn innerhalb von sechs Wochen.\n\nIhre Stadtbank\n",
			files: []file{pdf("Kontoauszug "+month+".pdf", "Kontoauszug "+month, "Übertrag: 2.318,44 EUR", "Neuer Saldo: 2.102,10 EUR")},
		})
	}
	return out
}

var answers = []string{
	"Two sheets of tissue, and never card. The edge comes from the rails, not from the packing.",
	"I had the same. What helped was patience, which is not sold in tins.",
	"There is a chapter on this in the old manual, page 88. I can scan it.",
	"Careful: what works in a dry workshop does not in mine, which is below the river.",
}

// post is a letter to the mailing list: topic i, letter j of its thread.
func post(i, j int, at time.Time) letter {
	subject, text, _ := strings.Cut(strings.Split(strings.TrimSpace(listTexts), "\n")[i], "|")
	who := []string{"ingrid", "jonas", "marta", "lucia", "priya"}[(i+j)%5]
	l := letter{
		folder: "Lists/Letterpress", id: fmt.Sprintf("list-%d-%d", i, j), from: people[who], to: list, at: at, flags: seen,
		subject: "[letterpress] " + subject, text: text + "\n\n" + people[who].name + "\n",
		extra: [][2]string{{"List-Id", "Letterpress <letterpress.lists.example>"}},
	}
	if j > 0 {
		l.subject = "Re: " + l.subject
		l.text = answers[(i+j)%len(answers)] + "\n\n> " + text + "\n"
		for k := range j {
			l.references = append(l.references, fmt.Sprintf("list-%d-%d", i, k))
		}
	}
	return l
}

func posts(start time.Time) []letter {
	var out []letter
	for i := range 8 {
		for j := range 3 + i%5 {
			l := post(i, j, ago(start, 70-i*9, 10+float64(j*5)))
			if i > 5 {
				l.flags = nil
			}
			out = append(out, l)
		}
	}
	return out
}

func junk(start time.Time) []letter {
	var out []letter
	for i, line := range strings.Split(strings.TrimSpace(junkTexts), "\n") {
		subject, text, _ := strings.Cut(line, "|")
		from := person{"", fmt.Sprintf("offer%d@bulk.example", i)}
		out = append(out, letter{
			folder: "Junk", id: fmt.Sprintf("junk-%d", i), from: from, to: ann, at: ago(start, 3+i*4, 3), subject: subject, text: text + "\n",
			html: "<p>" + text + `</p><form action="https://bulk.example/take"><input name="password"><button>Go</button></form><script>location="https://bulk.example"</script><img src="https://bulk.example/seen.gif">`,
		})
	}
	return out
}

func invitations(start time.Time) []letter {
	var out []letter
	for i, title := range []string{"Printing day", "Museum: handing over", "Tea with the list", "Service of the press"} {
		at := ago(start, 20-i*5, 11)
		day := at.AddDate(0, 0, 9).Format("20060102")
		ics := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:" + fmt.Sprint(i) + "@example.org\r\nDTSTAMP:" +
			day + "T080000Z\r\nDTSTART:" + day + "T090000Z\r\nDTEND:" + day + "T110000Z\r\nSUMMARY:" + title + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
		out = append(out, letter{
			folder: "INBOX", id: fmt.Sprintf("invitation-%d", i), from: calendar, to: ann, at: at, flags: seen, subject: "Invitation: " + title,
			text:  title + "\n\nThe appointment is attached.\n",
			files: []file{{name: "invite.ics", kind: "text/calendar; charset=utf-8; method=REQUEST", octets: []byte(ics)}},
		})
	}
	return out
}
