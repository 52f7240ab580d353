// Record writes the answers into dialogs: it plays their commands against real
// redis-servers of its own and rewrites the files in place.
//
//	go run ./integration/record             # all dialogs, from the module's root
//	go run ./integration/record FILE...
//
// It names the files it changed; a second run changes none.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/omniproxy/omniproxy/integration/dialog"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

const all = "integration/testdata/dialog/*/*.txtar"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(files []string) error {
	if len(files) == 0 {
		var err error
		if files, err = filepath.Glob(all); err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("no file matches %s", all)
		}
	}
	var addrs [2]string
	for i := range addrs {
		dir, err := os.MkdirTemp("", "record")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		addr, stop, err := redistest.Run(dir)
		if err != nil {
			return err
		}
		defer stop()
		addrs[i] = addr
	}
	for _, file := range files {
		if err := record(file, addrs); err != nil {
			return err
		}
	}
	return nil
}

// record rewrites file if its answers changed, and says so.
func record(file string, addrs [2]string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	f, err := dialog.Parse(file, old)
	if err != nil {
		return err
	}
	if err := f.Record(addrs[0], addrs[1]); err != nil {
		return err
	}
	text := f.Format()
	if bytes.Equal(text, old) {
		return nil
	}
	fmt.Println(file)
	return os.WriteFile(file, text, 0o644)
}
