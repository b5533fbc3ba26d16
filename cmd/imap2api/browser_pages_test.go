package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/imap2api/imap2api/adapters/sampleserver"
)

// TestBrowser visits each page and does what a person does there, in one real browser.
func TestBrowser(t *testing.T) {
	t.Parallel()
	v := visit(t)
	v.signIn()
	for _, story := range []struct {
		name string
		tell func(*visitor)
	}{
		{"overview", overviewStory},
		{"mail", mailStory},
		{"servers", serversStory},
		{"events", eventsStory},
		{"models", modelsStory},
		{"webhooks", webhooksStory},
		{"tokens", tokensStory},
		{"users", usersStory},
		{"hostile", hostileStory},
		{"profile", profileStory},
	} {
		t.Run(story.name, func(t *testing.T) {
			v.t = t
			story.tell(v)
			v.quiet(story.name)
		})
	}
}

func overviewStory(v *visitor) {
	v.open("/admin/")
	v.sees("Overview", "Emails per day", "Sample mail", "Who writes most", "in order")
	before := evaluate[string](v, "document.querySelector('#newest a').href")
	v.until("document.querySelector('#newest a').href !== " + fmt.Sprintf("%q", before)) // mail arrives, by itself
	v.sound("overview")
	bytes := evaluate[int](v, `performance.getEntries().reduce((sum, e) => sum + (e.transferSize || 0), 0)`)
	if bytes > 150_000 {
		v.t.Errorf("the first load transfers %d octets, want at most 150,000", bytes)
	}
	v.leads(`.theme [value="dark"]`, "/admin/")
	if got := evaluate[string](v, "document.documentElement.dataset.theme"); got != "dark" {
		v.t.Errorf("got theme %q, want dark", got)
	}
	v.leads(`.theme [value=""]`, "/admin/")
}

func mailStory(v *visitor) {
	v.open("/admin/mail/")
	v.sees("Lists/Letterpress", "Threads", "Emails")
	v.sound("mail")
	v.do(chromedp.KeyEvent("/"))
	v.until(`document.activeElement.id === "q"`)
	v.fill("#q", "from:orders filename:pdf")
	v.leads(".search button", "/admin/mail/")
	v.sees("Your order")
	v.open("/admin/mail/?q=proofs")
	v.until(`document.querySelector("mark")`)
	v.sound("search")
	v.open("/admin/mail/?q=" + "subject:almanac+paper+arrives+from:priya")
	v.leads(".messages a.open", "/admin/mail/[0-9]+/")
	v.sees("Proofs for the almanac", "The life of this email", "Arrived in INBOX")
	v.do(chromedp.Click(chromedp.CSS(".other summary")))
	v.sound("message")
	v.open("/admin/mail/?q=subject:order+from:orders&view=emails")
	v.leads(".messages a.open", "/admin/mail/[0-9]+/")
	v.sees("Images of other hosts are not shown", "invoice-")
	v.sound("message-html")
	if got := evaluate[string](v, `fetch(document.querySelector(".files a").href).then(r => r.headers.get("Content-Disposition") + r.headers.get("Content-Security-Policy"))`); !strings.Contains(got, "attachment") || !strings.Contains(got, "sandbox") {
		v.t.Errorf("an attachment comes with %q", got)
	}
}

func serversStory(v *visitor) {
	v.open("/admin/servers/")
	v.sound("servers")
	v.leads(".card h2 a", "/admin/servers/1/")
	v.sees("Workshop/Order 2291", "Changes per sync", "Is everything there?")
	v.sound("server")
	v.leads(".head button.main", "/admin/servers/1/")
	v.sees("A sync is on its way.")
	v.open("/admin/servers/new/")
	v.fill("[name=address]", "ann@nowhere.hostile.test")
	v.fill("[name=password]", "x")
	v.do(chromedp.Click(chromedp.CSS("details:first-of-type summary")))
	v.fill("[name=host]", "127.0.0.1")
	v.fill("[name=port]", "1")
	v.do(chromedp.Click(chromedp.CSS("[formaction]")))
	v.sees("There is no connection to 127.0.0.1, port 1.", "Check host and port")
	v.sound("server-new")
	port := evaluate[string](v, `fetch("/admin/servers/1/edit/").then(r => r.text()).then(t => new DOMParser().parseFromString(t, "text/html").querySelector("[name=port]").value)`)
	v.fill("[name=port]", port)
	v.fill("[name=username]", sampleserver.Username)
	v.fill("[name=password]", sampleserver.Password)
	v.fill("[name=name]", "Second")
	v.fill("[name=security]", "starttls")
	v.leads("button.main:not(.head *)", "/admin/servers/[0-9]+/")
	v.sees("Added.", "Second")
	v.do(chromedp.Click(chromedp.CSS(".head a[href$='delete/']")))
	v.sees("Delete for ever")
	v.sound("server-delete")
	v.fill("[name=name]", "Second")
	v.leads("button.danger", "/admin/servers/")
	v.sees("Deleted.")
}

