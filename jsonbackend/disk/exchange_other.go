//go:build !linux && !darwin

package disk

import "errors"

// exchange is not known to be possible here.
func exchange(string, string) error { return errors.ErrUnsupported }
