//go:build unix

package disk

import (
	"os"
	"syscall"
)

// identify fills in what only the system's own structure says.
func (i *Info) identify(info os.FileInfo) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		i.ID, i.UID, i.GID = uint64(s.Ino), int(s.Uid), int(s.Gid)
	}
}
