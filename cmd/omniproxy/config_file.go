package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/alecthomas/kong"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/config"
)

// fileLayer is what the file says of one listener. The zero fileLayer says nothing.
type fileLayer struct{ listener, top config.Section }

// of returns what is said of a flag, and by whom.
func (l fileLayer) of(flag string) (config.Value, rank) {
	if v, ok := l.listener.Values[flag]; ok {
		return v, byListener
	}
	if v, ok := l.top.Values[flag]; ok {
		return v, byFile
	}
	return config.Value{}, byDefault
}

// Scopes of flags: what they concern.
const (
	scopeProcess  = "process"
	scopeListener = "listener"
	scopeBackend  = "backend"
	scopeNone     = "-" // they have no place in a file
)

// fileKeys are the flags that may stand in the file.
func fileKeys(flags []*kong.Flag) (keys []config.Key) {
	for _, flag := range flags {
		if scope := scopeOf(flag); scope != scopeNone {
			keys = append(keys, config.Key{Name: flag.Name, Kind: kindOf(flag), Shared: scope == scopeProcess})
		}
	}
	return keys
}

func kindOf(flag *kong.Flag) config.Kind {
	switch {
	case flag.IsBool():
		return config.Switch
	case flag.Tag.Has("list"):
		return config.List
	}
	return config.Text
}

// readConfig reads the file of settings, none if path is "". It warns of passwords that everybody may read.
func readConfig(path string, flags []*kong.Flag) (layers []fileLayer, warnings []string, err error) {
	if path == "" {
		return []fileLayer{{}}, nil, nil
	}
	text, everybody, err := readSmall(path)
	if err != nil {
		return nil, nil, fmt.Errorf("--config: %w", err)
	}
	f, err := config.Read(path, text, fileKeys(flags))
	if err != nil {
		return nil, nil, err
	}
	for _, listener := range f.Listeners {
		layers = append(layers, fileLayer{listener, f.Top})
	}
	if layers == nil {
		layers = []fileLayer{{top: f.Top}}
	} else if v, ok := f.Top.Values["listen"]; ok {
		return nil, nil, fmt.Errorf("%v: listen: here it is no listener of its own, and those below say theirs: make it one of them", v.At)
	}
	for _, section := range append(f.Listeners, f.Top) {
		for _, flag := range flags {
			v, ok := section.Values[flag.Name]
			switch {
			case !ok:
			case placeholder(flag, v.Text):
				return nil, nil, fmt.Errorf("%v: %s: *** stands for a password that omniproxy config print did not show: write the password", v.At, flag.Name)
			case everybody && isSecret(flag, v.Text):
				warnings = append(warnings, fmt.Sprintf("everybody on this machine may read the password in %v: chmod o-r %s, or name a file that holds it", v.At, path))
			}
		}
	}
	return layers, warnings, nil
}

// isSecret reports whether a value must not be shown: all of it, or a password in a URL.
func isSecret(flag *kong.Flag, value string) bool {
	return flag.Tag.Has("secret") && value != "" || redact(value) != value
}

// placeholder reports whether a value is what stands in the place of a secret.
func placeholder(flag *kong.Flag, value string) bool {
	return shown(flag, value) == value && (flag.Tag.Has("secret") && value != "" || RedisURL(value).password() == hidden)
}

// shown returns a value without what is secret.
func shown(flag *kong.Flag, value string) string {
	if flag.Tag.Has("secret") && value != "" {
		return hidden
	}
	return redact(value)
}

// readSmall reads a file of settings, and tells whether everybody on this machine may. A file that is too large for settings
// is read as far as that shows.
func readSmall(path string) (text []byte, everybody bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, false, err
	case info.IsDir():
		return nil, false, errors.New(path + " is a directory")
	}
	text, err = io.ReadAll(io.LimitReader(f, config.MaxSize+1))
	return text, info.Mode().Perm()&0o004 != 0 && runtime.GOOS != "windows", err
}
