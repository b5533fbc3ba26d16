//go:build !linux

package privpg

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// attributes are those of a child: of the server's user and out of reach of
// the terminal's interrupt. Only Linux tells a child that its parent has
// died; elsewhere the next start stops an orphan.
func attributes(o owner) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if o.drop {
		a.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return a
}

// reach is the name by which the server's user can open its directory.
func (o owner) reach(data string) (name string, handle *os.File, err error) {
	if at := o.barrier(filepath.Dir(data)); at != "" {
		return "", nil, fmt.Errorf("user %s, whom postgres runs as, cannot pass through %s; run chmod o+x %s, or choose another data directory",
			o.name, at, at)
	}
	return data, nil, nil
}

// commandLine is that of a process, arguments divided by NUL as far as can be
// told; empty if there is no such process.
func commandLine(pid int) []byte {
	line, _ := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return bytes.ReplaceAll(bytes.TrimSpace(line), []byte(" -c "), []byte("\x00-c\x00"))
}
