package mailparse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
)

// multi writes a multipart from whole parts, header and body.
func multi(kind, boundary string, parts ...string) string {
	return "Content-Type: multipart/" + kind + "; boundary=" + boundary + "\n\n--" + boundary + "\n" +
		strings.Join(parts, "\n--"+boundary+"\n") + "\n--" + boundary + "--\n"
}

const (
	textPart  = "Content-Type: text/plain\n\nPlain.\n"
	htmlPart  = "Content-Type: text/html\n\n<p>Rich &amp; bold.</p>\n"
	imagePart = "Content-Type: image/png\nContent-ID: <i@x>\nContent-Transfer-Encoding: base64\n\nQUJD"
)

func TestBodies(t *testing.T) {
	t.Parallel()
	blankPart := "Content-Type: text/plain\n\n \u00a0\n"
	tests := []struct{ name, raw, text, html string }{
		{"plain", textPart, "Plain.\n", ""},
		{"no header of MIME", "Subject: x\n\nBody.\n", "Body.\n", ""},
		{"html", htmlPart, "Rich & bold.\n", "<p>Rich &amp; bold.</p>\n"},
		{"alternative", multi("alternative", "a", textPart, htmlPart), "Plain.\n", "<p>Rich &amp; bold.</p>\n"},
		{"alternative, blank text", multi("alternative", "a", blankPart, htmlPart), " \u00a0\nRich & bold.\n", "<p>Rich &amp; bold.</p>\n"},
		{"alternative with related", multi("alternative", "a", textPart, multi("related", "r", htmlPart, imagePart)), "Plain.\n", "<p>Rich &amp; bold.</p>\n"},
		{"alternative in related", multi("related", "r", multi("alternative", "a", textPart, htmlPart), imagePart), "Plain.\n", "<p>Rich &amp; bold.</p>\n"},
		{"alternative of two html", multi("alternative", "a", htmlPart, "Content-Type: text/html\n\n<p>other</p>\n"), "Rich & bold.\n", "<p>Rich &amp; bold.</p>\n"},
		{
			"alternative, mixed html", multi("alternative", "a", textPart, multi("mixed", "m", htmlPart, imagePart, "Content-Type: text/html\n\n<p>end</p>\n")),
			"Plain.\n", "<p>Rich &amp; bold.</p>\n<p>end</p>\n",
		},
		{"html and a footer", multi("mixed", "m", htmlPart, "\nThe list's footer.\n"), "Rich & bold.\nThe list's footer.\n", "<p>Rich &amp; bold.</p>\n"},
		{"text, attachment, text", multi("mixed", "m", textPart, imagePart, "\nMore."), "Plain.\nMore.", ""},
		{"named text is shown", multi("mixed", "m", textPart, "Content-Type: text/plain; name=p.patch\n\n+line\n"), "Plain.\n+line\n", ""},
		{"attached text is not", multi("mixed", "m", textPart, "Content-Disposition: attachment\n\nhidden\n"), "Plain.\n", ""},
		{"attached html is not", multi("mixed", "m", textPart, "Content-Type: text/html; name=p.html\nContent-Disposition: attachment\n\nhidden"), "Plain.\n", ""},
		{"named html beside html", multi("mixed", "m", htmlPart, "Content-Type: text/html; name=p.html\n\nhidden"), "Rich & bold.\n", "<p>Rich &amp; bold.</p>\n"},
		{"named html alone", "Content-Type: text/html; name=p.html\n\n<b>x</b>", "x\n", "<b>x</b>"},
		{"charset in html", "Content-Type: text/html\n\n<meta charset=koi8-r>\xf0\xd2\xc9", "При\n", "<meta charset=koi8-r>При"},
		{"digest", multi("digest", "d", "\nSubject: one\n\nInner.\n"), "", ""},
		{"preamble only", "Content-Type: multipart/mixed; boundary=b\n\nOnly this.\n--b--\n", "Only this.", ""},
		{"bare CR everywhere", "Subject: x\rContent-Type: text/plain\r\rone\rtwo\r", "one\ntwo\n", ""},
		{"utf-8 mark", "Content-Type: text/plain; charset=utf-8\n\n\xef\xbb\xbfx", "x", ""},
		{"calendar beside text", multi("alternative", "a", textPart, "Content-Type: text/calendar\n\nBEGIN:VCALENDAR"), "Plain.\n", ""},
		{"enriched only", "Content-Type: text/enriched\n\nonly <bold>this</bold>", "only this\n", ""},
		{"enriched beside text", multi("alternative", "a", textPart, "Content-Type: text/enriched\n\n<bold>x"), "Plain.\n", ""},
		{"unknown text", multi("mixed", "m", textPart, "Content-Type: text/x-patch\n\n+line <x>\n"), "Plain.\n+line <x>\n", ""},
		{"report", multi("report", "m", textPart, "Content-Type: message/delivery-status\n\nAction: failed\n"), "Plain.\n", ""},
		{"report only", multi("report", "m", "Content-Type: message/delivery-status\n\nAction: failed\n"), "Action: failed\n", ""},
		{"boundary with junk behind", crlf("Content-Type: multipart/mixed; boundary=boundary\n\n--boundary junk\n\none\n--boundary-- junk\n"), "one", ""},
		{"boundary ends in spaces", "Content-Type: multipart/mixed; boundary=\"ab  \"\n\n--ab  \n\none\n--ab  --\n", "one", ""},
		{"boundary is the start of another", multi("mixed", "bound", multi("mixed", "bound-in", textPart, "\nmore"), "\nlast"), "Plain.\nmore\nlast", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, raw := range []string{test.raw, crlf(test.raw)} {
				c := parse(t, raw)
				if diff := cmp.Diff([]string{test.text, test.html}, []string{c.Text, c.HTML}); diff != "" {
					t.Errorf("%s%v", diff, c.Defects)
				}
				if strings.Contains(raw, "\r") {
					break
				}
			}
		})
	}
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	head := "Content-Type: application/pdf\n"
	inner := "Subject: in\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\nx\n--in\nContent-Disposition: attachment\n\ny\n--in--"
	pdf := func(a domain.Attachment) []domain.Attachment {
		if a.ContentType == "" {
			a.ContentType = "application/pdf"
		}
		a.Section = "2"
		return []domain.Attachment{a}
	}
	tests := []struct {
		name, part string
		want       []domain.Attachment
		octets     string
	}{
		{"attachment", head + "Content-Disposition: attachment\n\nx", pdf(domain.Attachment{Size: 1}), "x"},
		{"name only", "Content-Type: application/pdf; name=a.pdf\n\nx", pdf(domain.Attachment{FileName: "a.pdf", Size: 1}), "x"},
		{"disposition without type", head + "Content-Disposition: filename=\"a b.pdf\"\n\nx", pdf(domain.Attachment{FileName: "a b.pdf", Size: 1}), "x"},
		{"unknown disposition", head + "Content-Disposition: odd\n\nx", pdf(domain.Attachment{Size: 1}), "x"},
		{"neither", head + "\nx", nil, ""},
		{"inline with a name", head + "Content-Disposition: inline; filename=a.pdf\n\nx", pdf(domain.Attachment{FileName: "a.pdf", Size: 1}), "x"},
		{"inline with an id", head + "Content-Disposition: inline\nContent-ID: <a@b>\n\nx", pdf(domain.Attachment{Size: 1, Inline: true, ContentID: "a@b"}), "x"},
		{"attachment with an id", head + "Content-Disposition: attachment\nContent-ID: <a@b>\n\nx", pdf(domain.Attachment{Size: 1, ContentID: "a@b"}), "x"},
		{"image with an id", "Content-Type: image/png\nContent-ID: a@b\n\nx", pdf(domain.Attachment{ContentType: "image/png", Size: 1, Inline: true, ContentID: "a@b"}), "x"},
		{"text with an id", "Content-ID: <a@b>\n\nx", nil, ""},
		{"message", "Content-Type: message/rfc822\n\n" + inner, pdf(domain.Attachment{FileName: "message.eml", ContentType: "message/rfc822", Size: int64(len(inner))}), inner},
		{"named message", "Content-Type: message/rfc822; name=m.eml\n\nSubject: x\n", pdf(domain.Attachment{FileName: "m.eml", ContentType: "message/rfc822", Size: 11}), "Subject: x\n"},
		{"base64", head + "Content-Disposition: attachment\nContent-Transfer-Encoding: BASE64 (x)\n\nQUJD\nREU=\n", pdf(domain.Attachment{Size: 5}), "ABCDE"},
		{"quoted-printable", head + "Content-Disposition: attachment\nContent-Transfer-Encoding: quoted-printable\n\na=3Db= \nc \nd=", pdf(domain.Attachment{Size: 7}), "a=bc\nd"},
		{"uuencode", head + "Content-Disposition: attachment\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n#0V%T\n`\nend\n", pdf(domain.Attachment{Size: 3}), "Cat"},
		{"empty", head + "Content-Disposition: attachment\n", pdf(domain.Attachment{}), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			raw := multi("mixed", "m", textPart, test.part)
			c := parse(t, raw)
			if test.name == "quoted-printable" {
				test.want[0].Size = 6
			}
			if diff := cmp.Diff(test.want, c.Attachments); diff != "" {
				t.Fatal(diff)
			}
			part, ok := New(Options{}).Part(t.Context(), []byte(raw), "2")
			if ok != (test.want != nil) || string(part.Octets) != test.octets {
				t.Errorf("%v %q", ok, part.Octets)
			}
			for _, section := range []string{"", "0", "1", "x", "9", "1.9", "2.1", "2.1.1", "2.2"} {
				if _, ok := New(Options{}).Part(t.Context(), []byte(raw), section); ok {
					t.Errorf("section %q is there", section)
				}
			}
		})
	}
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	tests := []struct{ disposition, want string }{
		{`attachment; filename="a b.txt"`, "a b.txt"},
		{`attachment; filename=a b.txt`, "a b.txt"},
		{`attachment; filename="a;b.txt"; size=3`, "a;b.txt"},
		{`attachment; FILENAME = a.txt`, "a.txt"},
		{`attachment; filename="=?utf-8?B?QmlsZCDDvGJlci5wbmc=?="`, "Bild über.png"},
		{"attachment; filename=\"=?utf-8?Q?=C3=A4?=\r\n =?utf-8?Q?=C3=B6.txt?=\"", "äö.txt"},
		{`attachment; filename*=utf-8''Stra%C3%9Fe.csv`, "Straße.csv"},
		{`attachment; filename*="utf-8'de'Stra%C3%9Fe.csv"`, "Straße.csv"},
		{`attachment; filename*=iso-8859-1''%E4.txt; filename=x.txt`, "ä.txt"},
		{`attachment; filename=x.txt; filename*=iso-8859-1''%E4.txt`, "ä.txt"},
		{`attachment; filename*=plain%20name.txt`, "plain name.txt"},
		{`attachment; filename*=utf-8''100%.txt`, "100%.txt"},
		{`attachment; filename*1="b.txt"; filename*0="a"`, "ab.txt"},
		{`attachment; filename*0*=utf-8''Stra%C3%9Fen%20in; filename*1*=%20K%C3%B6ln; filename*2=.csv`, "Straßen in Köln.csv"},
		{`attachment; filename*0*=utf-8''%C3; filename*1*=%A4.txt`, "ä.txt"},
		{`attachment; filename="../../etc/pass\"wd"`, `....etcpass"wd`},
		{`attachment; filename="C:\dir\a.txt"`, "C:dira.txt"},
		{"attachment; filename=\"\xe4.txt\"", "ä.txt"},
		{"attachment; filename=\"ä.txt\"", "ä.txt"},
		{"attachment; filename=\"a\x00\x07b.txt\"", "ab.txt"},
		{`attachment; filename="unclosed.txt`, "unclosed.txt"},
		{`attachment; filename=""`, ""},
		{`attachment`, ""},
	}
	for _, test := range tests {
		c := parse(t, "Content-Disposition: "+test.disposition+"\r\n\r\nx")
		if len(c.Attachments) != 1 || c.Attachments[0].FileName != test.want {
			t.Errorf("%s: %+v, want %q", test.disposition, c.Attachments, test.want)
		}
	}
}

