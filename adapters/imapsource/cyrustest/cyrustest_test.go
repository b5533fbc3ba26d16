package cyrustest

import (
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

func TestMailOnCyrus(t *testing.T) {
	t.Parallel()
	u := Start(t).NewUser("ann")
	u.Append(t, "INBOX", []byte("From: ann@example.org\r\n\r\nHello.\r\n"), time.Now())
	if got := u.Messages(t, "INBOX"); len(got) != 1 {
		t.Errorf("got %d messages", len(got))
	}
	var names []string
	u.Do(t, "", func(c *imapclient.Client) error {
		listed, err := c.List("", "*", nil).Collect()
		for _, l := range listed {
			names = append(names, l.Mailbox)
		}
		return err
	})
	if slices.Sort(names); !slices.Equal(names, []string{"Drafts", "INBOX", "Junk", "Sent", "Trash"}) {
		t.Errorf("folders are %q", names)
	}
}
