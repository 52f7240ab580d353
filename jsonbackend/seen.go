package jsonbackend

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

// versionID is the SHA-256 of a file's content.
type versionID [sha256.Size]byte

func (v versionID) String() string { return hex.EncodeToString(v[:]) }

func parseVersionID(s string) (id versionID, ok bool) {
	b, err := hex.DecodeString(s)
	return id, err == nil && copy(id[:], b) == sha256.Size && len(b) == sha256.Size
}

// version is one content of a file: what a later writer may have started from.
type version struct {
	number int  // grows from version to version of a file
	ours   bool // it was published, else it was read
	id     versionID
}

// name is the version's file name: "12-published-<id>", "13-read-<id>".
func (v version) name() string {
	how := "read"
	if v.ours {
		how = "published"
	}
	return fmt.Sprintf("%d-%s-%s", v.number, how, v.id)
}

func parseVersion(name string) (v version, ok bool) {
	words := strings.Split(name, "-")
	if len(words) != 3 {
		return v, false
	}
	number, err := strconv.Atoi(words[0])
	v.number, v.ours = number, words[1] == "published"
	v.id, ok = parseVersionID(words[2])
	return v, ok && err == nil
}

// seen remembers the last versions of one file that were published or read; the last one is what stood on the disk when
// that was last looked at. On the disk each is a text file that holds the version's base.
//
// A version is staged before it takes effect (before the rename that publishes it, before the unit that holds its edits)
// and kept after. So after a crash, whichever of the two it fell between, a file of ours is never taken for somebody's
// edit, no edit is done twice, and what never took effect is no base for a comparison.
type seen struct {
	dir      string    // "" = in memory only
	versions []version // oldest first
	staged   *version
	base     lens.Base // of the last version, if in memory only
	next     lens.Base // of the staged one, likewise
}

const (
	remembered   = 8 // versions of a file
	stagedSuffix = ".staged"
)

// loadSeen reads what an earlier process remembered of a file.
func loadSeen(dir string) (*seen, error) {
	s := &seen{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("remembered versions: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("remembered versions: %w", err)
	}
	for _, e := range entries {
		name, staged := strings.CutSuffix(e.Name(), stagedSuffix)
		v, ok := parseVersion(name)
		switch {
		case !ok:
		case staged:
			s.staged = &v
		default:
			s.versions = append(s.versions, v)
		}
	}
	slices.SortFunc(s.versions, func(a, b version) int { return a.number - b.number })
	return s, nil
}

// settle decides about a version that was staged when the process died: it took effect if the file is what we were about
// to publish, or the log holds its edits.
func (s *seen) settle(file, logged versionID) error {
	if s.staged == nil {
		return nil
	}
	if s.staged.ours && s.staged.id == file || !s.staged.ours && s.staged.id == logged {
		return s.keep()
	}
	s.drop()
	return nil
}

// last is the version that was published or read last, nil if there is none.
func (s *seen) last() *version {
	if len(s.versions) == 0 {
		return nil
	}
	return &s.versions[len(s.versions)-1]
}

// isLast reports whether a content is that of the last version.
func (s *seen) isLast(id versionID) bool { return s.last() != nil && s.last().id == id }

// isStale reports whether a content is a publication of ours that another one of ours replaced: whoever writes it again
// has not edited anything. After an edit of somebody else's it may be that edit taken back, and counts.
func (s *seen) isStale(id versionID) bool {
	return !s.isLast(id) && s.last() != nil && s.last().ours &&
		slices.ContainsFunc(s.versions, func(v version) bool { return v.ours && v.id == id })
}

// restore makes the publication with this content, which stands on the disk again, the last version.
func (s *seen) restore(id versionID) error {
	i := slices.IndexFunc(s.versions, func(v version) bool { return v.ours && v.id == id })
	v := s.versions[i]
	again := v
	again.number = s.last().number + 1
	if err := os.Rename(filepath.Join(s.dir, v.name()), filepath.Join(s.dir, again.name())); err != nil {
		return fmt.Errorf("remember version: %w", err)
	}
	s.versions = append(slices.Delete(s.versions, i, i+1), again)
	return nil
}

// lastBase is what whoever wrote the file most plausibly started from: the empty document if there is no version.
func (s *seen) lastBase() (lens.Base, error) {
	switch {
	case s.dir == "":
		return s.base, nil
	case s.last() == nil:
		return lens.Base{}, nil
	}
	return readBase(filepath.Join(s.dir, s.last().name()))
}

// stage prepares to remember a version that is about to take effect.
func (s *seen) stage(id versionID, ours bool, base lens.Base) error {
	v := version{number: 1, ours: ours, id: id}
	if s.last() != nil {
		v.number = s.last().number + 1
	}
	if s.dir == "" {
		s.next = base
	} else if err := writeBase(filepath.Join(s.dir, v.name()+stagedSuffix), base); err != nil {
		return fmt.Errorf("remember version: %w", err)
	}
	s.staged = &v
	return nil
}

// keep makes the staged version, which has taken effect, the last one.
func (s *seen) keep() error {
	v := *s.staged
	if s.dir != "" {
		path := filepath.Join(s.dir, v.name())
		if err := os.Rename(path+stagedSuffix, path); err != nil {
			return fmt.Errorf("remember version: %w", err)
		}
	}
	s.versions, s.staged = append(s.versions, v), nil
	s.base, s.next = s.next, lens.Base{}
	for len(s.versions) > remembered {
		if s.dir != "" {
			os.Remove(filepath.Join(s.dir, s.versions[0].name()))
		}
		s.versions = s.versions[1:]
	}
	return nil
}

// drop forgets the staged version.
func (s *seen) drop() {
	if s.staged != nil && s.dir != "" {
		os.Remove(filepath.Join(s.dir, s.staged.name()+stagedSuffix))
	}
	s.staged, s.next = nil, lens.Base{}
}

// writeBase writes a base, a line a record: the hash, and in named bases the record's name as a Go string literal.
func writeBase(path string, b lens.Base) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	var line []byte
	for _, sum := range b.Order {
		line = fmt.Appendf(line[:0], "%016x\n", sum)
		w.Write(line)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Named)) {
		line = fmt.Appendf(line[:0], "%016x ", b.Named[name])
		w.Write(append(strconv.AppendQuote(line, name), '\n'))
	}
	err = w.Flush()
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func readBase(path string) (b lens.Base, err error) {
	f, err := os.Open(path)
	if err != nil {
		return b, fmt.Errorf("remembered version: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<30)
	for lines.Scan() {
		hash, name, named := strings.Cut(lines.Text(), " ")
		sum, err := strconv.ParseUint(hash, 16, 64)
		if err == nil && named {
			name, err = strconv.Unquote(name)
		}
		if err != nil {
			return lens.Base{}, fmt.Errorf("remembered version %s: %w", path, fs.ErrInvalid)
		}
		if !named {
			b.Order = append(b.Order, sum)
			continue
		}
		if b.Named == nil {
			b.Named = map[string]uint64{}
		}
		b.Named[name] = sum
	}
	return b, lines.Err()
}
