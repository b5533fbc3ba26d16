package privpg

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An owner is the user whom the server runs as and whose its files are.
type owner struct {
	name     string
	uid, gid int
	drop     bool // the program is root and the server must not be
}

// serverOwner is the user of the program itself or, since Postgres refuses to
// run as root, the one who has the cluster already, else postgres, else nobody.
func serverOwner(dir string) (owner, error) {
	if uid := os.Geteuid(); uid != 0 {
		return owner{name: userName(uid), uid: uid, gid: os.Getegid()}, nil
	}
	for _, path := range []string{filepath.Join(dir, "data"), dir} {
		if uid, gid, err := ownerOf(path); err == nil && uid != 0 {
			return owner{name: userName(uid), uid: uid, gid: gid, drop: true}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		if errUID == nil && errGID == nil && uid != 0 {
			return owner{name: name, uid: uid, gid: gid, drop: true}, nil
		}
	}
	return owner{}, errors.New("postgres does not run as root, and neither user postgres nor user nobody exists; " +
		"add one, or run the program as an ordinary user")
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func ownerOf(path string) (uid, gid int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, fmt.Errorf("owner of %s: unknown on this system", path)
	}
	return int(st.Uid), int(st.Gid), nil
}

// barrier is the topmost directory of path, itself included, that the owner
// cannot enter; empty if there is none. Access lists are not looked at.
func (o owner) barrier(path string) string {
	if !o.drop {
		return ""
	}
	if parent := filepath.Dir(path); parent != path {
		if found := o.barrier(parent); found != "" {
			return found
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return path
	}
	uid, gid, err := ownerOf(path)
	if err != nil {
		return path
	}
	bit := os.FileMode(0o001)
	switch {
	case uid == o.uid:
		bit = 0o100
	case gid == o.gid:
		bit = 0o010
	}
	if info.Mode()&bit == 0 {
		return path
	}
	return ""
}

// give makes path a directory that only the owner can enter. It follows no
// link and takes no directory of a third user.
func (o owner) give(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || (int(st.Uid) != o.uid && int(st.Uid) != os.Geteuid()) {
		return fmt.Errorf("%s is not a directory of user %s; remove it", path, o.name)
	}
	if int(st.Uid) != o.uid {
		if err := os.Lchown(path, o.uid, o.gid); err != nil {
			return err
		}
	}
	if info.Mode().Perm() != 0o700 {
		return os.Chmod(path, 0o700)
	}
	return nil
}
