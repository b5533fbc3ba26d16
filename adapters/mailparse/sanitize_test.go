package mailparse

import (
	"strings"
	"testing"
)

func TestSanitizeRemoves(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, html string
		asText     bool // what would run may stay as text
	}{
		{"script", `<script>evil()</script>`, false},
		{"script in upper case", `<SCRIPT SRC=http://evil.example/x.js></SCRIPT>`, false},
		{"script in script", `<scr<script>ipt>evil()</scr</script>ipt>`, true},
		{"script with slash", `<script/x>evil()</script>`, false},
		{"unclosed script", `<script>evil()`, false},
		{"svg script", `<svg><script>evil()</script></svg>`, false},
		{"svg onload", `<svg onload=evil()><animate onbegin=evil()></svg>`, false},
		{"math", `<math><mi//xlink:href="data:x,<script>evil()</script>">`, false},
		{"event handler", `<p onclick="evil()" ONMOUSEOVER=evil()>x</p>`, false},
		{"event handler after slash", `<img/onerror=evil() src=x>`, false},
		{"image with handler", `<img src="cid:a" onerror="evil()">`, false},
		{"form", `<form action="https://evil.example/"><input name=evil><button>x</button><textarea></textarea></form>`, false},
		{"formaction", `<button formaction="javascript:evil()">x</button>`, false},
		{"javascript link", `<a href="javascript:evil()">x</a>`, false},
		{"javascript link with entities", `<a href="&#106;avascript&colon;evil()">x</a>`, false},
		{"javascript link with tab", "<a href=\"java\tscript:evil()\">x</a>", false},
		{"javascript link with control", "<a href=\"\x01javascript:evil()\">x</a>", false},
		{"vbscript link", `<a href="vbscript:evil()">x</a>`, false},
		{"data link", `<a href="data:text/html,<script>evil()</script>">x</a>`, false},
		{"remote image", `<img src="https://evil.example/pixel.gif">`, false},
		{"remote image without scheme", `<img src="//evil.example/pixel.gif">`, false},
		{"remote image in srcset", `<img srcset="https://evil.example/a 2x" src="cid:a">`, false},
		{"picture", `<picture><source srcset="https://evil.example/a"><img src="cid:a"></picture>`, false},
		{"lowsrc and dynsrc", `<img lowsrc="https://evil.example/a" dynsrc="https://evil.example/a">`, false},
		{"background", `<table background="https://evil.example/a"><tr><td background="https://evil.example/a">x`, false},
		{"svg image", `<img src="data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ZXZpbCgpPg==evil">`, false},
		{"svg image element", `<svg><image href="https://evil.example/a"/></svg>`, false},
		{"html as image", `<img src="data:text/html;base64,evil">`, false},
		{"css url", `<p style="background:url(https://evil.example/a)">x</p>`, false},
		{"css url in a colour", `<p style="background-color:url(https://evil.example/a)">x</p>`, false},
		{"css url, escaped", `<p style="background-color:\75rl(https://evil.example/a)">x</p>`, false},
		{"css url with comment", `<p style="color:u/**/rl(https://evil.example/a)">x</p>`, false},
		{"css expression", `<p style="width:expression(evil())">x</p>`, false},
		{"css image-set", `<p style="border:image-set('https://evil.example/a' 1x)">x</p>`, false},
		{"css list image", `<ul style="list-style:url(https://evil.example/a)"><li>x</ul>`, false},
		{"css custom property", `<p style="--x:url(https://evil.example/a);color:var(--x)">x</p>`, false},
		{"style element", `<style>@import url(https://evil.example/a); p{color:red}</style>`, false},
		{"style element, unclosed", `<style>@import url(https://evil.example/a);`, false},
		{"link", `<link rel=stylesheet href="https://evil.example/a">`, false},
		{"meta refresh", `<meta http-equiv="refresh" content="0;url=https://evil.example/">`, false},
		{"base", `<base href="https://evil.example/">`, false},
		{"iframe", `<iframe src="https://evil.example/"></iframe><iframe srcdoc="<script>evil()</script>">`, false},
		{"frame", `<frameset><frame src="https://evil.example/"></frameset>`, false},
		{"object", `<object data="https://evil.example/"><param name=evil></object>`, false},
		{"embed", `<embed src="https://evil.example/">`, false},
		{"applet", `<applet code="evil"></applet>`, false},
		{"video", `<video src="https://evil.example/a" poster="https://evil.example/b"></video>`, false},
		{"audio", `<audio><source src="https://evil.example/a"></audio>`, false},
		{"input image", `<input type=image src="https://evil.example/a">`, false},
		{"template", `<template><script>evil()</script></template>`, false},
		{"noscript", `<noscript><p title="</noscript><img src=x onerror=evil()>"></noscript>`, false},
		{"title", `<title><img src=x onerror=evil()></title>`, false},
		{"textarea", `<textarea><script>evil()</script></textarea>`, false},
		{"comment", `<!--[if IE]><script>evil()</script><![endif]-->`, false},
		{"comment, odd end", `<!--><img src=x onerror=evil()>-->`, false},
		{"cdata", `<![CDATA[<script>evil()</script>]]>`, true},
		{"processing instruction", `<?xml-stylesheet href="https://evil.example/a"?>`, false},
		{"ping", `<a href="https://ok.example/" ping="https://evil.example/">x</a>`, false},
		{"name for clobbering", `<a name="evil" id="evil">x</a>`, false},
		{"null in tag", "<scr\x00ipt>evil()</scr\x00ipt>", true},
		{"xml namespace", `<x:script xmlns:x="http://www.w3.org/1999/xhtml">evil()</x:script>`, true},
		{"attribute breaks out", `<p title='"><script>evil()</script>'>x</p>`, false},
		{"area", `<map><area href="javascript:evil()"></map>`, false},
		{"link to attachment page", `<a href="/evil">x</a>`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := Sanitize("before" + test.html)
			if test.asText && !strings.Contains(got, "<") {
				return
			}
			if live := strings.ToLower(got); strings.Contains(strings.ReplaceAll(live, "&lt;script&gt;evil()&lt;/script&gt;", ""), "evil") ||
				strings.Contains(live, "<script") {
				t.Errorf("%s", got)
			}
			if !strings.HasPrefix(got, "before") {
				t.Errorf("text lost: %q", got)
			}
		})
	}
}

