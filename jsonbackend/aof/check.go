package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// Check replays the log in dir into r as Open would, and changes nothing. The log may be written meanwhile; then the
// report may show a torn unit that is just being written. An error is Open's.
func Check(d disk.Disk, dir string, r Replay) (Report, error) {
	f := folder{d, dir}
	m, err := loadManifest(f)
	if err != nil {
		return Report{}, err
	}
	names, err := f.names()
	if err != nil {
		return Report{}, fmt.Errorf("list append-only directory: %w", err)
	}
	p := player{folder: f, to: r, copied: m.copied(f.id())}
	p.report.Copy = p.copied || m.copy
	if p.copied {
		m = m.present(names)
	}
	err = p.play(&m)
	for _, name := range names {
		if name != manifestName && !m.names(name) {
			p.report.Strays = append(p.report.Strays, name)
		}
	}
	return p.report, err
}

// Loss is what Repair takes out of a log.
type Loss struct {
	Units int   // as far as they can be told apart
	Bytes int64 // behind the damage
}

// errBase: what a base says cannot be cut, for the increments go on from all of it.
var errBase = errors.New("a base cannot be cut: restore a backup, or load the JSON files again (docs/format/directory.md, Reset)")

// Behind tells what a repair of at would take away: everything from there on. effect is shown what can be read of it.
func Behind(d disk.Disk, dir string, at *Damage, effect func(args [][]byte)) (loss Loss, err error) {
	f := folder{d, dir}
	m, err := loadManifest(f)
	if err != nil {
		return loss, err
	}
	behind, err := m.behind(at)
	if err != nil {
		return loss, err
	}
	from := at.Offset
	for _, e := range behind {
		if err := loss.add(f, e.name, from, effect); err != nil {
			return loss, fmt.Errorf("%s: %w", e.name, err)
		}
		from = 0
	}
	return loss, nil
}

// behind returns the increment that is damaged and those that follow.
func (m manifest) behind(at *Damage) ([]entry, error) {
	i := slices.IndexFunc(m.incrs, func(e entry) bool { return e.name == at.File })
	if i < 0 {
		return nil, fmt.Errorf("%s: %w", at.File, errBase)
	}
	return m.incrs[i:], nil
}

// add counts what stands in a file from byte from on.
func (l *Loss) add(d folder, name string, from int64, effect func(args [][]byte)) error {
	f, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := d.size(name)
	if err != nil {
		return err
	}
	l.Bytes += size - from
	for from < size {
		if from, err = l.units(f, from, size, effect); err != nil {
			return err
		}
	}
	return nil
}

// units counts whole units from byte from on, and the one that is not whole after them. It returns where units may be
// whole again.
func (l *Loss) units(f disk.File, from, size int64, effect func(args [][]byte)) (next int64, err error) {
	s, err := scannerAt(f, from, size)
	if err != nil {
		return 0, err
	}
	for {
		_, err := s.unit()
		if err == io.EOF {
			return size, nil
		}
		l.Units++
		for _, c := range s.cmds {
			var args [][]byte
			for i := range c.n {
				args = append(args, s.word(c.first+i))
			}
			effect(args)
		}
		if _, ok := errors.AsType[damage](err); ok {
			return wholeAgain(f, s.offset(), size)
		}
		if err != nil {
			return 0, err
		}
	}
}

// scannerAt reads f from byte from on.
func scannerAt(f disk.File, from, size int64) (*scanner, error) {
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	s := newScanner(f, size-from, nil)
	s.off = from
	return s, nil
}

