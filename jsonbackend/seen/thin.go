package seen

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// thinOut writes the text anew with fewer versions: of the older half every second goes. That comes again and again, so the
// older a version is, the further it is from the next that is remembered.
func (h *History) thinOut() error {
	text, err := h.read()
	if err != nil {
		return err
	}
	var all []block
	for b := range blocks(text) {
		if len(all) < len(h.versions) && b.Number == h.versions[len(all)].Number {
			all = append(all, b)
		}
	}
	if len(all) > 0 {
		all = thinned(all, h.fullAt()/5*4)
	}
	var next []byte
	versions := make([]Version, 0, len(all))
	for _, b := range all {
		next = append(next, blockOf(b.Version, b.lines)...)
		next = fmt.Appendf(next, "keep %d\n", b.Number)
		versions = append(versions, b.Version)
	}
	if h.disk != nil {
		h.Close()
		if err := disk.ReplaceFile(h.disk, h.path, h.path+".new", next, 0o600); err != nil {
			h.disk.Remove(h.path + ".new")
			return err
		}
	} else {
		h.text = next
	}
	h.torn, h.versions, h.size = false, versions, len(next)
	return nil
}

// foreign is how many of the newest versions that somebody else wrote are kept like young ones: who wrote one is the
// likeliest to write again, and starts from it.
const foreign = 256

// thinned folds versions into those that follow them, until the text has the size or only the newest is left.
func thinned(all []block, size int) []block {
	for young := len(all) / 2; total(all) > size && len(all) > 1; {
		left := halved(all, young)
		if len(left) == len(all) {
			young /= 2
		}
		all = left
	}
	return all
}

func total(all []block) (n int) {
	for _, b := range all {
		n += len(b.lines) + len("version 1234567 published \nend 01234567\nkeep 1234567\n") + 2*len(ID{})
	}
	return n
}

// halved folds every second version that is not young into the next one.
func halved(all []block, young int) (left []block) {
	theirs := 0
	keep := make([]bool, len(all))
	for i := len(all) - 1; i >= 0; i-- {
		keep[i] = i >= len(all)-max(1, young)
		if all[i].Kind != Published && theirs < min(young, foreign) {
			keep[i] = true
			theirs++
		}
	}
	odd := false
	var folded []byte
	for i, b := range all {
		if folded != nil {
			b.lines, folded = compose(folded, b.lines), nil
		}
		if !keep[i] {
			if odd = !odd; odd {
				folded = append([]byte{}, b.lines...)
				continue
			}
		}
		left = append(left, b)
	}
	return left
}

// compose words two differences, one after the other, as one.
func compose(first, second []byte) []byte {
	named := map[uint64]string{} // the line of each record that changes
	before := parts(first, named)
	var order []part
	for _, p := range parts(second, named) {
		order = append(order, p.of(before)...)
	}
	var lines []byte
	for _, key := range slices.Sorted(maps.Keys(named)) {
		lines = append(lines, named[key]...)
	}
	for len(order) > 0 {
		p := order[0]
		for order = order[1:]; len(order) > 0 && order[0].follows(p); order = order[1:] {
			p.to = order[0].to
		}
		lines = p.append(lines)
	}
	return lines
}

// part is a line of a sequence: elements of the one before, or one that is new.
type part struct {
	from, to int
	line     string // of one that is new, else ""
}

// parts reads the lines of a difference: those of named records into named, the others in order.
func parts(lines []byte, named map[uint64]string) (order []part) {
	for l := range bytes.Lines(lines) {
		line := string(l)
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		word, name, two := strings.Cut(rest, " ")
		switch {
		case kind == "=":
			from, _ := strconv.Atoi(word)
			to, _ := strconv.Atoi(name)
			order = append(order, part{from: from, to: to})
		case kind == "+" && two:
			name, _ := strconv.Unquote(name)
			named[keyOf(name)] = line
		case kind == "+":
			order = append(order, part{to: 1, line: line})
		case kind == "-":
			key, _ := strconv.ParseUint(word, 16, 64)
			named[key] = line
		}
	}
	return order
}

// of words a part of a sequence in parts of the one before that one.
func (p part) of(before []part) (parts []part) {
	if p.line != "" {
		return []part{p}
	}
	at := 0
	for _, b := range before {
		size := b.to - b.from
		from, to := max(p.from, at), min(p.to, at+size)
		if from < to && b.line == "" {
			parts = append(parts, part{from: b.from + from - at, to: b.from + to - at})
		} else if from < to {
			parts = append(parts, b)
		}
		at += size
	}
	return parts
}

// follows reports whether p begins where q ends.
func (p part) follows(q part) bool { return p.line == "" && q.line == "" && p.from == q.to }

func (p part) append(lines []byte) []byte {
	if p.line != "" {
		return append(lines, p.line...)
	}
	return fmt.Appendf(lines, "= %d %d\n", p.from, p.to)
}
