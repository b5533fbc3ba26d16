package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/imap2api/imap2api"

// mayImport is the dependency rule: a layer and what it may import besides
// the standard library and itself.
var mayImport = map[string][]string{
	"domain":        {},
	"events":        {"domain"},
	"events/public": {"domain", "events"},
	"commands":      {"domain", "events"},
	"projections":   {"domain", "events"},
	"queries":       {"domain", "events"},
	"migrations":    {},
}

// adaptersMayImport are the layers that every adapter may use, besides
// third-party modules and its own sub-packages.
var adaptersMayImport = []string{"domain", "events", "events/public", "commands", "projections", "queries", "migrations"}

// testsMayImport are helpers that the tests of any layer may use, and the
// one module.
var testsMayImport = []string{
	"adapters/postgres/pgtest", "adapters/imapsource/dovecottest", "adapters/imapsource/cyrustest", "adapters/adaptertest",
	"adapters/lexeme",                                                   // what cmd hands to the engines
	"github.com/google/go-cmp", "github.com/rogpeppe/go-internal/txtar", // stories are archives
}

// helpers are packages for tests; they stay out of the program.
var helpers = []string{"adapters/postgres/pgtest", "adapters/imapsource/dovecottest", "adapters/imapsource/cyrustest", "adapters/adaptertest", "adapters/meili/meilitest"}

// A listed package, as go list describes it.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-buildvcs=false"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var found []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, p)
	}
}

// within is an import path inside the module, empty for others.
func within(importPath string) string {
	rest, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return ""
	}
	return rest
}

// standard tells the packages of the standard library: no dot in the first
// element of the path.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// adapter is the name of the adapter that a package belongs to, empty for others.
func adapter(pkg string) string {
	rest, ok := strings.CutPrefix(pkg, "adapters/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// allowed tells whether a package may import another outside its tests.
func allowed(pkg, importPath string) bool {
	inside := within(importPath)
	switch {
	case standard(importPath), inside == pkg, strings.HasPrefix(pkg, "cmd/"):
		return true
	case adapter(pkg) != "" && inside == "":
		return true // third-party modules end at the adapters
	case adapter(pkg) != "":
		return adapter(inside) == adapter(pkg) || slices.Contains(adaptersMayImport, inside)
	}
	return slices.Contains(mayImport[pkg], inside) && inside != ""
}

// allowedInTests tells whether a test of a package may import another.
func allowedInTests(pkg, importPath string) bool {
	if allowed(pkg, importPath) {
		return true
	}
	return slices.ContainsFunc(testsMayImport, func(path string) bool {
		return within(importPath) == path || importPath == path || strings.HasPrefix(importPath, path+"/")
	})
}

func TestDependencyRule(t *testing.T) {
	t.Parallel()
	packages := list(t, "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, p := range packages {
		pkg := within(p.ImportPath)
		if _, known := mayImport[pkg]; !known && adapter(pkg) == "" && !strings.HasPrefix(pkg, "cmd/") {
			t.Errorf("%s has no place in the dependency rule", pkg)
			continue
		}
		for _, imported := range p.Imports {
			if !allowed(pkg, imported) {
				t.Errorf("%s must not import %s", pkg, imported)
			}
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if !allowedInTests(pkg, imported) {
				t.Errorf("tests of %s must not import %s", pkg, imported)
			}
		}
	}
}

// The layers in the middle stay free of the outside: no network, no files,
// no database, no process, even through the standard library.
func TestLayersArePure(t *testing.T) {
	t.Parallel()
	forbidden := map[string][]string{
		"domain":      {"os", "net", "net/http", "database/sql", "log/slog", "math/rand", "math/rand/v2", "crypto/rand"},
		"events":      {"os", "net", "net/http", "database/sql", "math/rand", "math/rand/v2"},
		"projections": {"os", "net", "net/http", "database/sql", "math/rand", "math/rand/v2", "crypto/rand"},
		"commands":    {"os", "net/http", "database/sql"},
		"queries":     {"os", "net/http", "database/sql"},
	}
	for _, p := range list(t, "-json=ImportPath,Imports", module+"/...") {
		pkg := within(p.ImportPath)
		for _, imported := range p.Imports {
			if slices.Contains(forbidden[pkg], imported) {
				t.Errorf("%s must not import %s", pkg, imported)
			}
		}
	}
}

// What only tests need is not linked into the program.
func TestProgramHasNoTestHelpers(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "-deps", "-json=ImportPath", path.Join(module, "cmd/imap2api")) {
		name := p.ImportPath
		if inside := within(name); inside != "" {
			name = inside
		}
		if slices.Contains(helpers, name) {
			t.Errorf("the program contains %s", name)
		}
	}
}

// The rule itself, on imports that must not pass.
func TestRuleRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pkg, imported string
		want          bool
	}{
		{"domain", "strings", true},
		{"domain", module + "/events", false},
		{"domain", "golang.org/x/text/unicode/norm", false},
		{"commands", module + "/queries", false},
		{"commands", "github.com/jackc/pgx/v5", false},
		{"projections", module + "/adapters/postgres", false},
		{"events", module + "/events/public", false},
		{"events/public", module + "/events", true},
		{"adapters/httpapi", module + "/adapters/postgres", false},
		{"adapters/postgres/pgtest", module + "/adapters/postgres", true},
		{"adapters/postgres", "github.com/jackc/pgx/v5", true},
		{"adapters/postgres", module + "/cmd/imap2api", false},
		{"cmd/imap2api", module + "/adapters/postgres", true},
	} {
		if got := allowed(c.pkg, c.imported); got != c.want {
			t.Errorf("allowed(%s, %s) = %v, want %v", c.pkg, c.imported, got, c.want)
		}
	}
	if allowedInTests("adapters/httpapi", module+"/adapters/postgres") {
		t.Error("a test of httpapi may import postgres")
	}
	if !allowedInTests("adapters/eventlog", module+"/adapters/postgres/pgtest") {
		t.Error("a test of eventlog may not import pgtest")
	}
}

// Each direct dependency has its reason in the record of dependencies, and
// each reason a dependency.
func TestDependenciesAreRecorded(t *testing.T) {
	t.Parallel()
	record, err := os.ReadFile("../../docs/adr/0003-dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllSubmatch(record, -1)
	recorded := make(map[string]bool)
	for _, row := range rows {
		recorded[string(row[1])] = true
	}
	for _, r := range mod.Require {
		if r.Indirect {
			continue
		}
		if !recorded[r.Path] {
			t.Errorf("docs/adr/0003-dependencies.md gives no reason for %s", r.Path)
		}
		delete(recorded, r.Path)
	}
	for path := range recorded {
		t.Errorf("docs/adr/0003-dependencies.md names %s, which go.mod does not require", path)
	}
}
