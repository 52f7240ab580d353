package jsonbackend

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

const (
	own           = ".omniproxy" // the folder inside the data directory that belongs to omniproxy
	formatVersion = 1            // what its file format says; a newer omniproxy says more
)

// openTransient loads the files into memory and leaves the directory alone.
func (b *Backend) openTransient() error {
	filled, err := b.fill()
	if err != nil {
		return err
	}
	return b.remember(filled)
}

// openDurable takes the directory and brings memory, append-only file and files together. Until the directory is taken
// nothing in it is touched.
func (b *Backend) openDurable() error {
	own := filepath.Join(b.opts.Dir, own)
	if err := b.checkFormat(own); err != nil {
		return err
	}
	log := filepath.Join(own, "aof")
	var filled contents
	if names, err := b.disk.List(log); errors.Is(err, fs.ErrNotExist) || len(names) == 0 {
		if filled, err = b.fill(); err != nil {
			return err
		}
	}
	if err := b.take(own); err != nil {
		return err
	}
	logged, empty, err := b.replay(log)
	if err != nil {
		return err
	}
	if !empty {
		err = b.reopen(logged)
	} else {
		err = b.firstLoad(own, filled)
	}
	if err != nil {
		return err
	}
	return b.log.Adopted()
}

// checkFormat refuses a folder of a newer omniproxy.
func (b *Backend) checkFormat(own string) error {
	path := filepath.Join(own, "format")
	text, err := disk.ReadFile(b.disk, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	word := strings.TrimSpace(string(text))
	if n, err := strconv.Atoi(word); err != nil || n > formatVersion {
		return fmt.Errorf("%s says %q, and this omniproxy knows formats up to %d: a newer one wrote the directory; use that one; nothing was touched",
			path, word, formatVersion)
	}
	return nil
}

// take makes the directory ours: lock, format, and a .gitignore, for nothing of ours belongs into a repository.
func (b *Backend) take(own string) (err error) {
	if err := disk.MakeDir(b.disk, b.opts.Dir, 0o755); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	for _, dir := range []string{own, filepath.Join(own, "seen"), b.outDir()} {
		if err := disk.MakeDir(b.disk, dir, 0o700); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	if b.opts.disk == nil { // others have no locks
		if b.lock, err = takeLock(own); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{".gitignore": "*\n", "format": strconv.Itoa(formatVersion) + "\n"} {
		path := filepath.Join(own, name)
		if _, err := b.disk.Stat(path); err == nil {
			continue
		}
		if err := disk.ReplaceFile(b.disk, path, path+".part", []byte(text), 0o644); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	return nil
}

// replay opens the append-only file and does everything in it again. It returns which version of each file was read last,
// as the notes of the units say, and whether there was nothing to do.
func (b *Backend) replay(dir string) (logged map[string]seen.ID, empty bool, err error) {
	logged = map[string]seen.ID{}
	log, report, err := aof.Open(dir, aof.Options{Policy: b.opts.Fsync, Disk: b.disk, Synced: b.opts.Events.Synced}, b.replayed(logged))
	if err != nil {
		return nil, false, b.unreplayed(dir, err)
	}
	b.Locked(func() { b.log = log })
	b.SetLog(durable{log})
	b.copied = report.Copy
	if report.Copied && b.opts.Events.Copied != nil {
		b.opts.Events.Copied()
	}
	if cut := report.Cut; cut.Bytes > 0 && b.opts.Events.Torn != nil {
		b.opts.Events.Torn(cut.File, cut.Offset, cut.Bytes)
	}
	return logged, report.Seq == 0 && report.Effects == 0, nil
}

// replayed does what the append-only file holds, and notes which version of each file was read last.
func (b *Backend) replayed(logged map[string]seen.ID) aof.Replay {
	return aof.Replay{
		Effect: b.Engine.Replay,
		Note: func(_ uint64, note string) {
			if name, id, ok := parseNote(note); ok {
				logged[name] = id
			}
		},
		Progress: b.progress,
	}
}

// unreplayed says what to do about an append-only file that cannot be read.
func (b *Backend) unreplayed(dir string, err error) error {
	if _, ok := errors.AsType[*aof.Damage](err); ok {
		err = fmt.Errorf("%w; nothing was touched: restore a backup, or see what a repair would cost: omniproxy check %s --repair", err, b.opts.Dir)
	}
	return fmt.Errorf("append-only file %s: %w", dir, err)
}

// durable makes an append-only file the engine's log.
type durable struct{ *aof.Log }

// Err implements [engine.Log], in the words that Redis' clients are told: strerror(3)'s for what the system says.
func (d durable) Err() error {
	err := d.Log.Err()
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		text := number.Error()
		return errors.New(strings.ToUpper(text[:1]) + text[1:])
	}
	return err
}

func (b *Backend) historyPath(f *file) string {
	return filepath.Join(b.opts.Dir, own, "seen", f.File()+".versions")
}

// openHistory reads what an earlier process remembered of a file.
func (b *Backend) openHistory(f *file) error {
	h, err := seen.Open(b.disk, b.historyPath(f))
	if err == nil && b.transient() {
		err = h.Detach()
	}
	if err == nil {
		f.seen = h
	}
	return err
}

// reopen looks at the files of a directory that was served before. What differs from what was last seen was edited
// meanwhile, by hand or by another program. What cannot be read is left alone.
func (b *Backend) reopen(logged map[string]seen.ID) error {
	if err := b.readLoose(); err != nil {
		return err
	}
	for _, f := range b.files {
		if err := b.reopenFile(f, logged); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) reopenFile(f *file, logged map[string]seen.ID) error {
	if err := b.openHistory(f); err != nil {
		return err
	}
	var id seen.ID
	var stands stamp
	unreadable := patiently(func() (err error) {
		id, stands, err = f.version()
		return err
	})
	ahead, err := b.ahead(f)
	if err == nil && ahead {
		err = b.keysWin(f, logged)
	} else if err == nil {
		err = b.settle(f, id, logged)
	}
	if err != nil {
		return err
	}
	if unreadable == nil && stands != (stamp{}) && f.seen.IsLast(id) && b.reread(f, id) {
		return nil
	}
	doc, stands, unreadable := f.readNow()
	switch {
	case unreadable != nil:
		f.known = unknown
		b.isBroken(f, unreadable)
	case doc == nil:
		b.setLoose(f, f.loose)
		b.showAll(f)
	default:
		f.suspect = stands
		b.adopt(f, doc, stands)
	}
	return nil
}

// reread makes the version that stood last the document of a view that need not have it in memory as a whole. It reports
// false, and leaves the rest to others, if the view is none or that version cannot be read.
func (b *Backend) reread(f *file, last seen.ID) bool {
	v, ok := f.View.(lens.Streamed)
	if !ok {
		return false
	}
	id, stands, err := f.streamDoc(func(from io.Reader) error { return v.Read(from, b.Freeze(nil)) })
	if err != nil || id != last {
		return false
	}
	f.suspect = stands
	b.adopted(f, stands, -1, b.restoreLoose(f, id))
	return true
}
