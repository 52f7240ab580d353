package aof

import (
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
	Copy    bool     // the directory is a copy, and nobody has called [Log.Adopted] since it was made
	Copied  bool     // it lacks what was written after the copy began, and is opened for the first time

	base   int64  // bytes of the base
	noted  uint64 // the last unit that a line says was synced
	last   string // the file that may end in what was not synced
	proven int64  // where that may begin in it
}

// Cut is what a process or machine was writing when it died: the end of the log from the first unit on that is not whole.
// After kill -9 that is one unit, and nobody was told that it happened. A power cut may leave holes; then units follow
// that were written after the last sync, too.
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
const progressStep = 1 << 20

// player replays the files of a manifest. It changes nothing.
type player struct {
	folder folder
	to     Replay
	copied bool // the files are a copy
	report Report
	done   int64 // bytes of the files before this one
	total  int64
	told   int64 // bytes at the last Progress
	buf    []byte
	args   [][]byte

	unproven []place // lines about syncs in this file, whose units before may not be synced
}

// place is a line and the last unit before it.
type place struct {
	seq    uint64
	offset int64
}

// play replays all files. The torn end of the last one that is not empty is in report.Cut. From a copy the increments are
// taken out of m that it holds no beginning of.
func (p *player) play(m *manifest) error {
	files := m.files()
	sizes := make([]int64, len(files))
	last := -1 // Redis puts the next increment into the manifest before it is used
	for i, e := range files {
		n, err := p.folder.size(e.name)
		if err != nil {
			return fmt.Errorf("replay %s: %w", e.name, err)
		}
		sizes[i] = n
		if e == m.base {
			p.report.base = n
		} else if n > 0 {
			last, p.report.last = i, e.name
		}
		p.total += n
	}
	if p.to.Progress != nil {
		p.to.Progress(0, p.total)
	}
	for i, e := range files {
		var err error
		if e == m.base {
			err = p.file(e.name, sizes[i], false, p.base)
		} else {
			err = p.file(e.name, sizes[i], i == last || p.copied, p.increment)
		}
		if errors.Is(err, errCopyEnds) {
			m.incrs, p.report.Copied = m.before(e), true
			break
		}
		if err != nil {
			return fmt.Errorf("replay append-only file: %w", err)
		}
		p.done += sizes[i]
		if p.report.Cut.File == e.name && i < last {
			m.incrs, p.report.Copied = append(m.before(e), e), true
			break
		}
	}
	p.report.Bytes = p.total - p.report.Cut.Bytes
	if p.to.Progress != nil {
		p.to.Progress(p.total, p.total)
	}
	return nil
}

// file replays one file of n bytes. Only the last may be torn.
func (p *player) file(name string, n int64, last bool, play func(*scanner) error) error {
	f, err := p.folder.open(name, os.O_RDONLY)
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
	p.report.proven, p.unproven = 0, nil
	s := newScanner(f, end, p.buf)
	err = play(s)
	p.buf = s.buf
	at := s.offset()
	var d damage
	switch {
	case err == nil && end == n, errors.Is(err, errCopyEnds):
		return err
	case err == nil: // nothing but zeros after the last unit
		at = end
	case !errors.As(err, &d):
		return fmt.Errorf("%s: unit at offset %d: %w", name, at, err)
	case !last:
		return &Damage{name, at, d.why}
	default:
		left, err := lookBehind(f, at, end)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if why := left.damage(d, p.report.Seq+1); why != "" {
			return &Damage{name, at, why}
		}
	}
	p.report.Cut = Cut{name, at, n - at}
	p.report.proven = min(p.report.proven, at)
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
			p.report.Seq, p.report.noted = seq, seq
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
	for first := true; ; first = false {
		u, err := s.unit()
		if s.synced > p.report.noted {
			p.prove(s)
		}
		if err != nil {
			return ended(err)
		}
		next := p.report.Seq + 1
		if p.copied && first && u.seq > next {
			return errCopyEnds
		}
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

// errCopyEnds: the increment before this one went on after it was copied.
var errCopyEnds = errors.New("the copy ends before this file")

// prove notes what a line says about syncs: what stands before an earlier line, if that unit was synced, is durable.
func (p *player) prove(s *scanner) {
	p.report.noted = s.synced
	p.unproven = append(p.unproven, place{p.report.Seq, s.syncedAt})
	for len(p.unproven) > 0 && p.unproven[0].seq <= s.synced {
		p.report.proven, p.unproven = p.unproven[0].offset, p.unproven[1:]
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
