package jsonbackend

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

const (
	own           = ".omniproxy" // the folder inside the data directory that belongs to omniproxy
	formatVersion = 1            // what its file format says; a newer omniproxy says more
)

// openTransient loads the files into memory and leaves the directory alone.
func (b *Backend) openTransient() error {
	docs, err := b.loadFiles()
	if err != nil {
		return err
	}
	return b.remember(docs)
}

// openDurable takes the directory and brings memory, append-only file and files together. Until the directory is taken
// nothing in it is touched.
func (b *Backend) openDurable() error {
	own := filepath.Join(b.opts.Dir, own)
	if err := checkFormat(own); err != nil {
		return err
	}
	log := filepath.Join(own, "aof")
	var docs map[*file][]byte
	if names, err := os.ReadDir(log); errors.Is(err, fs.ErrNotExist) || len(names) == 0 {
		if docs, err = b.loadFiles(); err != nil {
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
		return b.reopen(own, logged)
	}
	if docs == nil { // the first load before this one did not come to its end
		if docs, err = b.loadFiles(); err != nil {
			return err
		}
	}
	return b.begin(own, docs)
}

// checkFormat refuses a folder of a newer omniproxy.
func checkFormat(own string) error {
	path := filepath.Join(own, "format")
	text, err := os.ReadFile(path)
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

// take makes the directory ours: lock, format, and a .gitignore, for nothing of ours belongs into a repository. What a
// crash left half published goes.
func (b *Backend) take(own string) (err error) {
	if err := os.MkdirAll(b.opts.Dir, 0o755); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := os.Mkdir(own, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("data directory: %w", err)
	}
	if b.lock, err = takeLock(own); err != nil {
		return err
	}
	for name, text := range map[string]string{".gitignore": "*\n", "format": strconv.Itoa(formatVersion) + "\n"} {
		path := filepath.Join(own, name)
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		if err := writeFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	for _, f := range b.files {
		if target, err := resolve(f.path); err == nil {
			os.Remove(stageName(target))
		}
	}
	return nil
}

// replay opens the append-only file and does everything in it again. It returns which version of each file was read last,
// as the notes of the units say, and whether there was nothing to do.
func (b *Backend) replay(dir string) (logged map[string]versionID, empty bool, err error) {
	logged = map[string]versionID{}
	log, report, err := aof.Open(dir, aof.Options{Policy: b.opts.Fsync}, aof.Replay{
		Effect: b.Engine.Replay,
		Note: func(_ uint64, note string) {
			if name, id, ok := parseNote(note); ok {
				logged[name] = id
			}
		},
		Progress: b.opts.Events.Loading,
	})
	if err != nil {
		return nil, false, fmt.Errorf("append-only file %s: %w", dir, err)
	}
	b.log = log
	b.SetLog(durable{log})
	if cut := report.Cut; cut.Bytes > 0 && b.opts.Events.Torn != nil {
		b.opts.Events.Torn(cut.File, cut.Offset, cut.Bytes)
	}
	return logged, report.Seq == 0 && report.Effects == 0, nil
}

// durable makes an append-only file the engine's log.
type durable struct{ *aof.Log }

// Synced implements [engine.Log].
func (d durable) Synced(seq uint64, r engine.Releaser) { d.Log.Synced(seq, r) }

// loadFiles loads every file into memory, for the first time. It returns their contents.
func (b *Backend) loadFiles() (docs map[*file][]byte, err error) {
	docs = map[*file][]byte{}
	for _, f := range b.files {
		doc, stands, err := f.readNow()
		if err == nil && doc != nil {
			err = f.load(doc)
		}
		if err != nil {
			return nil, err
		}
		f.disk, f.suspect = stands, stands
		docs[f] = doc
	}
	for _, f := range b.files {
		now := b.Freeze(nil)
		edits := f.Edits(lens.Base{}, now, now.At)
		for i, e := range edits {
			if err := b.Engine.Replay(e.DB, e.Args); err != nil {
				return nil, fmt.Errorf("load %s: %s %q: %w", f.path, e.Args[0], e.Args[1], err)
			}
			edits[i] = engine.Edit{} // so that the memory holds a large file no longer than it must
		}
	}
	return docs, nil
}

// readNow reads a file even if somebody is just writing it.
func (f *file) readNow() (doc []byte, stands stamp, err error) {
	for range 20 {
		if doc, stands, err = f.read(); !errors.Is(err, errMoving) {
			return doc, stands, err
		}
		time.Sleep(tick)
	}
	return nil, stands, fmt.Errorf("%s: %w", f.path, err)
}

// begin keeps a first load: the originals, what was read, and last the append-only file, whose base appears at one
// instant. Until then the log is empty, and the next start loads the files again.
func (b *Backend) begin(own string, docs map[*file][]byte) error {
	for _, f := range b.files {
		dir := filepath.Join(own, "seen", f.File())
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("first load: %w", err)
		}
		seen, err := loadSeen(dir)
		if err != nil {
			return err
		}
		f.seen = seen
		if doc := docs[f]; doc != nil {
			if err := keepOriginal(filepath.Join(own, "originals"), f, doc); err != nil {
				return err
			}
		}
	}
	if err := b.remember(docs); err != nil {
		return err
	}
	for _, doc := range docs {
		if doc != nil {
			return b.rewrite()
		}
	}
	return nil
}

// remember notes contents as read, and brings the views in line with the keys.
func (b *Backend) remember(docs map[*file][]byte) error {
	for _, f := range b.files {
		if doc := docs[f]; doc != nil {
			if err := f.seen.stage(sha256.Sum256(doc), false, f.Base()); err != nil {
				return err
			}
			if err := f.seen.keep(); err != nil {
				return err
			}
		}
		b.showAll(f)
	}
	return nil
}

// reopen looks at the files of a directory that was served before. What differs from what was last seen was edited
// meanwhile, by hand or by another program. What cannot be read is left alone.
func (b *Backend) reopen(own string, logged map[string]versionID) error {
	for _, f := range b.files {
		var err error
		if f.seen, err = loadSeen(filepath.Join(own, "seen", f.File())); err != nil {
			return err
		}
		doc, stands, err := f.readNow()
		if err != nil {
			f.disk = unknown
			b.isBroken(f, err)
			continue
		}
		if err := f.seen.settle(sha256.Sum256(doc), logged[f.File()]); err != nil {
			return err
		}
		if doc == nil {
			b.showAll(f)
			continue
		}
		f.suspect = stands
		b.adopt(f, doc, stands)
	}
	return nil
}
