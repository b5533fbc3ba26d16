package events

import "github.com/imap2api/imap2api/domain"

// Stored names of the events of changes that are asked for here, to be made on the mail server.
const (
	TypeChangeRequested Type = "change-requested"
	TypeChangeEnded     Type = "change-ended"
)

// MaxChanged is how many messages one change may be about, so that it fits into MaxPayload.
const MaxChanged = 500

// ChangedMessage names a message that is to be changed. Where it is by then is looked up by its thread.
type ChangedMessage struct {
	ID     domain.MessageID `json:"id"`
	Thread domain.ThreadID  `json:"thread"` // when the change was asked for
}

// ChangeRequested says that somebody wants messages of one account changed on its server: flags set and
// cleared, and then the messages moved. Nothing has changed yet: what does is told by FlagsChanged and MessageMoved.
type ChangeRequested struct {
	Change   domain.ChangeID    `json:"change"`
	Account  domain.AccountID   `json:"account"`
	Messages []ChangedMessage   `json:"messages"`
	Add      []domain.Flag      `json:"add"`
	Remove   []domain.Flag      `json:"remove"`
	MoveTo   domain.MailboxID   `json:"move_to,omitempty"` // 0: they stay where they are
	Folder   domain.MailboxName `json:"folder,omitempty"`  // name of MoveTo then
}

// ChangeEnded says what came of a change: the server has confirmed it, and what it did is in the log; or it is given up.
type ChangeEnded struct {
	Change  domain.ChangeID  `json:"change"`
	Account domain.AccountID `json:"account"`
	Error   *SyncError       `json:"error"`           // why it is given up; nil: it was made
	Reply   string           `json:"reply,omitempty"` // the words by which the server refused it
}

// Codes of ChangeEnded.Error beside those of syncs.
const (
	CodeRefused  = "refused"   // by the mail server
	CodeReadOnly = "read_only" // nothing may be changed any more
)

// EventType returns the stored name and version.
func (ChangeRequested) EventType() (Type, int) { return TypeChangeRequested, 1 }

// EventStream returns the change.
func (e ChangeRequested) EventStream() Stream { return Stream{StreamChange, int64(e.Change)} }

// EventAccount returns the account.
func (e ChangeRequested) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (ChangeEnded) EventType() (Type, int) { return TypeChangeEnded, 1 }

// EventStream returns the change.
func (e ChangeEnded) EventStream() Stream { return Stream{StreamChange, int64(e.Change)} }

// EventAccount returns the account.
func (e ChangeEnded) EventAccount() domain.AccountID { return e.Account }
