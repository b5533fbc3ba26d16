package postgres_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// The ports of commands and queries that are met here.
var (
	_ commands.Sealer         = (*postgres.Secrets)(nil)
	_ commands.Passwords      = (*postgres.AccountPasswords)(nil)
	_ commands.Credentials    = (*postgres.Users)(nil)
	_ commands.UserNames      = (*postgres.Users)(nil)
	_ commands.TokenChanges   = (*postgres.Principals)(nil)
	_ commands.SyncQueue      = (*postgres.Queue)(nil)
	_ commands.Runs           = (*postgres.Queue)(nil)
	_ commands.RawStore       = (*postgres.RawStore)(nil)
	_ queries.RawReader       = (*postgres.RawStore)(nil)
	_ queries.MailReader      = (*postgres.MailReader)(nil)
	_ queries.MessageReader   = (*postgres.MailReader)(nil)
	_ queries.RawFinder       = (*postgres.MailReader)(nil)
	_ queries.MailboxReader   = (*postgres.MailboxReader)(nil)
	_ queries.FolderNames     = (*postgres.MailboxReader)(nil)
	_ queries.AccountReader   = (*postgres.AccountReader)(nil)
	_ queries.UserReader      = (*postgres.Users)(nil)
	_ queries.TokenReader     = (*postgres.Tokens)(nil)
	_ queries.PrincipalReader = (*postgres.Principals)(nil)
)

func openKeys(t *testing.T, path string) *postgres.Secrets {
	t.Helper()
	s, err := postgres.OpenKeyset(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeyset(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "secret.key")
	first, second := openKeys(t, path), openKeys(t, path)
	sealed, err := first.Seal([]byte("secret"), []byte("row 1"))
	if err != nil || bytes.Contains(sealed, []byte("secret")) {
		t.Fatalf("seal: got %q, error %v", sealed, err)
	}
	if plain, err := second.Unseal(sealed, []byte("row 1")); err != nil || string(plain) != "secret" {
		t.Errorf("unseal after a restart: got %q, error %v", plain, err)
	}
	if plain, err := second.Unseal(sealed, []byte("row 2")); err == nil {
		t.Errorf("unseal for another row: got %q", plain)
	}
	if got := first.LoginToken(7, 1); len(got) != 40 || got != second.LoginToken(7, 1) || got == first.LoginToken(7, 2) || got == first.LoginToken(8, 1) {
		t.Errorf("login token: got %q", got)
	}
	if got := fmt.Sprint(slog.AnyValue(first).Resolve()); got != "[redacted]" {
		t.Errorf("in a log: got %q", got)
	}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(names) != 1 {
		t.Errorf("files: got %v, error %v; want the key set only", names, err)
	}
}

// TestLoginToken compares the token with the formula of api.md section 16.
func TestLoginToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	s := openKeys(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		PRF struct {
			Key []struct{ KeyData struct{ Value []byte } }
		}
	}
	if err := json.Unmarshal(b, &file); err != nil || len(file.PRF.Key) != 1 {
		t.Fatalf("%d token keys, error %v", len(file.PRF.Key), err)
	}
	value := file.PRF.Key[0].KeyData.Value // HmacPrfKey: the last field is the key, 32 octets
	mac := hmac.New(sha256.New, value[len(value)-32:])
	mac.Write([]byte("login-token|7|3"))
	if want := hex.EncodeToString(mac.Sum(nil))[:40]; s.LoginToken(7, 3) != want {
		t.Errorf("got %q, want %q", s.LoginToken(7, 3), want)
	}
}

func TestKeysetFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	openKeys(t, path)
	for _, c := range []struct {
		mode os.FileMode
		ok   bool
		warn bool
	}{{0o600, true, false}, {0o400, true, false}, {0o640, true, true}, {0o644, false, false}, {0o666, false, false}} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		_, err := postgres.OpenKeyset(path, slog.New(slog.NewTextHandler(&log, nil)))
		if (err == nil) != c.ok || (log.Len() > 0) != c.warn {
			t.Errorf("mode %04o: error %v, log %q", c.mode, err, log.String())
		}
	}
	for name, text := range map[string]string{
		"empty": "", "not JSON": "hunter2", "another version": `{"version": 2}`, "no keys": `{"version": 1}`,
	} {
		path := filepath.Join(t.TempDir(), "bad.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := postgres.OpenKeyset(path, slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error that quotes nothing", name, err)
		}
	}
}

// TestKeysetRace starts programs together: all end up with the same keys.
func TestKeysetRace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	tokens := make([]string, 8)
	var starts sync.WaitGroup
	for i := range tokens {
		starts.Go(func() {
			if s, err := postgres.OpenKeyset(path, slog.New(slog.DiscardHandler)); err == nil {
				tokens[i] = s.LoginToken(1, 1)
			}
		})
	}
	starts.Wait()
	for _, token := range tokens {
		if token == "" || token != tokens[0] {
			t.Fatalf("got %q, want the same everywhere", tokens)
		}
	}
}

func TestAccountPasswords(t *testing.T) {
	t.Parallel()
	pool := open(t)
	secrets := openKeys(t, filepath.Join(t.TempDir(), "secret.key"))
	addAccount(t, pool, 1, 1)
	addAccount(t, pool, 1, 2)
	sealed, err := secrets.SealPassword(1, 1, " open sesame ")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `UPDATE state.accounts SET sealed = $1, settings = '{"name": "work", "host": "h", "port": 993, "username": "u", "use_tls": true, "cert_sha256": "ab"}'
		WHERE account_id = 1`, sealed)
	passwords := postgres.NewAccountPasswords(pool, secrets)
	settings, login, err := passwords.AccountLogin(t.Context(), 1, 1)
	want := commands.Login{Host: "h", Port: 993, Username: "u", Password: " open sesame ", UseTLS: true, CertSHA256: "ab"}
	if err != nil || login != want || settings.Name != "work" {
		t.Errorf("got %+v, error %v; want %+v", login, err, want)
	}
	// A sealed password that is copied to another row stays closed.
	exec(t, pool, `UPDATE state.accounts SET sealed = $1 WHERE account_id = 2`, sealed)
	if _, _, err := passwords.AccountLogin(t.Context(), 1, 2); err == nil {
		t.Error("the password of another account was opened")
	}
	exec(t, pool, `UPDATE state.accounts SET erased_by = 5 WHERE account_id = 1`)
	if _, _, err := passwords.AccountLogin(t.Context(), 1, 1); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("of an erased account: got %v, want ErrNotFound", err)
	}
}

func TestPasswordHash(t *testing.T) {
	t.Parallel()
	hash := postgres.HashPassword("correct horse")
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || hash == postgres.HashPassword("correct horse") {
		t.Errorf("hash: got %q", hash)
	}
	cutOff := "$argon2id$v=19$m=65536,t=2,p=4$" + base64.RawStdEncoding.EncodeToString([]byte("somesalt")) + "$"
	for _, c := range []struct {
		password, hash string
		want           bool
	}{
		{"correct horse", hash, true},
		{"Correct horse", hash, false},
		{"", hash, false},
		{"", "", false},
		{"x", "x", false},
		{"x", cutOff, false},
		{"x", strings.Replace(hash, "m=19456", "m=99999999", 1), false},
		{"x", strings.Replace(hash, "argon2id", "argon2i", 1), false},
	} {
		if got := postgres.CheckPassword(c.password, c.hash); got != c.want {
			t.Errorf("password %q, hash %q: got %v, want %v", c.password, c.hash, got, c.want)
		}
	}
}
