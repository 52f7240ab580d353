package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Replay takes what a log holds, in order.
type Replay struct {
	// Effect applies one command. args are valid until it returns. An error stops the replay.
	Effect func(db int, args [][]byte) error
	// Note, if set, is told the note of a unit that has one, after the unit's effects.
	Note func(seq uint64, note string)
	// Progress, if set, is told now and then how many bytes of all are done.
	Progress func(done, total int64)
}

// Report says what a replay found.
type Report struct {
	Seq     uint64 // of the last unit
	Units   int    // in the increments; a base has none
	Effects int    // applied, those of the base included
	Bytes   int64  // of base and increments
	Cut     Cut
	Strays  []string // files of the directory that the manifest does not mention; they are left alone

	base int64 // bytes of the base
}

// Cut is a torn last unit: what a process or machine wrote when it died. Nobody was told that it happened.
type Cut struct {
	File   string
	Offset int64 // where the unit began, and the file now ends
	Bytes  int64 // 0 = nothing was torn
}

// Damage is a place where a log cannot be read, although more follows.
type Damage struct {
	File   string
	Offset int64 // of the first byte of the unit, in the file
	Why    string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("%s: unit at offset %d: %s", d.File, d.Offset, d.Why)
}

// progressStep is how many bytes lie between two calls of Progress.
const progressStep = 16 << 20

// player replays the files of a manifest. It changes nothing.
type player struct {
	disk   disk
	to     Replay
	report Report
	done   int64 // bytes of the files before this one
	total  int64
	told   int64 // bytes at the last Progress
	buf    []byte
	args   [][]byte
}

// play replays all files. The torn end of the last one that is not empty is in report.Cut.
func (p *player) play(m manifest) error {
	files := m.files()
	sizes := make([]int64, len(files))
	last := -1 // Redis puts the next increment into the manifest before it is used
	for i, e := range files {
		n, err := sizeOf(p.disk, e.name)
		if err != nil {
			return fmt.Errorf("replay %s: %w", e.name, err)
		}
		sizes[i] = n
		if e == m.base {
			p.report.base = n
		} else if n > 0 {
			last = i
		}
		p.total += n
	}
	for i, e := range files {
		var err error
		if e == m.base {
			err = p.file(e.name, sizes[i], false, p.base)
		} else {
			err = p.file(e.name, sizes[i], i == last, p.increment)
		}
		if err != nil {
			return fmt.Errorf("replay append-only file: %w", err)
		}
		p.done += sizes[i]
	}
	p.report.Bytes = p.total - p.report.Cut.Bytes
	if p.to.Progress != nil {
		p.to.Progress(p.total, p.total)
	}
	return nil
}

// file replays one file of n bytes. Only the last may be torn.
func (p *player) file(name string, n int64, last bool, play func(*scanner) error) error {
	f, err := p.disk.open(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	end := n
	if last {
		if end, err = written(f, n); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	s := newScanner(f, end, p.buf)
	err = play(s)
	p.buf = s.buf
	at := s.offset()
	var d damage
	switch {
	case err == nil && end == n:
		return nil
	case err == nil: // nothing but zeros after the last unit
		at = end
	case !errors.As(err, &d):
		return fmt.Errorf("%s: unit at offset %d: %w", name, at, err)
	case !last || !d.end:
		return &Damage{name, at, d.why}
	default:
		follows, err := unitFollows(f, at, end)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if follows {
			return &Damage{name, at, d.why + ", but units follow"}
		}
	}
	p.report.Cut = Cut{name, at, n - at}
	return nil
}

// base replays a base.
func (p *player) base(s *scanner) error {
	seq, ours, err := s.head()
	if err != nil {
		return err
	}
	for ours {
		last, err := s.part()
		if err != nil {
			return err
		}
		if err := p.apply(s); err != nil {
			return err
		}
		if last {
			p.report.Seq = seq
			return nil
		}
		s.begin()
	}
	for {
		if _, err := s.unit(); err != nil {
			return ended(err)
		}
		if err := p.apply(s); err != nil {
			return err
		}
	}
}

// increment replays an increment.
func (p *player) increment(s *scanner) error {
	for {
		u, err := s.unit()
		if err != nil {
			return ended(err)
		}
		next := p.report.Seq + 1
		if u.seq != 0 && u.seq != next {
			return damage{why: fmt.Sprintf("seq %d follows %d", u.seq, p.report.Seq)}
		}
		if err := p.apply(s); err != nil {
			return err
		}
		p.report.Seq = next
		p.report.Units++
		if u.note != "" && p.to.Note != nil {
			p.to.Note(next, u.note)
		}
	}
}

// apply hands over the effects of the unit.
func (p *player) apply(s *scanner) error {
	for _, c := range s.cmds {
		p.args = p.args[:0]
		for i := range c.n {
			p.args = append(p.args, s.word(c.first+i))
		}
		if err := p.to.Effect(c.db, p.args); err != nil {
			return fmt.Errorf("apply %q: %w", p.args[0], err)
		}
	}
	p.report.Effects += len(s.cmds)
	if done := p.done + s.offset(); done-p.told >= progressStep && p.to.Progress != nil {
		p.told = done
		p.to.Progress(done, p.total)
	}
	return nil
}

// ended takes the end of a file for success.
func ended(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// searchStep is how many bytes of a file are searched at once.
const searchStep = 64 << 10

// written returns where the zeros at the end of f begin. A power cut may leave them behind where data was not written
// yet; no unit ends in one.
func written(f io.ReadSeeker, size int64) (int64, error) {
	buf := make([]byte, min(size, searchStep))
	for end := size; end > 0; {
		b := buf[:min(end, searchStep)]
		if _, err := f.Seek(end-int64(len(b)), io.SeekStart); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(f, b); err != nil {
			return 0, err
		}
		end -= int64(len(b))
		if kept := len(bytes.TrimRight(b, "\x00")); kept > 0 {
			_, err := f.Seek(0, io.SeekStart)
			return end + int64(kept), err
		}
	}
	_, err := f.Seek(0, io.SeekStart)
	return 0, err
}

// unitFollows looks for the line of a unit that ends between from and to, and not at to: evidence that what begins at
// from is not torn but damaged, when a wrong length has swallowed what follows.
func unitFollows(f io.ReadSeeker, from, to int64) (bool, error) {
	mark := []byte("\r\n" + unitField)
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return false, err
	}
	buf := make([]byte, searchStep)
	kept := 0 // bytes of the chunk before, in which a line may begin
	for left := to - from; left > 0; {
		n, err := io.ReadFull(f, buf[kept:min(searchStep, int64(kept)+left)])
		if err != nil {
			return false, err
		}
		left -= int64(n)
		b := buf[:kept+n]
		for at := bytes.Index(b, mark); at >= 0; at = bytes.Index(b, mark) {
			b = b[at+len(mark):]
			if end := bytes.Index(b, []byte("\r\n")); end >= 0 && (end+2 < len(b) || left > 0) {
				return true, nil
			}
		}
		kept = copy(buf, buf[max(0, kept+n-lineLimit-2):kept+n])
	}
	return false, nil
}