// wholeAgain looks for a whole unit behind the one at from, which is not: it begins where a command does, or behind the
// next line of a unit. size means that there is none.
func wholeAgain(f disk.File, from, size int64) (int64, error) {
	const mostTries = 64
	line, _, err := linesBehind(f, from, size)
	if err != nil {
		return 0, err
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return 0, err
	}
	text := make([]byte, min(line-from, window)+lineLimit)
	n, err := io.ReadFull(f, text)
	if err != nil && err != io.ErrUnexpectedEOF {
		return 0, err
	}
	text = text[:n]
	begin, at := []byte("\r\n*"), 0
	for range mostTries {
		i := bytes.Index(text[at:], begin)
		if i < 0 || from+int64(at+i) >= line {
			break
		}
		at += i + 2
		s, err := scannerAt(f, from+int64(at), size)
		if err != nil {
			return 0, err
		}
		if u, err := s.unit(); err == nil && u.seq > 0 {
			return from + int64(at), nil
		}
	}
	if _, err := f.Seek(line, io.SeekStart); err != nil {
		return 0, err
	}
	if line == size {
		return size, nil
	}
	text = make([]byte, min(lineLimit, size-line))
	n, err = io.ReadFull(f, text)
	return line + int64(bytes.Index(text[:n], []byte("\r\n"))) + 2, err
}

// Repair lets the log end where the damage begins. What it held before stays beside it, in the files whose names are
// returned. Nobody else may use the log.
func Repair(d disk.Disk, dir string, at *Damage) (kept []string, err error) {
	f := folder{d, dir}
	m, err := loadManifest(f)
	if err != nil {
		return nil, err
	}
	behind, err := m.behind(at)
	if err != nil {
		return nil, err
	}
	suffix := ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
	for _, e := range behind {
		if err := f.copyTo(f, e.name, e.name+suffix, -1); err != nil {
			return nil, fmt.Errorf("keep %s: %w", e.name, err)
		}
		kept = append(kept, e.name+suffix)
	}
	temp := tempPrefix + at.File
	if err := f.copyTo(f, at.File, temp, at.Offset); err != nil {
		return nil, fmt.Errorf("cut %s: %w", at.File, err)
	}
	if err := f.rename(temp, at.File); err != nil {
		return nil, fmt.Errorf("cut %s: %w", at.File, err)
	}
	if err := f.sync(); err != nil {
		return nil, fmt.Errorf("sync append-only directory: %w", err)
	}
	names, err := f.names()
	if err != nil {
		return nil, fmt.Errorf("list append-only directory: %w", err)
	}
	now := newDirectory(f, m, names)
	if err := now.change(func(m *manifest) { m.incrs = append(m.before(behind[0]), behind[0]) }); err != nil {
		return nil, err
	}
	for _, e := range behind[1:] {
		if err := f.remove(e.name); err != nil {
			return kept, fmt.Errorf("remove %s: %w", e.name, err)
		}
	}
	return kept, nil
}

// copyTo makes to, in the folder dest, a copy of the first n bytes of a file, all if n is negative, synced.
func (d folder) copyTo(dest folder, from, to string, n int64) error {
	in, err := d.open(from, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := dest.open(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if n < 0 {
		_, err = io.Copy(out, in)
	} else {
		_, err = io.CopyN(out, in, n)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// Copy copies the log in dir, which may be written meanwhile, into another directory, which holds no log. The copy holds
// every unit that was released before, and is complete and durable when Copy returns; its manifest is written last.
func Copy(d disk.Disk, dir, to string) error {
	const mostTries = 5 // a rewrite may remove what the manifest named, if the copy takes longer than Options.Keep
	from := folder{d, dir}
	if err := disk.MakeDir(d, to, 0o755); err != nil {
		return fmt.Errorf("create append-only directory: %w", err)
	}
	var err error
	for range mostTries {
		if err = copyOnce(from, folder{d, to}); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("copy append-only file: %w", err)
	}
	return nil
}

func copyOnce(from, to folder) error {
	m, err := loadManifest(from)
	if err != nil {
		return err
	}
	for _, e := range m.files() {
		if err := from.copyTo(to, e.name, e.name, -1); err != nil {
			return err
		}
	}
	if err := to.sync(); err != nil {
		return err
	}
	dir := newDirectory(to, manifest{}, nil)
	return dir.change(func(now *manifest) { now.base, now.incrs = m.base, m.incrs })
}
