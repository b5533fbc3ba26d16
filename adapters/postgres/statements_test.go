package postgres_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestStatements prepares every constant of the package that is a statement, on a
// migrated database with a generation of each read model. Lists put theirs
// together; the tests of lists and searches run those.
func TestStatements(t *testing.T) {
	t.Parallel()
	pool := open(t)
	for model := range schemas {
		live(t, pool, model, 1)
	}
	statements := statementsOf(t, "mail_statement.go", "mail_list.go", "mail_found.go", "search_statement.go", "history_reader.go")
	if len(statements) < 50 {
		t.Errorf("got %d statements, want more: are they found?", len(statements))
	}
	inSchema(t, pool, "mail_g1, mailboxes_g1, accounts_g1, search_g1, history_g1, public", func(tx pgx.Tx) error {
		for name, sql := range statements {
			numbered, _, err := pgx.NamedArgs{}.RewriteQuery(t.Context(), tx.Conn(), sql, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if _, err := tx.Prepare(t.Context(), name, numbered); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
}

var isStatement = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|BEGIN|COMMIT)\b`)

// statementsOf returns the text constants of the package that are statements, by name.
func statementsOf(t *testing.T, except ...string) map[string]string {
	t.Helper()
	files, err := parser.ParseDir(token.NewFileSet(), ".", nil, parser.SkipObjectResolution) //nolint:staticcheck // syntax is all that is needed
	if err != nil {
		t.Fatal(err)
	}
	exprs, skip := map[string]ast.Expr{}, map[string]bool{}
	for path, file := range files["postgres"].Files {
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				continue
			}
			for _, s := range decl.Specs {
				spec := s.(*ast.ValueSpec)
				for i, v := range spec.Values {
					exprs[spec.Names[i].Name] = v
					for _, e := range except {
						skip[spec.Names[i].Name] = skip[spec.Names[i].Name] || strings.HasSuffix(path, e)
					}
				}
			}
		}
	}
	out := map[string]string{}
	for name, e := range exprs {
		if text := textOf(exprs, e); !skip[name] && isStatement.MatchString(text) && !fragments[name] {
			out[name] = text
		}
	}
	return out
}

// fragments begin like a statement and are part of others.
var fragments = map[string]bool{"allRuns": true, "runColumns": true, "insertAttempt": true, "deliveryColumns": true}

func textOf(exprs map[string]ast.Expr, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.Ident:
		return textOf(exprs, exprs[e.Name])
	case *ast.BinaryExpr:
		return textOf(exprs, e.X) + textOf(exprs, e.Y)
	}
	return ""
}
