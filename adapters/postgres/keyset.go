package postgres

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// keyFile is the file of keys: two Tink key sets in the clear, so that keys can be
// added and older ones still open what they sealed.
type keyFile struct {
	Version int             `json:"version"` // 1
	AEAD    json.RawMessage `json:"aead"`    // seals secrets
	PRF     json.RawMessage `json:"prf"`     // HMAC-SHA256; makes login tokens
}

// Secrets seals secrets and makes login tokens with the keys of one file.
// Nothing of it is ever printed.
type Secrets struct {
	aead    tink.AEAD
	prf     *prf.Set
	signing ed25519.PrivateKey // made of the primary key of prf
}

// OpenKeyset reads the file of keys, or makes it, with mode 0600, if there is none. It
// returns an error for a file that everybody may read; one that the group may read is warned of.
func OpenKeyset(path string, log *slog.Logger) (*Secrets, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKeyset(path); err == nil {
			b, err = os.ReadFile(path) // another program may have been first
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open key set: %w", err)
	}
	if err := checkMode(path, log); err != nil {
		return nil, err
	}
	s, err := readKeyset(b)
	if err != nil {
		return nil, fmt.Errorf("read key set %s: %w", path, err)
	}
	return s, nil
}

func checkMode(path string, log *slog.Logger) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open key set: %w", err)
	}
	mode := info.Mode().Perm()
	if mode&0o007 != 0 {
		return fmt.Errorf("key set %s has mode %04o: everybody can read it; chmod 600", path, mode)
	}
	if mode&0o070 != 0 {
		log.Warn("key set is readable by its group", slog.String("path", path), slog.String("mode", fmt.Sprintf("%04o", mode)))
	}
	return nil
}

func readKeyset(b []byte) (*Secrets, error) {
	var f keyFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, errors.New("not a key set") // the cause could quote it
	}
	if f.Version != 1 {
		return nil, fmt.Errorf("version %d is not known", f.Version)
	}
	sealing, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.AEAD)))
	if err != nil {
		return nil, fmt.Errorf("sealing keys: %w", err)
	}
	tokens, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.PRF)))
	if err != nil {
		return nil, fmt.Errorf("token keys: %w", err)
	}
	s := &Secrets{}
	if s.aead, err = aead.New(sealing); err != nil {
		return nil, fmt.Errorf("sealing keys: %w", err)
	}
	if s.prf, err = prf.NewPRFSet(tokens); err != nil {
		return nil, fmt.Errorf("token keys: %w", err)
	}
	seed, err := s.prf.ComputePrimaryPRF([]byte(signingInput), ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("token keys: %w", err)
	}
	s.signing = ed25519.NewKeyFromSeed(seed)
	return s, nil
}

// signingInput is what the key that signs statements is made of, under the key of the tokens.
const signingInput = "head-statements|ed25519|1"

// SignHead states the end of a journal.
func (s *Secrets) SignHead(head events.Head) events.SignedHead { return events.Sign(head, s.signing) }

// SigningKey returns the public key that statements are signed for.
func (s *Secrets) SigningKey() ed25519.PublicKey { return s.signing.Public().(ed25519.PublicKey) }

// makeKeyset writes new keys. A file that another program has made meanwhile stays.
func makeKeyset(path string) error {
	b, err := newKeyset()
	if err != nil {
		return fmt.Errorf("make keys: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) { // unlike a rename, it replaces nothing
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func newKeyset() ([]byte, error) {
	sealing, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	tokens, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, err
	}
	f := keyFile{Version: 1}
	for _, set := range []struct {
		handle *keyset.Handle
		into   *json.RawMessage
	}{{sealing, &f.AEAD}, {tokens, &f.PRF}} {
		var b bytes.Buffer
		if err := insecurecleartextkeyset.Write(set.handle, keyset.NewJSONWriter(&b)); err != nil {
			return nil, err
		}
		*set.into = b.Bytes()
	}
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// Seal seals a secret. Only who names the same aad can open it.
func (s *Secrets) Seal(plain, aad []byte) ([]byte, error) {
	sealed, err := s.aead.Encrypt(plain, aad)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Unseal opens what Seal made with the same aad.
func (s *Secrets) Unseal(sealed, aad []byte) ([]byte, error) {
	plain, err := s.aead.Decrypt(sealed, aad)
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	return plain, nil
}

// accountAAD binds a password to the row it is in.
func accountAAD(journal events.JournalID, acc domain.AccountID) []byte {
	return fmt.Appendf(nil, "account/%d/%d", journal, acc)
}

// SealPassword seals the password of an account; it can be opened for that account only.
func (s *Secrets) SealPassword(journal events.JournalID, acc domain.AccountID, password string) ([]byte, error) {
	return s.Seal([]byte(password), accountAAD(journal, acc))
}

// webhookAAD binds a secret to the row it is in.
func webhookAAD(journal events.JournalID, id domain.WebhookID) []byte {
	return fmt.Appendf(nil, "webhook/%d/%d", journal, id)
}

// SealWebhookSecret seals the secret of a webhook; it can be opened for that webhook only.
func (s *Secrets) SealWebhookSecret(journal events.JournalID, id domain.WebhookID, secret string) ([]byte, error) {
	return s.Seal([]byte(secret), webhookAAD(journal, id))
}

// LoginToken returns the login token of a user, 40 hex digits, the same each time
// for a generation (api.md section 16).
func (s *Secrets) LoginToken(user domain.UserID, generation int) string {
	input := "login-token|" + strconv.FormatInt(int64(user), 10) + "|" + strconv.Itoa(generation)
	mac, err := s.prf.ComputePrimaryPRF([]byte(input), 20)
	if err != nil { // of a key that was checked when it was read
		panic(err)
	}
	return hex.EncodeToString(mac)
}

// LogValue keeps keys out of logs.
func (s *Secrets) LogValue() slog.Value { return slog.StringValue("[redacted]") }