func eventsStory(v *visitor) {
	v.open("/admin/events/?type=email.received")
	v.sees("email.received", "Arrived in")
	v.until("document.querySelector('.fresh')") // it grows by itself
	v.open("/admin/events/")
	v.sees("Move it back")
	v.do(chromedp.Evaluate[chromedp.Void](`(() => { const at = document.querySelector("[name=at]"); at.value = 60; at.dispatchEvent(new Event("input", {bubbles: true})); })()`))
	v.until(`document.querySelector("#was b").innerText === "Position 60"`)
	few := evaluate[string](v, `document.querySelector("#was p").innerText`)
	var was struct {
		Emails int `json:"total_emails"`
	}
	if err := v.api.call(http.StatusOK, "GET", "/api/emails/statistics/?as_of=60", nil, &was); err != nil || was.Emails == 0 || !strings.Contains(few, fmt.Sprintf(" %d\u00a0email", was.Emails)) {
		v.t.Errorf("the slider says %q, the API %+v, %v", few, was, err)
	}
	v.open("/admin/events/?at=200") // as the form does without a script
	v.sees("Position 200", "INBOX")
	v.sound("events")
	v.enters(".log tbody:last-of-type td a", "/admin/events/[0-9]+/") // new rows move it down
	v.sees("As the API gives it", `"position"`)
	v.sees("computed again just now, and agree", "Hash of the event")
	evaluate[chromedp.Void](v, `document.querySelector("details").open = true`)
	v.sees(`"signature"`)
	v.sound("event")
}

func modelsStory(v *visitor) {
	v.open("/admin/models/")
	v.sees("mailboxes", "in order")
	v.sound("models")
	v.leads("form[action$='mailboxes/rebuild/'] button", "/admin/models/")
	v.until(`[...document.querySelectorAll(".card")].some(c => c.innerText.includes("mailboxes") && c.innerText.includes("generation 2"))`)
}

func webhooksStory(v *visitor) {
	taken := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { taken <- r.Header.Get("Webhook-Id") }))
	defer receiver.Close()
	v.open("/admin/webhooks/")
	v.fill("[name=url]", receiver.URL)
	v.fill("[name=description]", "Receiver")
	evaluate[chromedp.Void](v, `document.querySelectorAll("details").forEach(d => d.open = true)`)
	v.fill("[name=folders]", "INBOX\n")
	v.do(chromedp.Click(chromedp.CSS("[name=server]")))
	v.sound("webhooks")
	v.leads("main button.main", "/admin/webhooks/")
	v.sees("It is shown this once", "whsec_", "Only of IMAP server 1, and folder INBOX.")
	v.leads("[value=test]", "/admin/webhooks/1/")
	v.sees("The test was taken.")
	<-taken // the test
	<-taken // and mail that arrives
	v.until("document.querySelectorAll('#deliveries .succeeded').length > 1")
	v.do(chromedp.Click(chromedp.CSS("#deliveries td a")))
	v.sees("Attempt 1", "What was sent")
	v.sound("webhook")
	v.fill("[name=since]", "2020-01-01T00:00")
	v.leads("[value=recover]", "/admin/webhooks/1/")
	v.sees("being sent again.")
	v.leads("[value=off]", "/admin/webhooks/1/")
	v.sees("disabled")
}

func tokensStory(v *visitor) {
	v.open("/admin/tokens/")
	v.fill("main [name=name]", "Shop")
	v.leads("main button.main", "/admin/tokens/")
	v.sees("It is shown this once")
	v.sound("tokens")
	other := &client{base: v.base, token: evaluate[string](v, "document.querySelector('.secret code').innerText")}
	if err := other.call(http.StatusOK, "GET", "/api/me/", nil, nil); err != nil {
		v.t.Error(err)
	}
	v.do(chromedp.Click(chromedp.CSS("tr:last-child form[action$='revoke/'] button")))
	v.sees("Revoked.")
	if err := other.call(http.StatusUnauthorized, "GET", "/api/me/", nil, nil); err != nil {
		v.t.Error(err)
	}
}

