package meilitest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// task is one that was asked for; it is done later, in order.
type task struct {
	uid                         int64
	index                       string // "": of none
	kind                        string
	status                      string
	details                     map[string]any
	failure                     *failure
	enqueued, started, finished time.Time
	run                         func(t *task) *failure
}

type summaryJSON struct {
	TaskUID    int64   `json:"taskUid"`
	IndexUID   *string `json:"indexUid"`
	Status     string  `json:"status"`
	Type       string  `json:"type"`
	EnqueuedAt string  `json:"enqueuedAt"`
}

type taskJSON struct {
	UID        int64          `json:"uid"`
	BatchUID   *int64         `json:"batchUid"`
	IndexUID   *string        `json:"indexUid"`
	Status     string         `json:"status"`
	Type       string         `json:"type"`
	CanceledBy *int64         `json:"canceledBy"`
	Details    map[string]any `json:"details"`
	Error      *failureJSON   `json:"error"`
	Duration   *string        `json:"duration"`
	EnqueuedAt string         `json:"enqueuedAt"`
	StartedAt  *string        `json:"startedAt"`
	FinishedAt *string        `json:"finishedAt"`
}

func (t *task) indexUID() *string {
	if t.index == "" {
		return nil
	}
	return &t.index
}

func (t *task) json() taskJSON {
	out := taskJSON{UID: t.uid, IndexUID: t.indexUID(), Status: t.status, Type: t.kind, Details: t.details, EnqueuedAt: moment(t.enqueued)}
	if !t.started.IsZero() {
		begin := moment(t.started)
		out.BatchUID, out.StartedAt = &t.uid, &begin
	}
	if !t.finished.IsZero() {
		end, took := moment(t.finished), "PT"+strconv.FormatFloat(t.finished.Sub(t.started).Seconds(), 'f', 9, 64)+"S"
		out.FinishedAt, out.Duration = &end, &took
	}
	if t.failure != nil {
		out.Error = t.failure.json()
	}
	return out
}

// enqueue makes a task and answers with its summary.
func (s *Server) enqueue(index, kind string, details map[string]any, run func(t *task) *failure) (int, any, *failure) {
	t := &task{
		uid: int64(len(s.tasks)), index: index, kind: kind, status: "enqueued", details: details, enqueued: time.Now(), run: run,
	}
	s.tasks = append(s.tasks, t)
	return http.StatusAccepted, summaryJSON{t.uid, t.indexUID(), t.status, t.kind, moment(t.enqueued)}, nil
}

// work does tasks in order until the end.
func (s *Server) work(ended <-chan struct{}) {
	for next := 0; ; {
		s.mu.Lock()
		for !s.held && next < len(s.tasks) {
			s.perform(s.tasks[next])
			next++
		}
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-ended:
			return
		}
	}
}

func (s *Server) perform(t *task) {
	t.started, t.status = time.Now(), "processing"
	if fault, ok := s.failing[t.kind]; ok {
		t.failure = &failure{http.StatusInternalServerError, fault.code, fault.kind, "made to fail"}
	} else {
		t.failure = t.run(t)
	}
	t.finished, t.status = time.Now(), "succeeded"
	if t.failure != nil {
		t.status = "failed"
	}
}

func (s *Server) getTask(r *http.Request, _ []byte) (int, any, *failure) {
	uid, err := strconv.Atoi(r.PathValue("uid"))
	if err != nil || uid >= len(s.tasks) {
		return 0, nil, invalid(http.StatusNotFound, "task_not_found", "Task `%s` not found.", r.PathValue("uid"))
	}
	return http.StatusOK, s.tasks[uid].json(), nil
}

// listTasks answers with the newest first.
func (s *Server) listTasks(r *http.Request, _ []byte) (int, any, *failure) {
	var uids []string
	limit := 20
	for name, values := range r.URL.Query() {
		switch name {
		case "uids":
			uids = strings.Split(values[0], ",")
		case "limit":
			n, err := strconv.Atoi(values[0])
			if err != nil {
				return 0, nil, s.unknown("limit %s", values[0])
			}
			limit = n
		default:
			return 0, nil, s.unknown("GET /tasks with %s", name)
		}
	}
	var found []*task
	for _, t := range slices.Backward(s.tasks) {
		if uids == nil || slices.Contains(uids, strconv.FormatInt(t.uid, 10)) {
			found = append(found, t)
		}
	}
	out := struct {
		Results []taskJSON `json:"results"`
		Total   int        `json:"total"`
		Limit   int        `json:"limit"`
		From    *int64     `json:"from"`
		Next    *int64     `json:"next"`
	}{Results: []taskJSON{}, Total: len(found), Limit: limit}
	for _, t := range found[:min(limit, len(found))] {
		out.Results = append(out.Results, t.json())
	}
	if len(found) > 0 {
		out.From = &found[0].uid
	}
	if limit < len(found) {
		out.Next = &found[limit].uid
	}
	return http.StatusOK, out, nil
}
