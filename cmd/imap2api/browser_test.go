package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A visitor is a person with a browser at the pages of a demonstration.
type visitor struct {
	t      *testing.T
	ctx    context.Context //nolint:containedctx // the browser is in it
	base   string
	api    *client
	strays *strays
	axe    string
	mu     sync.Mutex
	said   []string // what the console has said since it was last looked at
}

// visit starts a demonstration and a browser for which every name leads to strays.
func visit(t *testing.T) *visitor {
	t.Helper()
	dir := openTempDir(t)
	env, err := settings(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProgram(dir, append(ownEnvironment(), env...), "-demo", "-webhook-allow-http", "true", "-webhook-allowed-networks", "127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	axe, err := os.ReadFile("testdata/browser/axe.js")
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, base: readyLine.FindStringSubmatch(p.log.String())[1], strays: listenForStrays(t), axe: string(axe)}
	v.api = &client{base: v.base}
	if err := v.api.login("admin", adminPassword); err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.Flag("host-resolver-rules", "MAP * "+v.strays.address()+", EXCLUDE 127.0.0.1"), chromedp.Flag("ignore-certificate-errors", true))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	var end context.CancelFunc
	v.ctx, end = chromedp.NewContext(alloc)
	t.Cleanup(end)
	if err := chromedp.Do(v.ctx, chromedp.Navigate("about:blank")); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	go v.listen()
	return v
}

// listen keeps what the console says that is worth looking at.
func (v *visitor) listen() {
	for m, err := range chromedp.Console(v.ctx) {
		if err != nil {
			return
		}
		if kind := fmt.Sprint(m.Type); kind != "debug" && kind != "info" && kind != "log" {
			v.mu.Lock()
			v.said = append(v.said, kind+": "+m.Text)
			v.mu.Unlock()
		}
	}
}

// do carries out steps that must work within the patience of a person.
func (v *visitor) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		v.t.Fatal(err)
	}
}

func evaluate[T any](v *visitor, script string) T {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		v.t.Fatalf("%.80s: %v", script, err)
	}
	return out
}

func (v *visitor) open(path string) { v.t.Helper(); v.do(chromedp.Navigate(v.base + path)) }

// until waits until a script is true.
func (v *visitor) until(script string) {
	v.t.Helper()
	script = "(() => { try { return !!(" + script + ") } catch { return false } })()" // a page that is not there yet is no fault
	for deadline := time.Now().Add(patience); !evaluate[bool](v, script); {
		if time.Now().After(deadline) {
			v.t.Fatalf("never: %s\n%s", script, evaluate[string](v, "location.href + '\\n' + document.body.innerText.slice(0, 800)"))
		}
		<-time.After(30 * time.Millisecond)
	}
}

// leads clicks and waits for the page that it leads to.
func (v *visitor) leads(selector, path string) {
	v.t.Helper()
	v.goes(chromedp.Click(chromedp.CSS(selector)), path)
}

// enters follows a link by the keyboard, where it may move under a pointer.
func (v *visitor) enters(selector, path string) {
	v.t.Helper()
	v.goes(chromedp.SendKeys(chromedp.CSS(selector), kb.Enter), path)
}

func (v *visitor) goes(by chromedp.Action[chromedp.Void], path string) {
	v.t.Helper()
	evaluate[chromedp.Void](v, "window.before = true")
	v.do(by)
	v.until(`!window.before && document.readyState === "complete" && location.pathname.match(/^` + strings.ReplaceAll(path, "/", `\/`) + `$/)`)
}

func (v *visitor) fill(selector, text string) {
	v.t.Helper()
	v.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

// sees wants a text on the page.
func (v *visitor) sees(texts ...string) {
	v.t.Helper()
	for _, text := range texts {
		quoted, _ := json.Marshal(text)
		v.until("document.body.innerText.includes(" + string(quoted) + ")")
	}
}

// sound wants no fault of accessibility that is serious, and a silent console; it takes pictures.
func (v *visitor) sound(name string) {
	v.t.Helper()
	for _, look := range []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"phone", "light", 390}} {
		v.do(chromedp.EmulateViewport(look.width, 860))
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}}
		if _, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, media); err != nil {
			v.t.Fatal(err)
		}
		if found := evaluate[string](v, v.axe+`;axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], iframes: false}).then(r =>
			r.violations.filter(x => x.impact === "serious" || x.impact === "critical").map(x => x.id + ": " + x.nodes.map(n => n.html).join(" ")).join("\n"))`); found != "" {
			v.t.Errorf("%s, %s: axe finds\n%s", name, look.name, found)
		}
		if wide := evaluate[int](v, "document.documentElement.scrollWidth"); int64(wide) > look.width {
			v.t.Errorf("%s, %s: %d pixels wide, want at most %d", name, look.name, wide, look.width)
		}
		v.picture(name + "-" + look.name)
	}
	v.do(chromedp.EmulateViewport(1280, 860))
	v.quiet(name)
}

// picture takes a picture of the page, if there is a directory for pictures.
func (v *visitor) picture(name string) {
	dir := os.Getenv("IMAP2API_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	image, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), image, 0o600)
	}
	if err != nil {
		v.t.Error(err)
	}
}

// quiet wants that the console has said nothing, of errors and of what the policy has refused.
func (v *visitor) quiet(name string) {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, text := range v.said {
		v.t.Errorf("%s: the console says %s", name, text)
	}
	v.said = nil
}

// forget leaves out what the console has said.
func (v *visitor) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.said = nil
}

// signIn is what a person does first.
func (v *visitor) signIn() {
	v.t.Helper()
	v.open("/")
	v.until(`location.pathname === "/admin/sign-in/"`)
	v.fill("[name=username]", "admin")
	v.fill("[name=password]", "wrong")
	v.do(chromedp.Click(chromedp.CSS("button.main")))
	v.sees("Unable to log in with provided credentials.")
	v.forget() // the browser tells the status
	v.sound("sign-in")
	v.fill("[name=password]", adminPassword)
	v.leads("button.main", "/admin/")
	if err := v.api.call(http.StatusOK, "POST", "/api/imap-servers/1/sync/?wait=120", nil, nil); err != nil {
		v.t.Fatal(err)
	}
}
