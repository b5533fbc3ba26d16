package gmailapi

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// modifyJSON is the body of a change of labels (api.md 11.10).
type modifyJSON struct {
	IDs          []string `json:"ids"`
	AddLabelIDs  []string `json:"addLabelIds"`
	RemoveLabels []string `json:"removeLabelIds"`
}

const (
	maxModified = 1000 // messages of one batchModify
	maxLabels   = 100  // each way
	// changeWait is how long the mail server may take. Clients in Python give up after a minute.
	changeWait = 30 * time.Second
)

// readJSON reads a body into v.
func (c *call) readJSON(v any) error {
	body, err := c.Body()
	if err != nil {
		return err
	}
	var wrong *json.UnmarshalTypeError
	err = json.Unmarshal(body, v)
	switch {
	case errors.As(err, &wrong):
		return invalidParameter(wrong.Field)
	case err != nil:
		return parseError()
	}
	return nil
}

// readModify reads which labels are to be changed.
func (c *call) readModify() (modifyJSON, error) {
	var in modifyJSON
	if err := c.readJSON(&in); err != nil {
		return in, err
	}
	switch {
	case len(in.AddLabelIDs) > maxLabels, len(in.RemoveLabels) > maxLabels:
		return in, invalidArgument("Too many labels.")
	case len(in.AddLabelIDs)+len(in.RemoveLabels) == 0:
		return in, invalidArgument("No label add or removes specified")
	case slices.ContainsFunc(in.AddLabelIDs, func(id string) bool { return slices.Contains(in.RemoveLabels, id) }):
		return in, invalidArgument("Cannot both add and remove the same label")
	}
	return in, nil
}

func (h *Handler) modifyMessage(c *call) (any, error) {
	in, err := c.readModify()
	if err != nil {
		return nil, err
	}
	return h.changeMessage(c, queries.PlanChanges{Add: in.AddLabelIDs, Remove: in.RemoveLabels})
}

func (h *Handler) trashMessage(c *call) (any, error) {
	return h.changeMessage(c, queries.PlanChanges{Add: []string{queries.LabelTrash}})
}

func (h *Handler) untrashMessage(c *call) (any, error) {
	return h.changeMessage(c, queries.PlanChanges{Restore: true})
}

// changeMessage changes the message of the path.
func (h *Handler) changeMessage(c *call, q queries.PlanChanges) (any, error) {
	id, err := pathID[domain.MessageID](c, "id")
	if err != nil {
		return nil, err
	}
	q.IDs = []domain.MessageID{id}
	changed, err := h.change(c, q)
	if err != nil {
		return nil, err
	}
	if len(changed) == 0 {
		return nil, notFound()
	}
	return labelledOf(changed[0]), nil
}

func (h *Handler) modifyThread(c *call) (any, error) {
	in, err := c.readModify()
	if err != nil {
		return nil, err
	}
	return h.changeThread(c, queries.PlanChanges{Add: in.AddLabelIDs, Remove: in.RemoveLabels})
}

func (h *Handler) trashThread(c *call) (any, error) {
	return h.changeThread(c, queries.PlanChanges{Add: []string{queries.LabelTrash}})
}

func (h *Handler) untrashThread(c *call) (any, error) {
	return h.changeThread(c, queries.PlanChanges{Restore: true})
}

type changedThreadJSON struct {
	ID       string         `json:"id"`
	Messages []labelledJSON `json:"messages"`
}

// changeThread changes all messages of the thread of the path.
func (h *Handler) changeThread(c *call, q queries.PlanChanges) (any, error) {
	id, err := pathID[domain.ThreadID](c, "id")
	if err != nil {
		return nil, err
	}
	q.Thread = id
	changed, err := h.change(c, q)
	if err != nil {
		return nil, err
	}
	if len(changed) == 0 {
		return nil, notFound()
	}
	out := changedThreadJSON{ID: hexID(changed[0].Thread)}
	for _, e := range changed {
		out.Messages = append(out.Messages, labelledOf(e))
	}
	return out, nil
}

