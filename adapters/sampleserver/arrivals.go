package sampleserver

import (
	"fmt"
	"strings"
	"time"
)

// arrival is the n-th letter that arrives by itself. Seven kinds take turns; orders get
// their answers, and the talk about the cat goes on.
func arrival(n int, at time.Time) letter {
	round := n / 7
	var l letter
	switch n % 7 {
	case 0:
		l = order(4001+round, at)
	case 1:
		l = build(3000+2*round, at)
	case 2:
		l = cat(round, at)
	case 3:
		l = shipped(4001+round, at)
	case 4:
		l = post(round%8, 20+round/8, at)
		l.references = l.references[:1]
	case 5:
		l = build(3001+2*round, at)
	case 6:
		l = note(round, at)
	}
	l.flags = nil
	return l
}

var cats = []string{
	"The cat is on the drying rack again.", "She has moved to the paper shelf.", "She has chosen the cotton paper. 150 g.",
	"I put a box next to it. She looked at the box, and at me.", "She is in the box. I took her picture.", "The box was for the almanacs.",
}

// cat is a letter of a talk that starts anew every six letters.
func cat(i int, at time.Time) letter {
	talk, turn := i/len(cats), i%len(cats)
	l := letter{
		folder: "INBOX", id: fmt.Sprintf("cat-%d-%d", talk, turn), from: people["priya"], to: ann, at: at,
		subject: "The cat", text: cats[turn] + "\n\nPriya\n",
	}
	for k := range turn {
		l.references = append(l.references, fmt.Sprintf("cat-%d-%d", talk, k))
	}
	if turn > 0 {
		l.subject = "Re: The cat"
	}
	if turn == 4 {
		l.files = []file{picture("cat.png", 30+talk*40%300)}
	}
	return l
}

var notes = []string{
	"lena|Kannst du heute Brot mitbringen?|Und vielleicht die kleinen mit Mohn. Danke!",
	"kenji|校正をお送りします|第三章の校正が終わりました。ご確認ください。",
	"amelie|Une virgule|Page 63, ligne 4 : une virgule, ou un point ? J'hésite depuis ce matin.",
	"lucia|Foto de la prensa|¡Mira qué bien ha quedado! Mañana te cuento.",
	"marta|Bilety|Mam bilety na pociąg. Wagon 4, miejsca 31 i 32.",
	"omar|صور المعرض|الصور جاهزة. أرسلها لك مساءً.",
	"ingrid|Den grønne fisken|Nå ser den litt mindre glad ut. Bedre?",
}

// note is a short letter in one of seven languages.
func note(i int, at time.Time) letter {
	parts := strings.SplitN(notes[i%len(notes)], "|", 3)
	return letter{
		folder: "INBOX", id: fmt.Sprintf("note-%d", i), from: people[parts[0]], to: ann, at: at,
		subject: parts[1], text: parts[2] + "\n\n" + people[parts[0]].name + "\n",
	}
}
