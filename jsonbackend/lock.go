package jsonbackend

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// lock makes this process the only omniproxy of the directory; the system drops it when the process ends, however it
// does. Beside it stands a note that says who has it: it counts only while the lock is held.
type lock struct {
	flock *flock.Flock
	note  string
}

// takeLock takes the lock of the folder own, or says who has it.
func takeLock(own string) (*lock, error) {
	l := &lock{flock: flock.New(filepath.Join(own, "lock")), note: filepath.Join(own, "owner")}
	free, err := l.flock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", own, err)
	}
	if !free {
		return nil, busy(own)
	}
	if err := l.announce(""); err != nil {
		return nil, errors.Join(err, l.flock.Unlock())
	}
	return l, nil
}

// busy is the error of whoever meets a lock that is held.
func busy(own string) error {
	note, _ := os.ReadFile(filepath.Join(own, "owner")) // between lock and note there is none
	who := cmp.Or(strings.TrimSpace(string(note)), "another omniproxy")
	return fmt.Errorf("%s is served already by %s; stop it, connect to it, or choose another directory with --dir", filepath.Dir(own), who)
}

// Busy returns an error that says who serves dir; nil if nobody does. It touches nothing.
func Busy(dir string) error {
	if folder, ok := held(dir); ok {
		return busy(folder)
	}
	return nil
}

// ServedAt returns the address of the omniproxy that serves dir, as [Backend.Announce] was told, "" if it has not been told
// yet. served is false if nobody does. It touches nothing.
func ServedAt(dir string) (address string, served bool) {
	folder, ok := held(dir)
	if !ok {
		return "", false
	}
	note, _ := os.ReadFile(filepath.Join(folder, "owner"))
	_, address, _ = strings.Cut(strings.TrimSpace(string(note)), " on ")
	return address, true
}

// held reports whether somebody has the lock of a directory, and returns the folder that it is in.
func held(dir string) (folder string, ok bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	folder = filepath.Join(dir, own)
	path := filepath.Join(folder, "lock")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return folder, false
	}
	l := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := l.TryLock()
	if err != nil {
		return folder, false // whoever needs the lock will hear of it
	}
	if free {
		l.Unlock()
	}
	return folder, !free
}

// announce notes this process and the address it listens on, if any yet.
func (l *lock) announce(address string) error {
	who := fmt.Sprintf("omniproxy (pid %d)", os.Getpid())
	if address != "" {
		who += " on " + address
	}
	if err := writeFile(l.note, []byte(who+"\n"), 0o644); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return nil
}

func (l *lock) release() error {
	os.Remove(l.note)
	return l.flock.Unlock()
}

// writeFile writes a small file that is there whole or not at all.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	part := path + ".part"
	if err := os.WriteFile(part, content, mode); err != nil {
		return err
	}
	return os.Rename(part, path)
}
