package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// bareServer is what the API is compared with: chi, pgx and encoding/json, one
// query for each answer, nobody is asked who he is, and nothing is logged, counted
// or tagged. It sends the same bytes. It is a command of the test binary.
func bareServer() {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(os.Getenv("BARE_DATABASE"))
	if err != nil {
		panic(err)
	}
	config.ConnConfig.RuntimeParams["search_path"] = os.Getenv("BARE_SCHEMA")
	config.ConnConfig.RuntimeParams["jit"] = "off"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		panic(err)
	}
	journal, err := strconv.ParseInt(os.Getenv("BARE_JOURNAL"), 10, 64)
	if err != nil {
		panic(err)
	}
	s := &bare{pool, journal}
	r := chi.NewRouter()
	r.Get("/api/emails/", bareHandler(s.list))
	r.Get("/api/emails/threads/", bareHandler(s.threads))
	r.Get("/api/emails/statistics/", bareHandler(s.statistics))
	r.Get("/api/emails/{id}/", bareHandler(s.detail))
	panic(http.ListenAndServe(os.Getenv("BARE_LISTEN"), r)) //nolint:gosec // a benchmark
}

type bare struct {
	pool    *pgxpool.Pool
	journal int64
}

func bareHandler(answer func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		body, err := answer(r)
		if err == nil {
			err = enc.Encode(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		b.Truncate(b.Len() - 1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
		_, _ = w.Write(b.Bytes()) // the client has gone
	}
}

// barePage is a page of a list.
type barePage struct {
	Count    int     `json:"count"`
	Next     string  `json:"next"`
	Previous *string `json:"previous"`
	Results  any     `json:"results"`
}

type bareEmail struct {
	ID             int64  `json:"id"`
	MessageID      string `json:"message_id"`
	Subject        string `json:"subject"`
	Sender         string `json:"sender"`
	Recipient      string `json:"recipient"`
	Date           string `json:"date"`
	Folder         string `json:"folder"`
	ThreadID       string `json:"thread_id"`
	ThreadCount    int    `json:"thread_count"`
	IMAPServer     int64  `json:"imap_server"`
	SenderName     string `json:"sender_name"`
	Snippet        string `json:"snippet"`
	IsRead         bool   `json:"is_read"`
	IsStarred      bool   `json:"is_starred"`
	HasAttachments bool   `json:"has_attachments"`
	Size           int64  `json:"size"`
	ReceivedAt     string `json:"received_at"`
}

type bareThread struct {
	bareEmail
	Unread int `json:"thread_unread_count"`
}

const bareColumns = `SELECT m.id, m.msg_id, m.subject, m.sender, m.recipient, m.date, m.folder, m.thread_id, t.messages, m.account_id,
	m.sender_name, m.snippet, m.seen, m.flagged, m.has_attachments, m.size, m.internal_date, t.unseen, `

const bareList = bareColumns + `(SELECT sum(messages) FROM tally WHERE journal_id = $1 AND mailbox_id <> 0)
FROM (SELECT * FROM message WHERE journal_id = $1 ORDER BY date DESC, id DESC LIMIT 50) m
JOIN thread t ON t.journal_id = $1 AND t.thread_id = m.thread_id
ORDER BY m.date DESC, m.id DESC`

const bareThreads = bareColumns + `(SELECT sum(messages) FROM tally WHERE journal_id = $1 AND mailbox_id = 0)
FROM (SELECT * FROM thread WHERE journal_id = $1 ORDER BY latest_date DESC, latest_id DESC LIMIT 50) t
JOIN message m ON m.journal_id = $1 AND m.id = t.latest_id
ORDER BY m.date DESC, m.id DESC`

func (s *bare) rows(ctx context.Context, query string) (rows []bareThread, count int, err error) {
	found, err := s.pool.Query(ctx, query, s.journal)
	if err != nil {
		return nil, 0, err
	}
	rows, err = pgx.CollectRows(found, func(row pgx.CollectableRow) (m bareThread, err error) {
		var id string
		var date, received time.Time
		var thread int64
		err = row.Scan(&m.ID, &id, &m.Subject, &m.Sender, &m.Recipient, &date, &m.Folder, &thread, &m.ThreadCount, &m.IMAPServer,
			&m.SenderName, &m.Snippet, &m.IsRead, &m.IsStarred, &m.HasAttachments, &m.Size, &received, &m.Unread, &count)
		if id != "" {
			m.MessageID = "<" + id + ">"
		}
		m.Date, m.ReceivedAt = date.UTC().Format(time.RFC3339), received.UTC().Format(time.RFC3339)
		m.ThreadID = "thread-" + strconv.FormatInt(thread, 10)
		return m, err
	})
	return rows, count, err
}

func (s *bare) list(r *http.Request) (any, error) {
	rows, count, err := s.rows(r.Context(), bareList)
	emails := make([]bareEmail, len(rows))
	for i := range rows {
		emails[i] = rows[i].bareEmail
	}
	return barePage{Count: count, Next: "http://" + r.Host + "/api/emails/?page=2&page_size=50", Results: emails}, err
}

func (s *bare) threads(r *http.Request) (any, error) {
	rows, count, err := s.rows(r.Context(), bareThreads)
	return barePage{Count: count, Next: "http://" + r.Host + "/api/emails/threads/?page=2&page_size=50", Results: rows}, err
}

type bareNumbers struct {
	Emails  int            `json:"total_emails"`
	Threads int            `json:"total_threads"`
	Folders map[string]int `json:"folders"` // there is one
	Unread  int            `json:"unread_emails"`
	Size    int64          `json:"total_size"`
	Oldest  string         `json:"oldest_date"`
	Newest  string         `json:"newest_date"`
}

const bareStatistics = `SELECT folder, sum(messages), sum(unseen), sum(size),
	(SELECT sum(messages) FROM tally WHERE journal_id = $1 AND mailbox_id = 0),
	(SELECT date FROM message WHERE journal_id = $1 ORDER BY date, id LIMIT 1),
	(SELECT date FROM message WHERE journal_id = $1 ORDER BY date DESC, id DESC LIMIT 1)
FROM tally WHERE journal_id = $1 AND mailbox_id <> 0
GROUP BY folder ORDER BY 2 DESC, 1`

func (s *bare) statistics(r *http.Request) (any, error) {
	out := bareNumbers{Folders: map[string]int{}}
	found, err := s.pool.Query(r.Context(), bareStatistics, s.journal)
	if err != nil {
		return nil, err
	}
	var folder string
	var messages, unread int
	var size int64
	var oldest, newest time.Time
	_, err = pgx.ForEachRow(found, []any{&folder, &messages, &unread, &size, &out.Threads, &oldest, &newest}, func() error {
		out.Folders[folder] = messages
		out.Emails, out.Unread, out.Size = out.Emails+messages, out.Unread+unread, out.Size+size
		return nil
	})
	out.Oldest, out.Newest = oldest.UTC().Format(time.RFC3339), newest.UTC().Format(time.RFC3339)
	return out, err
}

// bareDetail is one email, whole. What is a list or an object lies ready as JSON in a
// column: nothing is unpacked and nothing parsed.
type bareDetail struct {
	ID             int64           `json:"id"`
	MessageID      string          `json:"message_id"`
	Subject        string          `json:"subject"`
	Sender         string          `json:"sender"`
	Recipient      string          `json:"recipient"`
	Date           string          `json:"date"`
	BodyText       string          `json:"body_text"`
	BodyHTML       string          `json:"body_html"`
	Folder         string          `json:"folder"`
	CreatedAt      string          `json:"created_at"`
	UpdatedAt      string          `json:"updated_at"`
	ThreadID       string          `json:"thread_id"`
	InReplyTo      *string         `json:"in_reply_to"`
	ThreadEmails   json.RawMessage `json:"thread_emails"`
	ThreadCount    int             `json:"thread_count"`
	IMAPServer     int64           `json:"imap_server"`
	SenderName     string          `json:"sender_name"`
	To             json.RawMessage `json:"to"`
	Cc             json.RawMessage `json:"cc"`
	Bcc            json.RawMessage `json:"bcc"`
	ReplyTo        json.RawMessage `json:"reply_to"`
	References     json.RawMessage `json:"references"`
	Snippet        string          `json:"snippet"`
	Flags          json.RawMessage `json:"flags"`
	IsRead         bool            `json:"is_read"`
	IsStarred      bool            `json:"is_starred"`
	HasAttachments bool            `json:"has_attachments"`
	Attachments    json.RawMessage `json:"attachments"`
	Size           int64           `json:"size"`
	ReceivedAt     string          `json:"received_at"`
	RawURL         string          `json:"raw_url"`
	GmailID        string          `json:"gmail_id"`
}

// columns are the fields in the order of bareTable.
func (d *bareDetail) columns() []any {
	return []any{
		&d.ID, &d.MessageID, &d.Subject, &d.Sender, &d.Recipient, &d.Date, &d.BodyText, &d.BodyHTML, &d.Folder, &d.CreatedAt, &d.UpdatedAt,
		&d.ThreadID, &d.InReplyTo, (*[]byte)(&d.ThreadEmails), &d.ThreadCount, &d.IMAPServer, &d.SenderName, (*[]byte)(&d.To), (*[]byte)(&d.Cc),
		(*[]byte)(&d.Bcc), (*[]byte)(&d.ReplyTo), (*[]byte)(&d.References), &d.Snippet, (*[]byte)(&d.Flags), &d.IsRead, &d.IsStarred,
		&d.HasAttachments, (*[]byte)(&d.Attachments), &d.Size, &d.ReceivedAt, &d.RawURL, &d.GmailID,
	}
}

const bareTable = `CREATE TABLE public.bare_detail (
	id bigint PRIMARY KEY, message_id text, subject text, sender text, recipient text, date text, body_text text, body_html text, folder text,
	created_at text, updated_at text, thread_id text, in_reply_to text, thread_emails bytea, thread_count int, imap_server bigint,
	sender_name text, to_ bytea, cc bytea, bcc bytea, reply_to bytea, refs bytea, snippet text, flags bytea, is_read boolean,
	is_starred boolean, has_attachments boolean, attachments bytea, size bigint, received_at text, raw_url text, gmail_id text)`

func (s *bare) detail(r *http.Request) (any, error) {
	id, err := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	if err != nil {
		return nil, err
	}
	d := &bareDetail{}
	if err := s.pool.QueryRow(r.Context(), "SELECT * FROM public.bare_detail WHERE id = $1", id).Scan(d.columns()...); err != nil {
		return nil, fmt.Errorf("message %d: %w", id, err)
	}
	return d, nil
}