func (h *Handler) batchModify(c *call) (any, error) {
	in, err := c.readModify()
	if err != nil {
		return nil, err
	}
	if len(in.IDs) == 0 || len(in.IDs) > maxModified {
		return nil, invalidArgument("From 1 to 1000 ids are needed.")
	}
	q := queries.PlanChanges{Add: in.AddLabelIDs, Remove: in.RemoveLabels}
	for _, text := range in.IDs {
		id, err := parseID[domain.MessageID](text)
		if err != nil {
			return nil, err
		}
		q.IDs = append(q.IDs, id)
	}
	slices.Sort(q.IDs)
	q.IDs = slices.Compact(q.IDs)
	_, err = h.change(c, q)
	return nil, err
}

func labelledOf(e queries.Entry) labelledJSON {
	return labelledJSON{hexID(e.ID), hexID(e.Thread), e.Labels}
}

// change has the mail servers change messages, and returns these as they are then, in the order of their dates.
func (h *Handler) change(c *call, q queries.PlanChanges) ([]queries.Entry, error) {
	q.Journal, q.Accounts = c.Who.Journal, c.accounts
	plans, err := h.app.PlanChanges(c.ctx, q)
	if err != nil {
		return nil, changeFault(err)
	}
	var planned []queries.Entry
	for _, p := range plans {
		planned = append(planned, p.Messages...)
		if len(p.Add)+len(p.Remove) == 0 && p.MoveTo == "" {
			continue
		}
		cmd := commands.ChangeMessages{
			Journal: q.Journal, Meta: c.Meta, Account: p.Account, Add: p.Add, Remove: p.Remove, MoveTo: p.MoveTo, Wait: changeWait,
		}
		for _, e := range p.Messages {
			cmd.Messages = append(cmd.Messages, events.ChangedMessage{ID: e.ID, Thread: e.Thread})
		}
		pos, err := h.app.ChangeMessages(c.ctx, cmd)
		if err != nil {
			return nil, changeFault(err)
		}
		h.app.WaitFor(c.ctx, q.Journal, pos)
	}
	return h.changed(c, q, planned)
}

// changed reads messages after a change. Those that have gone to a folder that is not mirrored are as they were planned.
func (h *Handler) changed(c *call, q queries.PlanChanges, planned []queries.Entry) ([]queries.Entry, error) {
	if len(planned) == 0 {
		return nil, nil
	}
	out, err := h.app.GetEntries(c.ctx, q.GetEntries)
	if err != nil {
		return nil, err
	}
	for _, e := range planned {
		if !slices.ContainsFunc(out, func(x queries.Entry) bool { return x.ID == e.ID }) {
			out = append(out, e)
		}
	}
	return out, nil
}

// changeFault gives errors of changes their shape.
func changeFault(err error) error {
	var label *queries.LabelError
	var folder *queries.FolderError
	var given *commands.ChangeError
	switch {
	case errors.Is(err, domain.ErrReadOnly), errors.As(err, &given) && given.ChangeEnded.Error.Code == events.CodeReadOnly:
		return forbidden("This mailbox is read-only.")
	case errors.As(err, &label):
		return invalidArgument("Invalid label: " + label.Label)
	case errors.As(err, &folder):
		return failedPrecondition("The mailbox has no folder " + folder.Wanted + ".")
	case errors.Is(err, queries.ErrFolders):
		return invalidArgument("A message can be moved to one folder only.")
	case errors.As(err, &given) && given.ChangeEnded.Error.Code == events.CodeRefused:
		return failedPrecondition("The mail server refused the change: " + given.Reply)
	case errors.As(err, &given) && given.ChangeEnded.Error.Code == commands.CodeProtocolError:
		return failedPrecondition(given.ChangeEnded.Error.Message)
	case errors.As(err, &given):
		return errors.Join(domain.ErrUnavailable, err)
	}
	return err
}
