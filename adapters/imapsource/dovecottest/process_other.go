//go:build !linux

package dovecottest

import "syscall"

// attributes put the master in a group of its own. Only Linux can end it with
// its parent; elsewhere a killed test leaves it running.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
