// Command go keeps a mailbox level by Google's own Go client of the Gmail API, as the guide to synchronising
// clients says: a full sync first, then histories.
//
// For each line on standard input it syncs once and writes one line of JSON: the labels of each message. A line with
// a change is carried out instead; then the labels in the answer are written.
// With the argument "read N" it lists and gets N messages once and writes how many it has.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strconv"

	"golang.org/x/oauth2"
	"google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

func main() {
	ctx := context.Background()
	token := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: os.Getenv("GMAIL_TOKEN")})
	svc, err := gmail.NewService(ctx, option.WithEndpoint(os.Getenv("GMAIL_ROOT")), option.WithTokenSource(token))
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) == 3 && os.Args[1] == "read" {
		n, err := strconv.Atoi(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		if err := read(svc, n); err != nil {
			log.Fatal(err)
		}
		return
	}
	m := &mailbox{svc: svc, user: os.Getenv("GMAIL_USER")}
	if err := m.checks(); err != nil {
		log.Fatal(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		out, err := m.messages, error(nil)
		if len(lines.Bytes()) > 0 {
			out, err = m.write(lines.Bytes())
		} else {
			err = m.sync()
			out = m.messages
		}
		if err != nil {
			log.Fatal(err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
			log.Fatal(err)
		}
	}
}

type mailbox struct {
	svc       *gmail.Service
	user      string
	messages  map[string][]string // labels by id, sorted
	historyID uint64
}

// write carries out a change.
func (m *mailbox) write(line []byte) (map[string][]string, error) {
	var c struct {
		Do          string
		IDs         []string
		Add, Remove []string
	}
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, err
	}
	var msg *gmail.Message
	var err error
	messages := m.svc.Users.Messages
	switch c.Do {
	case "modify":
		msg, err = messages.Modify(m.user, c.IDs[0], &gmail.ModifyMessageRequest{AddLabelIds: c.Add, RemoveLabelIds: c.Remove}).Do()
	case "trash":
		msg, err = messages.Trash(m.user, c.IDs[0]).Do()
	case "untrash":
		msg, err = messages.Untrash(m.user, c.IDs[0]).Do()
	case "batchModify":
		return map[string][]string{}, messages.BatchModify(m.user, &gmail.BatchModifyMessagesRequest{Ids: c.IDs, AddLabelIds: c.Add, RemoveLabelIds: c.Remove}).Do()
	}
	if err != nil {
		return nil, err
	}
	return map[string][]string{msg.Id: msg.LabelIds}, nil
}

func (m *mailbox) sync() error {
	if m.messages == nil {
		return m.full()
	}
	return m.partial()
}

func (m *mailbox) full() error {
	profile, err := m.svc.Users.GetProfile(m.user).Do()
	if err != nil {
		return err
	}
	m.messages, m.historyID = map[string][]string{}, profile.HistoryId
	return m.svc.Users.Messages.List(m.user).IncludeSpamTrash(true).MaxResults(7).Pages(context.Background(), func(page *gmail.ListMessagesResponse) error {
		for _, listed := range page.Messages {
			msg, err := m.svc.Users.Messages.Get(m.user, listed.Id).Format("full").Do()
			if gone(err) {
				continue
			}
			if err != nil {
				return err
			}
			if msg.Payload == nil || msg.Payload.MimeType == "" {
				return fmt.Errorf("message %s has no payload", msg.Id)
			}
			m.set(msg.Id, msg.LabelIds)
		}
		return nil
	})
}

func gone(err error) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == http.StatusNotFound
}

func (m *mailbox) set(id string, labels []string) {
	labels = slices.Clone(labels)
	slices.Sort(labels)
	m.messages[id] = slices.Compact(labels)
}

func (m *mailbox) partial() error {
	call := m.svc.Users.History.List(m.user).StartHistoryId(m.historyID).MaxResults(3)
	return call.Pages(context.Background(), func(page *gmail.ListHistoryResponse) error {
		for _, record := range page.History {
			m.apply(record)
		}
		if page.NextPageToken == "" {
			m.historyID = page.HistoryId
		}
		return nil
	})
}

func (m *mailbox) apply(h *gmail.History) {
	for _, x := range h.MessagesAdded {
		m.set(x.Message.Id, x.Message.LabelIds)
	}
	for _, x := range h.MessagesDeleted {
		delete(m.messages, x.Message.Id)
	}
	for _, x := range h.LabelsAdded {
		m.set(x.Message.Id, append(slices.Clone(m.messages[x.Message.Id]), x.LabelIds...))
	}
	for _, x := range h.LabelsRemoved {
		left := slices.DeleteFunc(slices.Clone(m.messages[x.Message.Id]), func(l string) bool { return slices.Contains(x.LabelIds, l) })
		m.set(x.Message.Id, left)
	}
}

// checks is what a client meets besides: errors of the client's own type, 304, partial answers.
func (m *mailbox) checks() error {
	if _, err := m.svc.Users.Messages.Get(m.user, "ffffffffffff").Do(); !gone(err) {
		return fmt.Errorf("unknown message: %v", err)
	}
	labels, err := m.svc.Users.Labels.List(m.user).Do()
	if err != nil {
		return err
	}
	_, err = m.svc.Users.Labels.List(m.user).IfNoneMatch(labels.Header.Get("ETag")).Do()
	if !googleapi.IsNotModified(err) {
		return fmt.Errorf("labels again: %v, want not modified", err)
	}
	part, err := m.svc.Users.GetProfile(m.user).Fields("historyId").Do()
	if err != nil || part.HistoryId == 0 || part.EmailAddress != "" {
		return fmt.Errorf("fields: %+v, %v", part, err)
	}
	return nil
}

// read lists and gets n messages, as many at once as a careful program would.
func read(svc *gmail.Service, n int) error {
	var ids []string
	err := svc.Users.Messages.List("me").MaxResults(500).Pages(context.Background(), func(page *gmail.ListMessagesResponse) error {
		for _, m := range page.Messages {
			ids = append(ids, m.Id)
		}
		if len(ids) >= n {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	octets := 0
	for _, id := range ids[:min(n, len(ids))] {
		msg, err := svc.Users.Messages.Get("me", id).Format("raw").Do()
		if err != nil {
			return err
		}
		octets += len(msg.Raw)
	}
	fmt.Println(min(n, len(ids)), octets)
	return nil
}

var errEnough = errors.New("enough")
