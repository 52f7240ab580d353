package main

import (
	"fmt"
	"io"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/keyspace"
)

// backupWord is the command line of backup.
type backupWord struct {
	Dir  string `arg:"" help:"the data directory"`
	Dest string `arg:"" help:"where the copy goes: a directory that is empty or not there yet"`
}

// Help stands at the end of omniproxy backup --help.
func (backupWord) Help() string {
	return `The copy is a data directory that holds everything clients were told before it began. Start it with
omniproxy --dir DEST.`
}

// run copies the directory and returns the exit code.
func (w backupWord) run(stdout, stderr io.Writer) int {
	if err := jsonbackend.Backup(jsonbackend.Options{Dir: w.Dir, Prefix: keyspace.DefaultPrefix}, w.Dest); err != nil {
		fmt.Fprintln(stderr, "omniproxy:", err)
		return exitFailed
	}
	fmt.Fprintln(stdout, "copied", w.Dir, "to", w.Dest)
	return exitOK
}
