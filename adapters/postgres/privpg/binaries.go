package privpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// installed are the places where package managers put Postgres.
var installed = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // PGDG on Fedora, RHEL
	"/usr/libexec/postgresql*",                           // Alpine
	"/usr/lib/postgresql*/bin",                           // SUSE
	"/usr/local/pgsql/bin",                               // from source
	"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on arm64
	"/usr/local/opt/postgresql*/bin",                     // Homebrew on amd64
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
}

// binaries are the programs postgres and initdb of one version.
type binaries struct {
	dir          string
	version      string // "15.18"
	major, minor int
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// locate finds the binaries to run the cluster in data with: of its own major
// version, else the newest on the machine, else fetched.
func locate(ctx context.Context, data string, o owner, log *slog.Logger) (binaries, error) {
	major, err := clusterVersion(data)
	if err != nil {
		return binaries{}, err
	}
	if major != 0 && major < minimum {
		return binaries{}, fmt.Errorf("the cluster in %s is of postgres %d; %d or newer is needed", data, major, minimum)
	}
	if found, ok := choose(onMachine(ctx, o), major); ok {
		return found, nil
	}
	log.Info("postgres is not installed, fetching it", slog.Int("version", major), slog.String("platform", runtime.GOOS+"/"+runtime.GOARCH))
	b, err := fetch(ctx, major, o)
	if err != nil {
		want := strconv.Itoa(minimum) + " or newer"
		if major != 0 {
			want = strconv.Itoa(major)
		}
		return binaries{}, fmt.Errorf("no postgres %s on this machine; install it with the package manager, or set a database url: %w", want, err)
	}
	return b, nil
}

// clusterVersion is the major version of an existing cluster, 0 if there is none.
func clusterVersion(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read version of the cluster: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read version of the cluster in %s: %w", data, err)
	}
	return major, nil
}

// choose takes the newest of the wanted major version; 0 wants any that is
// not too old.
func choose(found []binaries, major int) (best binaries, ok bool) {
	for _, b := range found {
		if b.major < minimum || (major != 0 && b.major != major) {
			continue
		}
		if !ok || b.major > best.major || (b.major == best.major && b.minor > best.minor) {
			best, ok = b, true
		}
	}
	return best, ok
}

// onMachine lists the binaries that are installed and that the server's user
// can reach.
func onMachine(ctx context.Context, o owner) []binaries {
	var dirs []string
	for _, name := range []string{"postgres", "initdb"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range installed {
		matches, _ := filepath.Glob(pattern) // errs on bad patterns only
		dirs = append(dirs, matches...)
	}
	var found []binaries
	seen := make(map[string]bool)
	for _, dir := range dirs {
		if seen[dir] {
			continue
		}
		seen[dir] = true
		if b, err := inspect(ctx, dir, o); err == nil {
			found = append(found, b)
		}
	}
	return found
}

// inspect asks the server program in dir for its version.
func inspect(ctx context.Context, dir string, o owner) (binaries, error) {
	if !exists(filepath.Join(dir, "postgres")) || !exists(filepath.Join(dir, "initdb")) {
		return binaries{}, fmt.Errorf("no postgres and initdb in %s", dir)
	}
	if at := o.barrier(dir); at != "" {
		return binaries{}, fmt.Errorf("%s is closed to user %s", at, o.name)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "-V").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("ask %s for its version: %w", dir, err)
	}
	return parseVersion(dir, string(out))
}

// parseVersion reads "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
// A beta such as 19beta1 has no minor version.
func parseVersion(dir, line string) (binaries, error) {
	_, rest, _ := strings.Cut(line, "(PostgreSQL) ")
	version, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	first, second, _ := strings.Cut(version, ".")
	end := strings.IndexFunc(first, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		first = first[:end]
	}
	major, err := strconv.Atoi(first)
	if err != nil {
		return binaries{}, fmt.Errorf("version of %s: %q is not understood", dir, line)
	}
	minor, err := strconv.Atoi(second)
	if err != nil {
		minor = 0
	}
	return binaries{dir: dir, version: version, major: major, minor: minor}, nil
}
