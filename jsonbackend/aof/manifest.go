package aof

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Names of files are Redis' with its default appendfilename.
const (
	fileName     = "appendonly.aof"
	manifestName = fileName + ".manifest"
	tempPrefix   = "temp-"
	baseInfix    = ".base"
	incrInfix    = ".incr"
	dirField     = "#directory " // of a manifest: the directory's ID
	copyLine     = "#copy"       // of a manifest: nobody has called Adopted since the directory was copied
)

// maxManifest is the most bytes of a manifest that are read: 50 bytes a file make room for 20,000 files.
const maxManifest = 1 << 20

// entry is a line of a manifest.
type entry struct {
	name string
	seq  int64 // the number in the name
}

// manifest says which files are the log: base, then the increments in their order. History are files that were
// replaced and wait for their removal.
type manifest struct {
	base    entry // the zero entry if there is none
	history []entry
	incrs   []entry
	dir     uint64 // [disk.Info].ID of the directory it was written to; 0 = it does not say
	copy    bool   // the directory is a copy that nobody has adopted
}

// baseEntry names the n-th base.
func baseEntry(n int64) entry { return entry{fmt.Sprintf("%s.%d%s.aof", fileName, n, baseInfix), n} }

// incrEntry names the n-th increment.
func incrEntry(n int64) entry { return entry{fmt.Sprintf("%s.%d%s.aof", fileName, n, incrInfix), n} }

// files returns the files to replay, in order.
func (m manifest) files() []entry {
	if m.base.name == "" {
		return m.incrs
	}
	return append([]entry{m.base}, m.incrs...)
}

// names reports whether the manifest mentions a file.
func (m manifest) names(name string) bool {
	is := func(e entry) bool { return e.name == name }
	return is(m.base) || slices.ContainsFunc(m.history, is) || slices.ContainsFunc(m.incrs, is)
}

// String renders the manifest as Redis does: base, history, increments. Redis takes the lines about the directory for
// comments.
func (m manifest) String() string {
	var b strings.Builder
	if m.dir != 0 {
		fmt.Fprintf(&b, "%s%d\n", dirField, m.dir)
	}
	if m.copy {
		b.WriteString(copyLine + "\n")
	}
	line := func(e entry, kind byte) { fmt.Fprintf(&b, "file %s seq %d type %c\n", e.name, e.seq, kind) }
	if m.base.name != "" {
		line(m.base, 'b')
	}
	for _, e := range m.history {
		line(e, 'h')
	}
	for _, e := range m.incrs {
		line(e, 'i')
	}
	return b.String()
}

// parseManifest reads a manifest. As in Redis, lines that begin with '#' are comments and keys it does not know are
// skipped. Quoted names are refused: Redis quotes only names that no appendonly.aof has.
func parseManifest(text string) (manifest, error) {
	var m manifest
	var last int64
	if text == "" {
		return m, errors.New("empty manifest")
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, dirField); ok {
			m.dir, _ = strconv.ParseUint(rest, 10, 64)
		}
		m.copy = m.copy || line == copyLine
		if strings.HasPrefix(line, "#") {
			continue
		}
		e, kind, err := parseEntry(strings.Fields(line))
		switch {
		case err != nil:
		case kind == "b" && m.base.name != "":
			err = errors.New("a second base")
		case kind == "b":
			m.base = e
		case kind == "h":
			m.history = append(m.history, e)
		case kind == "i" && e.seq <= last:
			err = fmt.Errorf("increment %d follows %d", e.seq, last)
		case kind == "i":
			m.incrs, last = append(m.incrs, e), e.seq
		default:
			err = fmt.Errorf("unknown type %q", kind)
		}
		if err != nil {
			return m, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return m, nil
}

// parseEntry reads the words of a line: file NAME seq N type b|h|i.
func parseEntry(words []string) (e entry, kind string, err error) {
	if len(words) < 6 || len(words)%2 != 0 {
		return e, "", errors.New("not of the form: file NAME seq N type T")
	}
	for i := 0; i < len(words); i += 2 {
		switch value := words[i+1]; strings.ToLower(words[i]) {
		case "file":
			e.name = value
		case "seq":
			e.seq, err = strconv.ParseInt(value, 10, 64)
		case "type":
			kind = value
		}
	}
	switch {
	case err != nil || e.seq <= 0:
		return e, "", errors.New("no valid seq")
	case e.name == "" || strings.ContainsAny(e.name, `/\"'`):
		return e, "", fmt.Errorf("%q is not a plain file name", e.name)
	case kind == "":
		return e, "", errors.New("no type")
	}
	return e, kind, nil
}

// loadManifest reads the manifest of d. Without one the error is fs.ErrNotExist.
func loadManifest(d folder) (manifest, error) {
	f, err := d.open(manifestName, os.O_RDONLY)
	if err != nil {
		return manifest{}, fmt.Errorf("open append-only manifest: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return manifest{}, fmt.Errorf("read %s: %w", manifestName, err)
	}
	m, err := parseManifest(string(text))
	if err != nil {
		return manifest{}, fmt.Errorf("read %s: %w", manifestName, err)
	}
	return m, nil
}
