package privpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// fetchable are the versions that the library knows, by major version.
var fetchable = map[int]embedded.PostgresVersion{
	15: embedded.V15, 16: embedded.V16, 17: embedded.V17, 18: embedded.V18,
}

// fetch downloads the binaries of a major version, 0 for the newest, into the
// user's cache, or finds them there.
func fetch(ctx context.Context, major int, o owner) (binaries, error) {
	if major == 0 {
		major = slices.Max(slices.Collect(maps.Keys(fetchable)))
	}
	version, ok := fetchable[major]
	if !ok {
		return binaries{}, fmt.Errorf("postgres %d cannot be fetched", major)
	}
	cache, err := cacheDir(o)
	if err != nil {
		return binaries{}, err
	}
	home := filepath.Join(cache, "postgres-"+string(version))
	if b, err := inspect(ctx, filepath.Join(home, "bin"), o); err == nil {
		return b, nil
	}
	result := make(chan error, 1) // the library takes no context
	go func() { result <- download(cache, home, version) }()
	select {
	case err = <-result:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return binaries{}, fmt.Errorf("fetch postgres %s: %w", version, err)
	}
	return inspect(ctx, filepath.Join(home, "bin"), o)
}

// cacheDir is the user's cache. Root's own is closed to the user whom the
// server runs as, so root uses the machine's.
func cacheDir(o owner) (string, error) {
	dir := "/var/cache"
	if !o.drop {
		own, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find cache directory: %w", err)
		}
		dir = own
	}
	dir = filepath.Join(dir, "imap2api")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache directory: %w", err)
	}
	return dir, nil
}

// download unpacks a version beside home and renames it, so that home is
// whole or missing, also when two programs fetch at once.
func download(cache, home string, version embedded.PostgresVersion) error {
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	free, err := freePort()
	if err != nil {
		return err
	}
	// The library unpacks on the way to starting a server of its own, and
	// offers nothing in between. A locale that no machine has ends its start
	// at initdb, right after unpacking.
	unpacked := filepath.Join(work, "postgres")
	library := embedded.NewDatabase(embedded.DefaultConfig().
		Version(version).Port(free).Logger(io.Discard).Locale("none.such").
		CachePath(work).BinariesPath(unpacked).
		RuntimePath(filepath.Join(work, "run")).DataPath(filepath.Join(work, "data")))
	started := library.Start()
	if started == nil {
		_ = library.Stop()
	}
	if !exists(filepath.Join(unpacked, "bin", "initdb")) || !exists(filepath.Join(unpacked, "bin", "postgres")) {
		return fmt.Errorf("unpack: %w", started)
	}
	if err := openToAll(unpacked); err != nil {
		return fmt.Errorf("make readable: %w", err)
	}
	if err := os.Rename(unpacked, home); err != nil && !exists(filepath.Join(home, "bin", "postgres")) {
		return err
	}
	return nil
}

// openToAll lets everybody read what is below dir, whatever the umask was.
func openToAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if entry.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}

// freePort is a port that the library finds free when it looks; it never
// gets to listen on it.
func freePort() (uint32, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		return 0, err
	}
	if !ok {
		return 0, errors.New("no port of the loopback address")
	}
	return uint32(addr.Port), nil
}
