package seen

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

// History is what is remembered of one file. The zero value remembers in memory.
//
// A version is staged before it takes effect (before the exchange that publishes it, before the unit of work that holds
// its edits) and kept after. It is not safe for concurrent use.
type History struct {
	disk disk.Disk // nil = in memory only
	path string
	file disk.File
	text []byte // if in memory
	size int    // of the text
	torn bool   // the end of the text is not known: it is written anew before it grows

	versions []Version // oldest first, those that took effect
	number   int       // the highest one used
	last     sketch    // of the newest version
	staged   *staged
}

// staged is a version that is about to take effect.
type staged struct {
	Version
	sketch sketch
}

// How many bytes of text a history may have before it is thinned out. A version that changes one record takes some 200
// bytes, so a writer is understood who read the file thousands of publications ago.
const (
	room      = 2 << 20
	perRecord = 100 // of the newest version, besides
)

func (h *History) fullAt() int { return room + perRecord*(len(h.last.named)+len(h.last.order)) }

// Open reads what an earlier process remembered at path, which is made when there is something to remember.
func Open(d disk.Disk, path string) (*History, error) {
	h := &History{disk: d, path: path}
	text, err := disk.ReadFile(d, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remembered versions: %w", err)
	}
	c, whole := newContent(), 0
	for b := range blocks(text) {
		whole, h.number = b.end, b.Number
		if b.fate == dropped {
			continue
		}
		if b.fate == undecided {
			h.last = c.sketch()
		}
		if err := c.apply(b.lines); err != nil {
			return nil, fmt.Errorf("remembered versions: %s, version %d: %w", path, b.Number, err)
		}
		if b.fate == undecided {
			h.staged = &staged{b.Version, c.sketch()}
			break // nothing follows it
		}
		h.versions = append(h.versions, b.Version)
	}
	if h.staged == nil {
		h.last = c.sketch()
	}
	h.size, h.torn = whole, whole < len(text) // by a crash
	return h, nil
}

// Detach lets the history go on in memory: what is at its path stays as it is.
func (h *History) Detach() error {
	text, err := h.read()
	if err != nil {
		return fmt.Errorf("remembered versions: %w", err)
	}
	h.disk, h.text, h.torn = nil, slices.Clone(text[:h.size]), false
	return h.Close()
}

// Torn is what a history ends in that is not whole.
type Torn struct {
	Offset, Bytes int
	Versions      int // that are whole behind it: more than a crash leaves, and forgotten with it
}

// Check reads what is remembered at path as Open does, and changes nothing.
func Check(d disk.Disk, path string) (*History, Torn, error) {
	h, err := Open(d, path)
	if err != nil || !h.torn {
		return h, Torn{}, err
	}
	text, err := disk.ReadFile(d, path)
	if err != nil {
		return nil, Torn{}, fmt.Errorf("remembered versions: %w", err)
	}
	t := Torn{Offset: h.size, Bytes: len(text) - h.size}
	for at := h.size; ; {
		n := bytes.Index(text[at:], []byte("\nversion "))
		if n < 0 {
			return h, t, nil
		}
		at += n + 1
		if b, ok := parseBlock(text, at); ok {
			t.Versions++
			at = b.end - 1
		}
	}
}

// Len is how many versions there are.
func (h *History) Len() int { return len(h.versions) }

// Close gives back the file.
func (h *History) Close() error {
	if h.file == nil {
		return nil
	}
	err := h.file.Close()
	h.file = nil
	return err
}

// Last is the version that stood under the file's name last, before the version of a number; nil if there is none.
func (h *History) Last(before int) *Version {
	for i := len(h.versions) - 1; i >= 0; i-- {
		if v := &h.versions[i]; v.Number < before && v.Kind != Aside {
			return v
		}
	}
	return nil
}

// Newest is a number above every version's.
const Newest = math.MaxInt

// IsLast reports whether a content stood under the file's name last.
func (h *History) IsLast(id ID) bool {
	last := h.Last(Newest)
	return last != nil && last.ID == id
}

// Find returns the newest version with a content, before the version of a number; nil if there is none.
func (h *History) Find(id ID, before int) *Version {
	for i := len(h.versions) - 1; i >= 0; i-- {
		if v := &h.versions[i]; v.Number < before && v.ID == id {
			return v
		}
	}
	return nil
}

// Staged is the version that is about to take effect, or was when an earlier process died; nil if there is none.
func (h *History) Staged() *Version {
	if h.staged == nil {
		return nil
	}
	return &h.staged.Version
}

// Stage prepares to remember a version that is about to take effect, durably.
func (h *History) Stage(kind Kind, id ID, base lens.Base) (Version, error) {
	if h.torn || h.size > h.fullAt() {
		if err := h.thinOut(); err != nil {
			return Version{}, fmt.Errorf("remember version: %w", err)
		}
	}
	v := Version{h.number + 1, kind, id}
	if err := h.append(blockOf(v, difference(h.last, base)), true); err != nil {
		return v, fmt.Errorf("remember version: %w", err)
	}
	h.number++
	h.staged = &staged{v, sketchOf(base)}
	return v, nil
}

// Keep notes that the staged version has taken effect. What somebody else wrote is noted durably; for what we published
// the file itself is the witness.
func (h *History) Keep() error {
	s := h.staged
	h.staged = nil
	h.versions, h.last = append(h.versions, s.Version), s.sketch
	if err := h.decide(kept, s.Version); err != nil {
		return fmt.Errorf("remember version: %w", err)
	}
	return nil
}

