package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	described := flag.String("version", "dev", "what git describe says")
	out := flag.String("out", "dist", "the `directory` for what is made")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./packaging [flags] release|wheel|deb...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*described, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

// run makes packages of each kind in the directory out, for all targets that have the kind.
func run(described, out string, kinds []string) error {
	p, err := newProduct(described)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, kind := range kinds {
		var files []file
		switch kind {
		case "release":
			files, err = p.forEach(targets, p.archive)
			if err == nil {
				files = append(files, checksums(files))
			}
		case "wheel":
			files, err = p.forEach(targets, p.wheel)
		case "deb":
			files, err = p.forEach(linux(), p.deb)
		default:
			err = fmt.Errorf("%s: choose release, wheel or deb", kind)
		}
		if err != nil {
			return err
		}
		for _, f := range files {
			path := filepath.Join(out, f.name)
			if err := os.WriteFile(path, f.content, f.mode); err != nil {
				return err
			}
			fmt.Println(path)
		}
	}
	return nil
}