func usersStory(v *visitor) {
	v.open("/admin/users/")
	v.fill("main [name=username]", "bob")
	v.fill("main [name=password]", "a long enough one")
	v.leads("main button.main", "/admin/users/")
	v.sees("Added.", "bob")
	v.sound("users")
	bob := &client{base: v.base}
	if err := bob.login("bob", "a long enough one"); err != nil {
		v.t.Error(err)
	}
	v.do(chromedp.Click(chromedp.CSS("[value=disable]")))
	v.sees("Disabled.")
	if err := bob.call(http.StatusUnauthorized, "GET", "/api/me/", nil, nil); err != nil {
		v.t.Error(err)
	}
	v.do(chromedp.Click(chromedp.CSS("[value=enable]")))
	v.sees("Enabled.")
	if err := bob.login("bob", "a long enough one"); err != nil {
		v.t.Error(err)
	}
	if err := bob.call(http.StatusOK, "GET", "/api/me/", nil, nil); err != nil {
		v.t.Error(err)
	}
}

func profileStory(v *visitor) {
	v.open("/admin/profile/")
	v.sound("profile")
	v.fill("[name=email]", "admin@example.org")
	v.do(chromedp.Click(chromedp.CSS("form.form button")))
	v.sees("Saved.")
	v.fill("[name=old]", adminPassword)
	v.fill("[name=new]", "another long password")
	v.fill("[name=again]", "another long password")
	v.do(chromedp.Click(chromedp.CSS("form[action$='password/'] button")))
	v.sees("The password is changed.")
	if err := v.api.call(http.StatusUnauthorized, "GET", "/api/me/", nil, nil); err != nil {
		v.t.Errorf("the login token of the old password: %v", err)
	}
	v.leads(".me .who button", "/admin/sign-in/")
	v.open("/admin/mail/")
	v.until(`location.pathname === "/admin/sign-in/" && location.search === "?next=%2Fadmin%2Fmail%2F"`)
}

// hostileStory reads mail that wants to do something: it does nothing.
func hostileStory(v *visitor) {
	text, err := os.ReadFile("testdata/browser/hostile.txt")
	if err != nil {
		v.t.Fatal(err)
	}
	list := strings.Split(strings.TrimSpace(string(text)), "\n")
	var server struct{ Port int }
	if err := v.api.call(http.StatusOK, "GET", "/api/imap-servers/1/", nil, &server); err != nil {
		v.t.Fatal(err)
	}
	c, err := imapclient.DialInsecure(fmt.Sprint("127.0.0.1:", server.Port), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the program ends soon
	if err := c.Login(sampleserver.Username, sampleserver.Password).Wait(); err != nil {
		v.t.Fatal(err)
	}
	for i, html := range list {
		raw := fmt.Sprintf("From: <bad@hostile.test>\r\nTo: <ann@example.org>\r\nSubject: hostile %d\r\nMessage-ID: <hostile-%d@hostile.test>\r\n"+
			"Date: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>before</p>%s\r\n", i, i, time.Now().Format(time.RFC1123Z), html)
		w := c.Append("INBOX", int64(len(raw)), nil)
		_, _ = w.Write([]byte(raw))
		_ = w.Close()
		if _, err := w.Wait(); err != nil {
			v.t.Fatal(err)
		}
	}
	var ids []int64
	for deadline := time.Now().Add(patience); len(ids) < len(list) && time.Now().Before(deadline); { // a sync may join one that had looked before
		if err := v.api.sync(1); err != nil {
			v.t.Fatal(err)
		}
		var err error
		if ids, err = v.api.ids("&imap_server=1&q=subject:hostile"); err != nil {
			v.t.Fatal(err)
		}
	}
	if len(ids) != len(list) || len(ids) < 40 {
		v.t.Fatalf("got %d hostile emails of %d, want at least 40", len(ids), len(list))
	}
	for _, id := range ids {
		page := fmt.Sprintf("/admin/mail/%d/", id)
		v.open(page)
		if evaluate[bool](v, "!!window.hacked || document.title.includes('hacked') || location.pathname !== '"+page+"' || !document.querySelector('iframe')") {
			v.t.Errorf("email %d has done something: %s", id, evaluate[string](v, "location.href"))
		}
	}
	v.quiet("hostile")
	if n := v.strays.seen(); n != 0 {
		v.t.Errorf("%d requests have gone out, want none", n)
	}
	remote, err := v.api.ids("&imap_server=1&q=subject:%22hostile+2%22")
	if err != nil || len(remote) != 1 {
		v.t.Fatalf("got emails %v with a remote image, %v", remote, err)
	}
	v.open(fmt.Sprintf("/admin/mail/%d/?images=1", remote[0])) // asked for, it is fetched: requests are counted rightly
	for deadline := time.Now().Add(patience); v.strays.seen() == 0; {
		if time.Now().After(deadline) {
			v.t.Fatal("no request is seen although it was asked for")
		}
		<-time.After(20 * time.Millisecond)
	}
	v.forget() // of the image that was not there
}
