package disk

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exchange is renameat2(2). Kernels before 3.15 have none, and some file systems do not take part.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if err == unix.ENOSYS || err == unix.EINVAL {
		return errors.ErrUnsupported
	}
	return err
}
