package commands

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/imap2api/imap2api/domain"
)

// errOurs is a fault of the program.
var errOurs = errors.New("a fault of ours")

// story is random operations on a server.
type story struct {
	*rand.Rand
	*world
	named  int
	ids    map[int]domain.MessageID // of the messages by their numbers, as checked last
	copied map[[32]byte]bool        // messages that there were two of
	failed bool                     // mailboxes could not be read since ids were checked
}

func (s *story) boxName() domain.MailboxName {
	names := slices.Sorted(maps.Keys(s.server.boxes))
	return names[s.IntN(len(names))]
}

// pick returns a message of a random mailbox; ok is false if it is empty.
func (s *story) pick() (name domain.MailboxName, uid domain.UID, ok bool) {
	name = s.boxName()
	uids := slices.Sorted(maps.Keys(s.server.boxes[name].messages))
	if len(uids) == 0 {
		return name, 0, false
	}
	return name, uids[s.IntN(len(uids))], true
}

// act does one thing on the server.
func (s *story) act() {
	if len(s.server.boxes) == 0 {
		return
	}
	name, uid, ok := s.pick()
	switch at := s.IntN(40); {
	case at < 12 || !ok:
		s.arrive(s.boxName())
	case at < 20:
		all := []domain.Flag{domain.FlagSeen, domain.FlagFlagged, "$Junk", domain.FlagAnswered}
		s.server.setFlags(name, uid, all[s.IntN(4)], all[s.IntN(4)])
	case at < 25:
		s.server.expunge(name, uid)
	case at < 34:
		s.server.move(name, uid, s.boxName())
	case at < 36:
		s.changeBoxes(name)
	case at < 37:
		s.server.newValidity(name, domain.UID(s.IntN(2)*s.IntN(5)))
	default:
		s.server.boxes[name].messages[uid].refuse = s.IntN(3)
	}
}

// arrive appends a message: new, without a Message-ID, or a copy.
func (s *story) arrive(name domain.MailboxName) {
	switch s.IntN(8) {
	case 0:
		s.server.append(name, s.server.newMessage("", "none"))
	case 1:
		if from, uid, ok := s.pick(); ok {
			m := *s.server.boxes[from].messages[uid]
			s.copied[sha256.Sum256(m.raw)] = true
			s.server.number++
			m.number, m.hops = s.server.number, 0
			s.server.append(name, &m)
		}
	default:
		for range 1 + s.IntN(4) {
			s.server.add(name, "hello")
		}
	}
}

// changeBoxes makes, renames or deletes a mailbox. No name comes back.
func (s *story) changeBoxes(name domain.MailboxName) {
	s.named++
	fresh := domain.MailboxName(fmt.Sprint("Box", s.named))
	switch at := s.IntN(3); {
	case at == 0 && len(s.server.boxes) < 6 || name == "INBOX":
		s.server.create(fresh)
	case at == 1:
		delete(s.server.boxes, name)
	default:
		s.server.rename(name, fresh)
	}
}