// Drop forgets the staged version, if there is one.
func (h *History) Drop() error {
	if h.staged == nil {
		return nil
	}
	s := h.staged
	h.staged = nil
	if err := h.decide(dropped, s.Version); err != nil {
		return fmt.Errorf("forget version: %w", err)
	}
	return nil
}

// decide notes what became of the version that was staged last.
func (h *History) decide(f fate, v Version) error {
	if h.torn {
		return h.thinOut()
	}
	return h.append(fmt.Appendf(nil, "%s %d\n", f, v.Number), f == kept && v.Kind != Published)
}

// append adds lines to the text. After an error the text is written anew before it grows: a part of a line may be there,
// and what a failed sync left on the disk is not known.
func (h *History) append(lines []byte, sync bool) (err error) {
	if h.disk == nil {
		h.text, h.size = append(h.text, lines...), h.size+len(lines)
		return nil
	}
	defer func() { h.torn = err != nil }()
	if h.file == nil {
		if err := h.open(); err != nil {
			return err
		}
	}
	if _, err := h.file.Write(lines); err != nil {
		return err
	}
	h.size += len(lines)
	if sync {
		return h.file.Sync()
	}
	return nil
}

func (h *History) open() (err error) {
	made := h.size == 0
	h.file, err = h.disk.Open(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		h.file = nil
		return err
	}
	if made {
		return h.disk.SyncDir(filepath.Dir(h.path))
	}
	return nil
}

// read returns the text.
func (h *History) read() ([]byte, error) {
	if h.disk == nil || h.size == 0 {
		return h.text, nil
	}
	return disk.ReadFile(h.disk, h.path)
}

// Plausible returns the version, before the one of a number, from which somebody most plausibly started who wrote doc, and
// in how many records doc differs from it: the one that differs in the fewest, of several the newest. The base is that of
// the empty document, and the version nil, if there is none.
func (h *History) Plausible(doc lens.Base, before int) (best *Version, base lens.Base, differing int, err error) {
	differing = math.MaxInt
	c := newContent()
	c.far = distanceTo(doc)
	if err := h.walk(c, func(v Version) {
		if v.Number < before && c.far.n <= differing {
			best, differing = &v, c.far.n
		}
	}); err != nil || best == nil {
		return nil, lens.Base{}, len(doc.Named) + len(doc.Order), err
	}
	base, err = h.Base(*best)
	return best, base, differing, err
}

// Base returns what a version said.
func (h *History) Base(v Version) (base lens.Base, err error) {
	c := newContent()
	err = h.walk(c, func(w Version) {
		if w.Number == v.Number {
			base = c.base()
		}
	})
	return base, err
}

// walk puts together every version that took effect, one after the other.
func (h *History) walk(c *content, visit func(Version)) error {
	text, err := h.read()
	if err != nil {
		return fmt.Errorf("remembered versions: %w", err)
	}
	n := 0
	for b := range blocks(text) {
		if b.fate != kept && (h.staged != nil || n >= len(h.versions) || b.Number != h.versions[n].Number) {
			continue
		}
		if err := c.apply(b.lines); err != nil {
			return fmt.Errorf("remembered versions: %s, version %d: %w", h.path, b.Number, err)
		}
		visit(b.Version)
		n++
	}
	if n != len(h.versions) {
		return fmt.Errorf("remembered versions: %s holds %d of %d: %w", h.path, n, len(h.versions), fs.ErrInvalid)
	}
	return nil
}

// block is a version as it stands in the text, and what became of it.
type block struct {
	Version
	lines []byte // what difference worded
	fate  fate
	end   int // where the next block begins
}

type fate int

const (
	undecided fate = iota
	kept
	dropped
)

func (f fate) String() string { return [...]string{"", "keep", "drop"}[f] }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockOf words a version: its line, its difference, and a line with the checksum of both.
func blockOf(v Version, lines []byte) []byte {
	line := v.line()
	text := make([]byte, 0, len(line)+len(lines)+len("end 01234567\n"))
	text = append(append(text, line...), lines...)
	return fmt.Appendf(text, "end %08x\n", crc32.Checksum(text, castagnoli))
}

// blocks iterates over a text, up to the first block that is not whole.
func blocks(text []byte) iter.Seq[block] {
	return func(yield func(block) bool) {
		for start := 0; start < len(text); {
			b, ok := parseBlock(text, start)
			if !ok || !yield(b) {
				return
			}
			start = b.end
		}
	}
}

func parseBlock(text []byte, start int) (b block, ok bool) {
	line := func(at int) (string, int) {
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			return "", len(text)
		}
		return string(text[at : at+n]), at + n + 1
	}
	first, body := line(start)
	if b.Version, ok = parseVersion(first); !ok {
		return b, false
	}
	at := body
	for {
		if at == len(text) {
			return b, false
		}
		word, next := line(at)
		if sum, found := strings.CutPrefix(word, "end "); found {
			b.lines = text[body:at]
			crc, err := strconv.ParseUint(sum, 16, 32)
			if err != nil || uint32(crc) != crc32.Checksum(text[start:at], castagnoli) {
				return b, false
			}
			at = next
			break
		}
		at = next
	}
	b.end = at
	for _, f := range []fate{kept, dropped} {
		if word, next := line(at); word == fmt.Sprint(f, " ", b.Number) {
			b.fate, b.end = f, next
		}
	}
	return b, true
}
