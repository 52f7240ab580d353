package disk

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exchange is renamex_np(2), where the volume takes part.
func exchange(a, b string) error {
	err := unix.RenamexNp(a, b, unix.RENAME_SWAP)
	if err == unix.ENOTSUP || err == unix.EINVAL {
		return errors.ErrUnsupported
	}
	return err
}
