package eventlog

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
)

var isStatement = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|LISTEN|ANALYZE)\s`)

// TestStatements prepares every SQL constant of the package on the migrated schema.
func TestStatements(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	list := sqlConstants(t, os.DirFS("."))
	if len(list) < 40 {
		t.Fatalf("found %d statements, which cannot be all", len(list))
	}
	for name, sql := range list {
		sql, _, err := pgx.NamedArgs{}.RewriteQuery(t.Context(), conn.Conn(), sql, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := conn.Conn().Prepare(t.Context(), "", sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sqlConstants returns the constants of a package that are statements, by name.
func sqlConstants(t *testing.T, dir fs.FS) map[string]string {
	t.Helper()
	files, err := fs.Glob(dir, "*.go")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]ast.Expr{}
	for _, name := range files {
		source, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if decl, ok := n.(*ast.GenDecl); ok && decl.Tok == token.CONST {
				for _, spec := range decl.Specs {
					v := spec.(*ast.ValueSpec)
					for i, value := range v.Values {
						texts[v.Names[i].Name] = value
					}
				}
			}
			return true
		})
	}
	parts := map[string]bool{} // of other constants; no statements themselves
	for _, value := range texts {
		if sum, ok := value.(*ast.BinaryExpr); ok {
			ast.Inspect(sum, func(n ast.Node) bool {
				if name, ok := n.(*ast.Ident); ok {
					parts[name.Name] = true
				}
				return true
			})
		}
	}
	out := map[string]string{}
	for name, value := range texts {
		if sql := textOf(value, texts); !parts[name] && isStatement.MatchString(sql) {
			out[name] = sql
		}
	}
	return out
}

// textOf returns the text of a constant made of literals and other constants, ""
// of anything else.
func textOf(e ast.Expr, named map[string]ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil || e.Kind != token.STRING {
			return ""
		}
		return text
	case *ast.Ident:
		return textOf(named[e.Name], named)
	case *ast.BinaryExpr:
		return textOf(e.X, named) + textOf(e.Y, named)
	}
	return ""
}
