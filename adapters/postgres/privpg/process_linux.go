package privpg

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// attributes are those of a child: of the server's user, out of reach of the
// terminal's interrupt, and told to shut down fast when its parent dies.
func attributes(o owner) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	if o.drop {
		a.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return a
}

// reach is the name by which the server's user can open its directory. Where
// a directory above is closed to it, such as /root, the child inherits an
// open handle and names that: the kernel follows it without passing through
// the directories above.
func (o owner) reach(data string) (name string, handle *os.File, err error) {
	if o.barrier(filepath.Dir(data)) == "" {
		return data, nil, nil
	}
	if handle, err = os.Open(data); err != nil {
		return "", nil, fmt.Errorf("open data directory: %w", err)
	}
	return "/proc/self/fd/3", handle, nil // the first of exec.Cmd.ExtraFiles
}

// commandLine is that of a process, arguments divided by NUL; empty if there
// is no such process or it is a zombie.
func commandLine(pid int) []byte {
	line, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return line
}
