package privpg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxSocketPath is the room in sockaddr_un.sun_path, less the closing NUL:
// 107 octets on Linux, 103 elsewhere.
const maxSocketPath = 103

// A socketDir is where the socket of a server lies; only its user can enter.
type socketDir struct {
	path string
}

// makeSocketDir makes the directory of the socket inside dir or, if that path
// is too long for a socket or closed to the server's user, a short one that
// is named by a hash of dir.
func makeSocketDir(dir string, o owner) (socketDir, error) {
	inside := filepath.Join(dir, "run")
	if fits(inside) && o.barrier(dir) == "" {
		if err := o.give(inside); err != nil {
			return socketDir{}, fmt.Errorf("make socket directory: %w", err)
		}
		return socketDir{inside}, nil
	}
	sum := sha256.Sum256([]byte(dir))
	name := "imap2api-" + strconv.Itoa(o.uid) + "-" + hex.EncodeToString(sum[:8])
	roots := []string{os.TempDir(), "/tmp"}
	if o.drop {
		roots = append([]string{"/run"}, roots...) // root's own: nobody can squat the name
	}
	var problems error
	for _, root := range roots {
		path := filepath.Join(root, name)
		if !fits(path) || o.barrier(root) != "" {
			problems = errors.Join(problems, fmt.Errorf("%s is too long, has a comma or is closed to user %s", path, o.name))
			continue
		}
		err := o.give(path)
		if err == nil {
			return socketDir{path}, nil
		}
		problems = errors.Join(problems, err)
	}
	return socketDir{}, fmt.Errorf("make socket directory: %w", problems)
}

// fits tells whether a socket and the lock beside it can have names in path.
// Clients take a comma for the end of a host.
func fits(path string) bool {
	return len(path)+len("/.s.PGSQL.5432.lock") <= maxSocketPath && !strings.Contains(path, ",")
}

// remove takes the directory away; the server has taken the socket.
func (d socketDir) remove() {
	if d.path == "" {
		return
	}
	for _, name := range []string{".s.PGSQL.5432", ".s.PGSQL.5432.lock"} {
		_ = os.Remove(filepath.Join(d.path, name))
	}
	_ = os.Remove(d.path)
}

// dsn is the URL of a database behind a socket.
func dsn(socket, database string) string {
	q := url.Values{
		"host":    {socket},
		"port":    {strconv.Itoa(port)},
		"user":    {dbUser},
		"sslmode": {"disable"},
	}
	return "postgres:///" + database + "?" + strings.ReplaceAll(q.Encode(), "+", "%20") // libpq knows no plus
}
