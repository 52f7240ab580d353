package seen

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

// sketch is a base without its names: what is needed to tell how the next one differs.
type sketch struct {
	named []pair // ascending by key
	order []uint64
}

// pair is a record: the hash of its name, and the hash of its text.
type pair struct{ key, sum uint64 }

func keyOf(name string) uint64 { return xxhash.Sum64String(name) }

func sketchOf(b lens.Base) sketch {
	s := sketch{make([]pair, 0, len(b.Named)), slices.Clone(b.Order)}
	for name, sum := range b.Named {
		s.named = append(s.named, pair{keyOf(name), sum})
	}
	slices.SortFunc(s.named, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
	return s
}

// difference words what leads from one content to another, a line a record:
//
//   - SUM "name"   a record that is new or has changed
//   - KEY          one that is gone: the hash of its name
//     = FROM TO      in a sequence: these elements of the one before
//   - SUM          in a sequence: an element that is new
//
// A sequence is worded whole, a set of named records only as far as it differs.
func difference(from sketch, to lens.Base) []byte {
	old := func(key uint64) (sum uint64, ok bool) {
		i, ok := slices.BinarySearchFunc(from.named, key, func(p pair, key uint64) int { return cmp.Compare(p.key, key) })
		if ok {
			sum = from.named[i].sum
		}
		return sum, ok
	}
	kept := map[uint64]struct{}{}
	var changed []string
	size := 0 // of their lines
	for name, sum := range to.Named {
		key := keyOf(name)
		was, ok := old(key)
		if ok {
			kept[key] = struct{}{}
		}
		if !ok || was != sum {
			changed = append(changed, name)
			size += len("+ 0123456789abcdef \n") + len(name) + len(`""`)
		}
	}
	slices.Sort(changed)
	lines := make([]byte, 0, size)
	for _, name := range changed {
		lines = fmt.Appendf(lines, "+ %016x ", to.Named[name])
		lines = append(strconv.AppendQuote(lines, name), '\n')
	}
	for _, p := range from.named {
		if _, ok := kept[p.key]; !ok {
			lines = fmt.Appendf(lines, "- %016x\n", p.key)
		}
	}
	return appendOrder(lines, from.order, to.Order)
}

// appendOrder words a sequence in elements of the one before, in runs that ascend.
func appendOrder(lines []byte, from, to []uint64) []byte {
	var places map[uint64][]int // made when it is needed
	next := 0                   // of from: what is before it is used or passed over
	for i := 0; i < len(to); {
		at := -1
		if next < len(from) && from[next] == to[i] {
			at = next
		} else if next < len(from) {
			if places == nil {
				places = map[uint64][]int{}
				for at, sum := range from {
					places[sum] = append(places[sum], at)
				}
			}
			all := places[to[i]]
			if n, _ := slices.BinarySearch(all, next); n < len(all) {
				at = all[n]
			}
		}
		if at < 0 {
			lines = fmt.Appendf(lines, "+ %016x\n", to[i])
			i++
			continue
		}
		for next = at; next < len(from) && i < len(to) && from[next] == to[i]; {
			next, i = next+1, i+1
		}
		lines = fmt.Appendf(lines, "= %d %d\n", at, next)
	}
	return lines
}

// content is a version as it is put together, difference by difference.
type content struct {
	named map[uint64]record
	order []uint64
	far   *distance // told of every change; nil = nobody asks
}

type record struct {
	name string
	sum  uint64
}

func newContent() *content { return &content{named: map[uint64]record{}} }

// apply does what difference worded.
func (c *content) apply(lines []byte) error {
	var order []uint64
	used := 0
	drop := func(to int) {
		for ; used < to; used++ {
			c.far.element(c.order[used], -1)
		}
	}
	for line := range bytes.Lines(lines) {
		text := strings.TrimSuffix(string(line), "\n")
		kind, rest, ok := strings.Cut(text, " ")
		word, name, named := strings.Cut(rest, " ")
		switch {
		case !ok:
			return fs.ErrInvalid
		case kind == "=":
			from, err := strconv.Atoi(word)
			to, err2 := strconv.Atoi(name)
			if err != nil || err2 != nil || from < used || to < from || to > len(c.order) {
				return fs.ErrInvalid
			}
			drop(from)
			order, used = append(order, c.order[from:to]...), to
			continue
		}
		n, err := strconv.ParseUint(word, 16, 64)
		if err == nil && named {
			name, err = strconv.Unquote(name)
		}
		switch {
		case err != nil:
			return fs.ErrInvalid
		case kind == "+" && named:
			c.put(keyOf(name), record{name, n})
		case kind == "+":
			order = append(order, n)
			c.far.element(n, +1)
		case kind == "-" && !named:
			c.far.gone(n)
			delete(c.named, n)
		default:
			return fs.ErrInvalid
		}
	}
	drop(len(c.order))
	c.order = order
	return nil
}

func (c *content) put(key uint64, r record) {
	c.far.named(key, r.sum)
	c.named[key] = r
}

func (c *content) base() lens.Base {
	b := lens.Base{Named: make(map[string]uint64, len(c.named)), Order: c.order}
	for _, r := range c.named {
		b.Named[r.name] = r.sum
	}
	return b
}

func (c *content) sketch() sketch {
	s := sketch{make([]pair, 0, len(c.named)), c.order}
	for key, r := range c.named {
		s.named = append(s.named, pair{key, r.sum})
	}
	slices.SortFunc(s.named, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
	return s
}

// distance is how many records differ between a document and a content that is put together. Of a sequence the order
// does not matter: whoever appended or dropped something has changed that many elements.
type distance struct {
	doc   map[uint64]uint64
	have  map[uint64]uint64
	count map[uint64]int // of an element: how often it is in the document, less how often in the content
	n     int
}

func distanceTo(doc lens.Base) *distance {
	d := &distance{doc: make(map[uint64]uint64, len(doc.Named)), have: map[uint64]uint64{}, count: map[uint64]int{}}
	for name, sum := range doc.Named {
		d.doc[keyOf(name)] = sum
	}
	for _, sum := range doc.Order {
		d.count[sum]++
	}
	d.n = len(doc.Named) + len(doc.Order)
	return d
}

func (d *distance) differs(key uint64) int {
	want, wanted := d.doc[key]
	if have, has := d.have[key]; has != wanted || have != want {
		return 1
	}
	return 0
}

func (d *distance) named(key, sum uint64) {
	if d != nil {
		d.n -= d.differs(key)
		d.have[key] = sum
		d.n += d.differs(key)
	}
}

func (d *distance) gone(key uint64) {
	if d != nil {
		d.n -= d.differs(key)
		delete(d.have, key)
		d.n += d.differs(key)
	}
}

func (d *distance) element(sum uint64, change int) {
	if d != nil {
		d.n -= abs(d.count[sum])
		d.count[sum] -= change
		d.n += abs(d.count[sum])
	}
}

func abs(n int) int { return max(n, -n) }
