package sampleserver

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// session is a session of the memory store that also tells what folders are for.
type session struct {
	*imapmemserver.UserSession
	user *imapmemserver.User
}

// List answers LIST with special uses, which the store has no way to set. Folders that a
// client has made are not listed: this mailbox is for looking at.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	if len(patterns) == 0 {
		return s.UserSession.List(w, ref, patterns, options)
	}
	for _, f := range folders {
		if !matches(f.name, ref, patterns) || options.SelectSpecialUse && f.use == "" {
			continue
		}
		data := &imap.ListData{Mailbox: f.name, Delim: '/'}
		if f.use != "" {
			data.Attrs = []imap.MailboxAttr{f.use}
		}
		if options.ReturnStatus != nil {
			status, err := s.user.Status(f.name, options.ReturnStatus)
			if err != nil {
				continue // removed by a client
			}
			data.Status = status
		}
		if err := w.WriteList(data); err != nil {
			return err
		}
	}
	return nil
}

func matches(name, ref string, patterns []string) bool {
	for _, p := range patterns {
		if imapserver.MatchList(name, '/', ref, p) {
			return true
		}
	}
	return false
}
