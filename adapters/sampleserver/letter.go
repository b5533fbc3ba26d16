package sampleserver

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// person is somebody who writes.
type person struct{ name, addr string }

// letter is one message before it is octets.
type letter struct {
	folder     string
	id         string // of the Message-ID, without its domain
	from, to   person
	cc         []person
	subject    string
	at         time.Time
	flags      []imap.Flag
	references []string // ids of the letters it answers, oldest first
	extra      [][2]string
	text, html string
	files      []file
}

// file is an attachment; inline with a Content-ID.
type file struct {
	name, kind, cid string
	octets          []byte
}

const idDomain = "@mail.example.org"

// octets writes the message (RFC 5322), the same octets for the same letter.
func (l letter) octets() []byte {
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	field("Return-Path", "<"+l.from.addr+">")
	field("Received", "from out.example.net by mx.example.org with ESMTPS; "+l.at.Format(time.RFC1123Z))
	field("Date", l.at.Add(-2*time.Second).Format(time.RFC1123Z))
	field("From", l.from.field())
	field("To", l.to.field())
	if len(l.cc) > 0 {
		names := make([]string, len(l.cc))
		for i, p := range l.cc {
			names[i] = p.field()
		}
		field("Cc", strings.Join(names, ",\r\n "))
	}
	field("Subject", mime.QEncoding.Encode("utf-8", l.subject))
	field("Message-ID", "<"+l.id+idDomain+">")
	if n := len(l.references); n > 0 {
		field("In-Reply-To", "<"+l.references[n-1]+idDomain+">")
		field("References", "<"+strings.Join(l.references, idDomain+">\r\n <")+idDomain+">")
	}
	for _, e := range l.extra {
		field(e[0], e[1])
	}
	field("MIME-Version", "1.0")
	l.body(&b)
	return b.Bytes()
}

func (p person) field() string {
	if p.name == "" {
		return p.addr
	}
	return mime.QEncoding.Encode("utf-8", p.name) + " <" + p.addr + ">"
}

// body writes the MIME structure that the letter needs and no more.
func (l letter) body(b *bytes.Buffer) {
	switch {
	case len(l.files) > 0:
		kind := "multipart/mixed"
		if l.files[0].cid != "" {
			kind = "multipart/related"
		}
		m := l.container(b, kind, "files")
		l.texts(m)
		for _, f := range l.files {
			f.write(m)
		}
		_ = m.Close() // a Buffer takes everything
	case l.html != "":
		m := l.container(b, "multipart/alternative", "both")
		l.alternatives(m)
		_ = m.Close()
	default:
		fmt.Fprint(b, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
		quote(b, l.text)
	}
}

// container begins a multipart; its boundary follows from the letter.
func (l letter) container(b *bytes.Buffer, kind, what string) *multipart.Writer {
	m := multipart.NewWriter(b)
	_ = m.SetBoundary("=-" + what + "-" + l.id) // ids are fit for a boundary
	fmt.Fprintf(b, "Content-Type: %s;\r\n boundary=\"%s\"\r\n\r\n", kind, m.Boundary())
	return m
}

func (l letter) texts(m *multipart.Writer) {
	if l.html == "" {
		part(m, "text/plain; charset=utf-8", l.text)
		return
	}
	var inner bytes.Buffer
	both := multipart.NewWriter(&inner)
	_ = both.SetBoundary("=-both-" + l.id)
	l.alternatives(both)
	_ = both.Close()
	w, _ := m.CreatePart(textproto.MIMEHeader{"Content-Type": {`multipart/alternative; boundary="` + both.Boundary() + `"`}})
	_, _ = w.Write(inner.Bytes())
}

func (l letter) alternatives(m *multipart.Writer) {
	part(m, "text/plain; charset=utf-8", l.text)
	part(m, "text/html; charset=utf-8", l.html)
}

func part(m *multipart.Writer, kind, text string) {
	w, _ := m.CreatePart(textproto.MIMEHeader{"Content-Type": {kind}, "Content-Transfer-Encoding": {"quoted-printable"}})
	var b bytes.Buffer
	quote(&b, text)
	_, _ = w.Write(b.Bytes())
}

func quote(b *bytes.Buffer, text string) {
	w := quotedprintable.NewWriter(b)
	_, _ = w.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	_ = w.Close()
}

func (f file) write(m *multipart.Writer) {
	h := textproto.MIMEHeader{"Content-Type": {f.kind}, "Content-Transfer-Encoding": {"base64"}}
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	if f.cid != "" {
		h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": f.name}))
		h.Set("Content-ID", "<"+f.cid+">")
	}
	w, _ := m.CreatePart(h)
	text := base64.StdEncoding.EncodeToString(f.octets)
	for len(text) > 76 {
		_, _ = w.Write([]byte(text[:76] + "\r\n"))
		text = text[76:]
	}
	_, _ = w.Write([]byte(text + "\r\n"))
}
