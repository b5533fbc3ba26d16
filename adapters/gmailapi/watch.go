package gmailapi

import (
	"errors"
	"regexp"
	"slices"
	"strconv"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// watchJSON is the body of watch.
type watchJSON struct {
	TopicName           string   `json:"topicName"`
	LabelIDs            []string `json:"labelIds"`
	LabelFilterBehavior string   `json:"labelFilterBehavior"`
	LabelFilterAction   string   `json:"labelFilterAction"` // its earlier name
}

type watchedJSON struct {
	HistoryID  string `json:"historyId"`
	Expiration string `json:"expiration"`
}

// topicName names a webhook in place of a topic of Cloud Pub/Sub (api.md 11.10).
var topicName = regexp.MustCompile(`^projects/([^/]{1,100})/topics/([1-9][0-9]{0,17})$`)

func (h *Handler) watch(c *call) (any, error) {
	var in watchJSON
	if err := c.readJSON(&in); err != nil {
		return nil, err
	}
	errTopic := invalidArgument("Invalid topicName")
	topic := topicName.FindStringSubmatch(in.TopicName)
	switch {
	case topic == nil:
		return nil, errTopic
	case !slices.Contains([]string{"", "includeUnspecified", "include", "exclude"}, in.LabelFilterBehavior):
		return nil, invalidParameter("labelFilterBehavior")
	case len(in.LabelIDs) > maxLabels:
		return nil, invalidArgument("Too many labels.")
	}
	webhook, err := strconv.ParseInt(topic[2], 10, 64)
	if err != nil {
		return nil, errTopic
	}
	profile, err := h.app.GetProfile(c.ctx, queries.GetProfile{Journal: c.Who.Journal, Accounts: c.accounts, Email: c.Who.Email})
	if err != nil {
		return nil, err
	}
	expires, err := h.app.WatchMailbox(c.ctx, commands.WatchMailbox{MailWatch: commands.MailWatch{
		Journal: c.Who.Journal, Mailbox: c.mailboxName(), Accounts: c.accounts, Address: profile.Address, Webhook: domain.WebhookID(webhook),
		Project: topic[1], Labels: in.LabelIDs, Excluded: in.LabelFilterBehavior == "exclude" || in.LabelFilterBehavior == "" && in.LabelFilterAction == "exclude",
		Told: profile.Position,
	}})
	if errors.Is(err, domain.ErrNotFound) {
		return nil, errTopic
	}
	if err != nil {
		return nil, err
	}
	return watchedJSON{historyID(profile.Position), strconv.FormatInt(expires.UnixMilli(), 10)}, nil
}

func (h *Handler) stop(c *call) (any, error) {
	_, err := h.app.StopWatching(c.ctx, commands.StopWatching{Journal: c.Who.Journal, Mailbox: c.mailboxName()})
	return nil, err
}

// mailboxName is what a watch is kept by.
func (c *call) mailboxName() string { return domain.Fold(c.param("userId")) }
