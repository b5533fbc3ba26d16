package privpg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const lockName = "lock"

// A lock keeps other programs out of a directory. Its file holds the address
// of the running server, for Find. The kernel gives it back when the program
// ends, however it ends.
type lock struct {
	file *os.File
}

// acquire makes the directory if need be and takes its lock. It returns
// ErrInUse if another program has it.
func acquire(dir string) (*lock, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	f, err := openOwned(dir, lockName, os.O_RDWR)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%s belongs to another user; run as that user, or choose another data directory: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	// A peek of Find holds the lock for microseconds: one refusal proves nothing.
	for try := 0; ; try++ {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return &lock{file: f}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || try == 10 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: another program runs the postgres in %s; stop it, or give this one another data directory",
			ErrInUse, dir)
	}
	return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
}

// publish writes the server's address for Find.
func (l *lock) publish(dsn string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(dsn+"\n"), 0)
	return err
}

// release empties the file and gives the lock back.
func (l *lock) release() {
	_ = l.file.Truncate(0)
	_ = l.file.Close()
}

// peek tells whether another program holds the lock of dir, and the address
// it has published: empty while its server starts.
func peek(dir string) (dsn string, held bool, err error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, os.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer func() { _ = f.Close() }()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		return "", false, nil
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return "", false, fmt.Errorf("look at lock %s: %w", f.Name(), err)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", false, err
	}
	line, whole := strings.CutSuffix(string(text), "\n")
	if !whole {
		line = ""
	}
	return line, true, nil
}

// makeDir makes a directory, and those above it, which the server's user may
// pass through but not list. One that exists is left as it is.
func makeDir(dir string) error {
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	return nil
}

// openOwned opens or makes a file of the program in dir. As root in a
// directory of somebody else it follows no link and gives the file to the
// directory's owner, who can then start the server himself.
func openOwned(dir, name string, flag int) (*os.File, error) {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, flag|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return f, nil
	}
	uid, gid, err := ownerOf(dir)
	if err == nil && uid != 0 {
		err = f.Chown(uid, gid)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("hand %s to the owner of %s: %w", path, dir, err)
	}
	return f, nil
}
