package jsonbackend

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// replacedRoom is how many bytes the folder replaced/ may have: the oldest files go, the newest never.
const replacedRoom = 256 << 20

func (b *Backend) replacedDir() string { return filepath.Join(b.opts.Dir, own, "replaced") }

// replace keeps, durably and before that happens, what the edits of a version take away: the names of the keys, and where
// their values are kept; "" if there are none.
func (b *Backend) replace(f *file, id seen.ID, edits []engine.Edit, now *engine.View) (keys []string, path string, err error) {
	if b.transient() {
		return nil, "", nil
	}
	lost := lens.Lost(b.layout, b.opts.DB, f.index, edits, now)
	for _, k := range lost.Keys {
		keys = append(keys, k.Name)
	}
	if len(keys) == 0 {
		return nil, "", nil
	}
	path, err = b.keepAway(f, id, "somebody else wrote "+f.File()+": these values were removed or overwritten by that version",
		part{"values", lost.Doc}, part{"other", lost.Other})
	return keys, path, err
}

// unreplace forgets what was kept of edits that were not done.
func (b *Backend) unreplace(path string) {
	if path != "" {
		b.disk.Remove(path)
	}
}

// keepBus keeps a version of a file whose edits do not count.
func (b *Backend) keepBus(f *file, id seen.ID, doc []byte) error {
	_, err := b.keepAway(f, id, "somebody else wrote "+f.File()+", which is for reading: it is published over", part{"document", doc})
	return err
}

// keepBroken keeps what somebody wrote into a file while it was published over, and never finished.
func (b *Backend) keepBroken(f *file, id seen.ID, doc []byte, cause error) error {
	_, err := b.keepAway(f, id, fmt.Sprintf("somebody else was writing %s while it was published, and left it broken: %v", f.File(), cause),
		part{"text", pyjson.QuoteBytes(nil, doc)})
	return err
}

// part is a member of a file of replaced/, JSON; nil if there is nothing to say.
type part struct {
	name string
	json []byte
}

func quoted(s string) []byte { return pyjson.QuoteBytes(nil, []byte(s)) }

// keepAway writes a file of replaced/, unless nothing is to be written at all.
func (b *Backend) keepAway(f *file, id seen.ID, reason string, parts ...part) (path string, err error) {
	if b.transient() {
		return "", nil
	}
	now := time.Now().UTC()
	text := []byte("{")
	for _, p := range append([]part{
		{"file", quoted(f.File())},
		{"time", quoted(now.Format("2006-01-02T15:04:05.000Z"))},
		{"reason", quoted(reason)},
		{"version", quoted(id.String())},
	}, parts...) {
		if p.json == nil {
			continue
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(append(pyjson.QuoteBytes(text, []byte(p.name)), ':'), p.json...)
	}
	doc, err := pyjson.Indent(nil, append(text, '}'), 0)
	if err != nil {
		doc = append(text, '}') // it nests too deep to be indented
	}
	dir := b.replacedDir()
	for { // a name of its own
		path = filepath.Join(dir, fmt.Sprintf("%s-%s-%s", now.Format("20060102T150405.000Z"), id.String()[:8], f.File()))
		if _, err := b.disk.Stat(path); err != nil {
			break
		}
		now = now.Add(time.Millisecond)
	}
	if err = disk.MakeDir(f.disk, dir, 0o700); err == nil {
		err = disk.ReplaceFile(f.disk, path, path+".part", append(bytes.TrimSpace(doc), '\n'), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("keep what was replaced: %w", err)
	}
	return path, b.boundReplaced()
}

// boundReplaced removes the oldest files of replaced/ while they are too many.
func (b *Backend) boundReplaced() error {
	names, err := b.disk.List(b.replacedDir())
	if err != nil {
		return fmt.Errorf("what was replaced: %w", err)
	}
	room := int64(replacedRoom)
	for i := len(names) - 1; i >= 0; i-- {
		path := filepath.Join(b.replacedDir(), names[i])
		info, err := b.disk.Stat(path)
		if err != nil {
			continue
		}
		room -= info.Size
		if room < 0 && i < len(names)-1 || strings.HasSuffix(path, ".part") {
			if err := b.disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("what was replaced: %w", err)
			}
		}
	}
	return nil
}