func TestPartContentType(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"Text/CSV; charset=\"UTF-8\"": "text/csv; charset=UTF-8", "text/plain": "text/plain",
		"text/plain; charset=\"x; y\"": "text/plain; charset=x", "image/png; charset=utf-8": "image/png",
	} {
		part, ok := New(Options{}).Part(t.Context(), []byte("Content-Type: "+given+"\r\nContent-Disposition: attachment\r\n\r\nx"), "1")
		if !ok || part.ContentType != want {
			t.Errorf("%s: %q, want %q", given, part.ContentType, want)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	p := New(Options{MaxDepth: 2, MaxParts: 5})
	raw := multi("mixed", "a", multi("mixed", "b", multi("mixed", "c", textPart)))
	c := p.Parse(t.Context(), []byte(raw))
	part, ok := p.Part(t.Context(), []byte(raw), "1.1")
	if len(c.Attachments) != 1 || c.Attachments[0].ContentType != "multipart/mixed" || !ok || !strings.Contains(string(part.Octets), "Plain.") ||
		!cmp.Equal(c.Defects, []string{"depth-limit"}) {
		t.Errorf("%+v %v %q", c.Attachments, c.Defects, part.Octets)
	}
	raw = multi("mixed", "a", "\n1", "\n2", "\n3", "\n4", "\n5", "\n6")
	c = p.Parse(t.Context(), []byte(raw))
	part, ok = p.Part(t.Context(), []byte(raw), "5")
	if c.Text != "1\n2\n3\n4" || !ok || !strings.Contains(string(part.Octets), "\n6") || !cmp.Equal(c.Defects, []string{"no-end-boundary", "part-limit"}) {
		t.Errorf("%q %+v %v", c.Text, c.Attachments, c.Defects)
	}
}

func TestSnippet(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"", ""},
		{" \n\t ", ""},
		{" a \n\n b\u00a0 c ", "a b c"},
		{strings.Repeat("ä", 300), strings.Repeat("ä", 200)},
		{strings.Repeat("a", 199) + " b", strings.Repeat("a", 199)},
		{strings.Repeat("a", 198) + "  bc", strings.Repeat("a", 198) + " b"},
	}
	for _, test := range tests {
		if got := snippet(test.text); got != test.want {
			t.Errorf("%q: %q", test.text, got)
		}
	}
}