func TestSanitizeKeeps(t *testing.T) {
	t.Parallel()
	tests := []struct{ html, want string }{
		{`<p>Dear <b>reader</b> &amp; all</p>`, `<p>Dear <b>reader</b> &amp; all</p>`},
		{`<img src="cid:pic@corpus" alt="a" width="10">`, `<img src="cid:pic@corpus" alt="a" width="10">`},
		{`<img src="data:image/png;base64,AAAA">`, `<img src="data:image/png;base64,AAAA">`},
		{`<a href="mailto:a@b.example">x</a>`, `<a href="mailto:a@b.example" rel="nofollow noreferrer">x</a>`},
		{`<p style="color:red;font-size:12px">x</p>`, `<p style="color: red; font-size: 12px">x</p>`},
		{`<p style="background-color:rgb(1,2,3);background:url(x)">x</p>`, `<p style="background-color: rgb(1,2,3)">x</p>`},
		{`<td colspan="2" bgcolor="#ffffff" align="center">x</td>`, `<td colspan="2" bgcolor="#ffffff" align="center">x</td>`},
		{`<font color="red" face="Arial, sans-serif" size="2">x</font>`, `<font color="red" face="Arial, sans-serif" size="2">x</font>`},
		{`<form>kept <input value=x></form>`, `kept `},
	}
	for _, test := range tests {
		if got := Sanitize(test.html); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.html, got, test.want)
		}
	}
	link := Sanitize(`<a href="https://ok.example/?a=1&amp;b=2" target="_self" rel="opener">x</a>`)
	for _, part := range []string{`href="https://ok.example/?a=1&amp;b=2"`, "noopener", "noreferrer", `target="_blank"`} {
		if !strings.Contains(link, part) {
			t.Errorf("%s lacks %s", link, part)
		}
	}
}

func TestHTMLText(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, html, want string }{
		{"paragraphs", "<p>One</p><p>Two\n lines</p>", "One\n\nTwo lines\n"},
		{"breaks", "a<br>b<br/>c<BR>\n<br>d", "a\nb\nc\n\nd\n"},
		{"inline", "<b>bold</b><i>er</i> <u> x </u>!", "bolder x !\n"},
		{"divs", "<div>a<div>b</div></div><div>c</div>", "a\nb\nc\n"},
		{"list", "<ul><li>one</li><li>two</ul>after", "- one\n- two\nafter\n"},
		{"table", "<table><tr><td>a</td><td>b</td></tr><tr><th>c<td>d</table>", "a b\nc d\n"},
		{"entities", "&lt;b&gt; &amp;amp; &eacute;&nbsp;&#8364; &bogus; &", "<b> &amp; é € &bogus; &\n"},
		{"entity of a control", "a&#7;b&#0;c&#x81;d", "ab\ufffdcd\n"},
		{"script and style", "a<script>if (a<b) x('</p>')</script><style>p{}</style>b", "ab\n"},
		{"unclosed style", "a<style>p{color:red}", "a\n"},
		{"title", "<html><head><title>T</title></head><body>b</body></html>", "b\n"},
		{"comments", "a<!-- x > y -->b<!--[if mso]>no<![endif]-->c<![if !mso]>d<![endif]>", "abcd\n"},
		{"unclosed comment", "a<!-- b", "a b\n"},
		{"less-than", "if a < b && c > d {}", "if a < b && c > d {}\n"},
		{"greater-than in attribute", `<a title="a > b" href='x>y'>link</a>`, "link\n"},
		{"quote in attribute", `<p title=it's>x</p><p title=">y</p>`, "x\n\ny\n"},
		{"pre", "<pre>a\n  b\n</pre>c", "a\n  b\nc\n"},
		{"nested", strings.Repeat("<div>", 1000) + "deep", "deep\n"},
		{"nothing", "<img src=x><br> &nbsp; ", ""},
		{"closing only", "</p>a</div>b</x>c", "a\nbc\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := string(htmlText([]byte(test.html), func() bool { return false }))
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
