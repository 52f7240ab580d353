//go:build !unix

package tool

import "os"

// terminalWidth takes no file for a terminal.
func terminalWidth(*os.File) (columns int, ok bool) { return 0, false }
