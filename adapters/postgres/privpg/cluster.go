package privpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	logName = "postgres.log"
	logMax  = 16 << 20 // octets; a longer log is set aside at start

	// marker is a setting that names the directory, in the command line of
	// the server: so an orphan is known even where -D is a handle.
	marker = "imap2api.directory"
)

// defaults suit two cores, messages of many kilobytes and no loss on power
// failure.
var defaults = map[string]string{
	"listen_addresses":        "",
	"unix_socket_permissions": "0700",
	"max_connections":         "100",
	"timezone":                "UTC",
	"log_timezone":            "UTC",

	"fsync":                "on",
	"synchronous_commit":   "on",
	"full_page_writes":     "on",
	"checkpoint_timeout":   "15min",
	"max_wal_size":         "2GB",
	"min_wal_size":         "256MB",
	"wal_buffers":          "16MB",
	"shared_buffers":       "256MB",
	"work_mem":             "16MB",
	"maintenance_work_mem": "128MB",
	"effective_cache_size": "1GB",
	"random_page_cost":     "1.1", // solid state
	"jit":                  "off", // costs more than it gives on short queries
	"autovacuum":           "on",
	"autovacuum_naptime":   "10s", // a first sync makes plans wrong until the next ANALYZE

	// A rebuild drops or makes hundreds of partitions in one transaction.
	"max_locks_per_transaction": "256",

	// The log is a file beside the cluster: no statements and no values in it.
	"log_min_error_statement": "panic",
	"log_error_verbosity":     "terse",
}

// compression saves half of the write-ahead log where the build has it.
var compression = map[string]string{
	"wal_compression":           "lz4",
	"default_toast_compression": "lz4",
}

// initialise makes the cluster on first use: aside, then renamed, so that it
// is there as a whole or not at all.
func (s *Server) initialise(ctx context.Context) error {
	stale, _ := filepath.Glob(filepath.Join(escapeGlob(s.dir), "initdb-*"))
	for _, path := range stale {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove broken-off cluster: %w", err)
		}
	}
	if exists(filepath.Join(s.dataDir(), "PG_VERSION")) {
		return nil
	}
	begun := time.Now()
	aside := filepath.Join(s.dir, "initdb-"+strconv.Itoa(os.Getpid()))
	if err := s.owner.give(aside); err != nil {
		return fmt.Errorf("make cluster directory: %w", err)
	}
	err := s.initdb(ctx, aside)
	if err == nil {
		err = replace(aside, s.dataDir())
	}
	if err != nil {
		_ = os.RemoveAll(aside)
		return err
	}
	s.log.Info("postgres cluster made", slog.String("dir", s.dir), slog.String("version", s.binary.version),
		slog.Duration("took", time.Since(begun)))
	return nil
}

// initdb fills an empty directory. Text sorts by code point, so indexes
// survive a new C library.
func (s *Server) initdb(ctx context.Context, dir string) error {
	var problems error
	for _, locale := range []string{"C.UTF-8", "C"} { // the first is missing on old or small systems
		out, err := s.run(ctx, dir, "initdb", "-U", dbUser, "--auth-local=trust", "--auth-host=reject",
			"-E", "UTF8", "--locale="+locale, "--data-checksums", "--no-instructions")
		if err == nil {
			return nil
		}
		problems = errors.Join(problems, fmt.Errorf("initdb: %w: %s", err, out))
		if ctx.Err() != nil || !bytes.Contains(out, []byte("locale")) {
			break
		}
	}
	return problems
}

// replace renames a directory and waits until the disk knows. What is at the
// new path has no PG_VERSION: it is an empty leftover or not ours to remove.
func replace(from, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there but holds no cluster; move it away: %w", to, err)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	parent, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer func() { _ = parent.Close() }()
	return parent.Sync()
}

// arguments is the command line of the server, less the data directory.
func (s *Server) arguments(ctx context.Context, overrides map[string]string) ([]string, error) {
	settings := maps.Clone(defaults)
	// 10 ms; pg_config, which would know, is often not installed.
	probe := []string{"-C", "wal_compression", "-c", "wal_compression=lz4"}
	if _, err := s.run(ctx, s.dataDir(), "postgres", probe...); err == nil {
		maps.Copy(settings, compression)
	}
	maps.Copy(settings, overrides)
	settings[marker] = s.dir
	settings["unix_socket_directories"] = `"` + strings.ReplaceAll(s.socket.path, `"`, `""`) + `"`
	settings["port"] = strconv.Itoa(port)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args, ctx.Err()
}

// run runs a program of Postgres on a data directory to its end and returns
// what it printed.
func (s *Server) run(ctx context.Context, data, name string, args ...string) ([]byte, error) {
	cmd, release, err := s.command(data, name, args...)
	if err != nil {
		return nil, err
	}
	defer release()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	c, err := spawn(cmd)
	if err != nil {
		return nil, err
	}
	select {
	case <-c.exited:
	case <-ctx.Done():
		c.stop()
		return nil, ctx.Err()
	}
	return bytes.TrimSpace(out.Bytes()), c.err
}

// command prepares a program of Postgres that works on a data directory as
// the server's user. release must be called once it has been started.
func (s *Server) command(data, name string, args ...string) (cmd *exec.Cmd, release func(), err error) {
	at, handle, err := s.owner.reach(data)
	if err != nil {
		return nil, nil, err
	}
	cmd = exec.Command(s.binary.path(name), append([]string{"-D", at}, args...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + s.binary.dir + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"} // and no PG variables
	cmd.SysProcAttr = attributes(s.owner)
	if handle == nil {
		return cmd, func() {}, nil
	}
	cmd.ExtraFiles = []*os.File{handle}
	return cmd, func() { _ = handle.Close() }, nil
}

// escapeGlob makes a path match itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
