package postgres

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argonParams are the costs of argon2id (RFC 9106 section 3.1).
type argonParams struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// presentParams take some 20 ms and 19 MiB.
var presentParams = argonParams{memory: 19 << 10, passes: 2, threads: 1}

const (
	saltOctets = 16
	hashOctets = 32
	maxMemory  = 1 << 20 // KiB that a stored hash may ask for
)

// hashing limits how many passwords are hashed at once, and so the memory of a flood of logins.
var hashing = make(chan struct{}, 4)

func (p argonParams) hash(password string, salt []byte, size uint32) []byte {
	hashing <- struct{}{}
	defer func() { <-hashing }()
	return argon2.IDKey([]byte(password), salt, p.passes, p.memory, p.threads, size)
}

// HashPassword returns a hash of a password in the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func HashPassword(password string) string {
	salt := make([]byte, saltOctets)
	_, _ = rand.Read(salt) // never fails
	p := presentParams
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.threads,
		b64.EncodeToString(salt), b64.EncodeToString(p.hash(password, salt, hashOctets)))
}

// CheckPassword compares a password with a hash of HashPassword. With an empty or
// damaged hash it takes as long and fails, so that nobody can tell who is known.
func CheckPassword(password, hash string) bool {
	p, salt, want, err := parseHash(hash)
	if err != nil {
		_ = presentParams.hash(password, make([]byte, saltOctets), hashOctets)
		return false
	}
	return subtle.ConstantTimeCompare(p.hash(password, salt, uint32(len(want))), want) == 1
}

var errHash = errors.New("not a hash of a password")

func parseHash(hash string) (p argonParams, salt, sum []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return p, nil, nil, errHash
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return p, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.threads); err != nil {
		return p, nil, nil, errHash
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	sum, sumErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || sumErr != nil || len(sum) < 16 || len(sum) > 64 || p.passes == 0 || p.threads == 0 || p.memory > maxMemory {
		return p, nil, nil, errHash
	}
	return p, salt, sum, nil
}
