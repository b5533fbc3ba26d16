package sampleserver

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

var ann = person{"Ann Example", Username}

// people are those who write in conversations.
var people = map[string]person{
	"ann": ann, "priya": {"Priya Nair", "priya@lindenpress.example"}, "jonas": {"Jonas Weber", "weber@giesserei.example"},
	"amelie": {"Amélie Durand", "amelie.durand@traduction.example"}, "kenji": {"佐藤健二", "kenji@insatsu.example"},
	"marta": {"Marta Kowalska", "marta@druk.example"}, "lena": {"Lena", "lena@example.org"},
	"lucia": {"Lucía Ortega", "lucia@grabado.example"}, "omar": {"عمر حداد", "omar@gallery.example"},
	"ingrid": {"Ingrid Solberg", "ingrid@plakat.example"}, "harbour": {"Harbour Mutual", "service@harbour-mutual.example"},
}

//go:embed texts/conversations.txt
var conversationTexts string

// conversations reads the file: "# FOLDER DAYS-AGO SUBJECT" begins one, "@WHO HOURS-LATER"
// each of its letters. What Ann writes is in Sent.
func conversations(end time.Time) []letter {
	var out []letter
	for number, text := range strings.Split(conversationTexts, "\n# ") {
		text = strings.TrimPrefix(text, "# ")
		head, rest, _ := strings.Cut(text, "\n@")
		// A folder may have spaces: its name ends where the number begins.
		at := strings.IndexAny(head, "0123456789")
		for !daysAt(head, at) {
			at += 1 + strings.IndexAny(head[at+1:], "0123456789")
		}
		folder := strings.TrimSpace(head[:at])
		ago, subject, _ := strings.Cut(head[at:], " ")
		days, _ := strconv.ParseFloat(ago, 64) // daysAt has read it
		begin := end.Add(-time.Duration(days * 24 * float64(time.Hour)))
		out = append(out, conversation(number, folder, strings.TrimSpace(subject), begin, strings.Split(rest, "\n@"))...)
	}
	return out
}

// daysAt reports whether a number of days begins at an index of a heading: the folder
// "Order 2291" has a number too, but another follows.
func daysAt(head string, at int) bool {
	word, rest, _ := strings.Cut(head[at:], " ")
	_, err := strconv.ParseFloat(word, 64)
	next, _, _ := strings.Cut(rest, " ")
	_, also := strconv.ParseFloat(next, 64)
	return err == nil && also != nil && head[at-1] == ' '
}

func conversation(number int, folder, subject string, begin time.Time, texts []string) []letter {
	var out []letter
	var references []string
	other := ann
	for i, text := range texts {
		head, body, _ := strings.Cut(text, "\n")
		who, later, _ := strings.Cut(head, " ")
		hours, _ := strconv.ParseFloat(later, 64) // of our own file; a test reads them all
		l := letter{
			folder: folder, id: fmt.Sprintf("talk-%d-%d", number, i), from: people[who], to: ann, subject: subject,
			at: begin.Add(time.Duration(hours * float64(time.Hour))), text: strings.TrimSpace(body) + "\n",
			references: append([]string(nil), references...), flags: []imap.Flag{imap.FlagSeen},
		}
		if who == "ann" {
			l.folder, l.to = "Sent", other
		} else {
			other = l.from
		}
		if i > 0 {
			l.subject = "Re: " + subject
		}
		l.files = enclosed(number, i)
		if len(texts)-i < 2 && who != "ann" && number%3 == 0 {
			l.flags = nil
		}
		if number%4 == 1 && i == 0 {
			l.flags = append(l.flags, imap.FlagFlagged)
		}
		references = append(references, l.id)
		out = append(out, l)
	}
	return out
}

// enclosed are the attachments of the conversations, by number and letter.
func enclosed(number, i int) []file {
	switch {
	case number == 4 && i == 0:
		return []file{{name: "Kosten 2291.csv", kind: "text/csv; charset=utf-8", octets: []byte(
			"Posten;Menge;EUR\nPapier Baumwolle 150 g;240;312,00\nGewebe blau, m;4;152,00\nGraupappe 2,5 mm;60;87,60\nDruckfarbe Silber;1;41,90\n")}}
	case number == 2 && i == 0:
		return []file{pdf("chapitre-4.pdf", "Chapitre 4", "La clé perdue", "Traduction : Amélie Durand")}
	case number == 5 && i == 0:
		return []file{picture("herbst-1.png", 31), picture("herbst-2.png", 210), picture("herbst-3.png", 120)}
	case number == 10 && i == 0:
		return []file{pdf("offer HM-40917.pdf", "Offer HM-40917", "Cylinder press, 1952", "Replacement value 9,800 EUR")}
	}
	return nil
}
