package dialog

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mask hides what depends on clock or chance, if it has the form it should.
type mask struct {
	kind   string         // "int"
	path   []int          // place of the value; 0 is every place at its level; empty is the whole answer
	name   string         // or: the name the value follows
	within *regexp.Regexp // or: the part of a text, its first group if it has one
}

// forms of what may be hidden.
var forms = map[string]*regexp.Regexp{
	"int":   regexp.MustCompile(`^[0-9]+$`),
	"id":    regexp.MustCompile(`^[0-9]+-[0-9]+$`),
	"float": regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`),
	"any":   regexp.MustCompile(`(?s)^.*$`),
}

// parseMasks reads what stands behind "#mask": a kind and where to apply it.
func parseMasks(line string) ([]mask, error) {
	line, pattern, hasPattern := strings.Cut(line, " /")
	words := strings.Fields(line)
	if len(words) == 0 || forms[words[0]] == nil {
		return nil, fmt.Errorf("#mask needs one of int, id, float, any")
	}
	kind := words[0]
	var masks []mask
	for _, where := range words[1:] {
		m := mask{kind: kind}
		if name, ok := strings.CutSuffix(where, ":"); ok {
			m.name = name
		} else if path, err := parsePath(where); err == nil {
			m.path = path
		} else {
			return nil, err
		}
		masks = append(masks, m)
	}
	if hasPattern {
		expr, ok := strings.CutSuffix(pattern, "/")
		within, err := regexp.Compile(expr)
		if !ok || err != nil {
			return nil, fmt.Errorf("bad pattern /%s", pattern)
		}
		masks = append(masks, mask{kind: kind, within: within})
	}
	if masks == nil {
		masks = []mask{{kind: kind}}
	}
	return masks, nil
}

// parsePath reads a place such as 2.*.1.
func parsePath(s string) ([]int, error) {
	var path []int
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(part)
		switch {
		case part == "*":
			n = 0
		case err != nil || n < 1:
			return nil, fmt.Errorf("bad place %q in an answer", s)
		}
		path = append(path, n)
	}
	return path, nil
}

// apply hides in v what m says. It fails where there is nothing to hide.
func (m mask) apply(v *value) error {
	var hidden int
	var err error
	switch {
	case m.within != nil:
		hidden, err = m.hideWithin(v)
	case m.name != "":
		hidden, err = m.hideNamed(v)
	default:
		hidden, err = m.hideAt(v, m.path)
	}
	if err == nil && hidden == 0 {
		err = fmt.Errorf("#mask %s finds nothing to hide", m.kind)
	}
	return err
}

// hide masks the whole of v.
func (m mask) hide(v *value) error {
	fits := !v.null && v.kind != '_'
	if m.kind != "any" {
		fits = fits && strings.ContainsRune("+:$,=", rune(v.kind)) && forms[m.kind].MatchString(v.text)
	}
	if !fits {
		return fmt.Errorf("#mask %s does not fit %s", m.kind, strings.Join(v.render(), " "))
	}
	v.masked = "<" + m.kind + ">"
	return nil
}

func (m mask) hideAt(v *value, path []int) (hidden int, err error) {
	if len(path) == 0 {
		return 1, m.hide(v)
	}
	for i := range v.elems {
		if path[0] != 0 && path[0] != i+1 {
			continue
		}
		n, err := m.hideAt(&v.elems[i], path[1:])
		if hidden += n; err != nil {
			return hidden, err
		}
	}
	return hidden, nil
}

// hideNamed knows maps, and lists of names and values as RESP2 has for them.
func (m mask) hideNamed(v *value) (hidden int, err error) {
	for i := range v.elems {
		e := &v.elems[i]
		n := 0
		if i%2 == 1 && v.elems[i-1].text == m.name {
			n, err = 1, m.hide(e)
		} else {
			n, err = m.hideNamed(e)
		}
		if hidden += n; err != nil {
			return hidden, err
		}
	}
	return hidden, nil
}

func (m mask) hideWithin(v *value) (hidden int, err error) {
	for i := range v.elems {
		n, err := m.hideWithin(&v.elems[i])
		if hidden += n; err != nil {
			return hidden, err
		}
	}
	if v.aggregate() || v.null {
		return hidden, nil
	}
	var b strings.Builder
	end := 0
	for _, at := range m.within.FindAllStringSubmatchIndex(v.text, -1) {
		if at = at[len(at)-2:]; at[0] < 0 {
			continue // an optional group that matched nothing
		}
		part := v.text[at[0]:at[1]]
		if !forms[m.kind].MatchString(part) {
			return hidden, fmt.Errorf("#mask %s does not fit %q", m.kind, part)
		}
		b.WriteString(v.text[end:at[0]] + "<" + m.kind + ">")
		end = at[1]
		hidden++
	}
	if end > 0 {
		v.text, v.edited = b.String()+v.text[end:], true
	}
	return hidden, nil
}

// order says which elements of an answer Redis may send in any order.
type order struct {
	path  []int
	pairs bool
}

func parseOrder(line string) (order, error) {
	var o order
	words := strings.Fields(line)
	if len(words) > 0 && words[0] == "pairs" {
		o.pairs, words = true, words[1:]
	}
	if len(words) > 1 {
		return o, fmt.Errorf("#sorted takes one place")
	}
	var err error
	if len(words) == 1 {
		o.path, err = parsePath(words[0])
	}
	return o, err
}

// apply sorts the elements of the aggregate at the order's place, by their
// text; maps are sorted by their keys. An error in place of the answer, or
// nothing, has no order.
func (o order) apply(v *value) { o.sortAt(v, o.path) }

func (o order) sortAt(v *value, path []int) {
	for i := range v.elems {
		if len(path) > 0 && (path[0] == 0 || path[0] == i+1) {
			o.sortAt(&v.elems[i], path[1:])
		}
	}
	if len(path) > 0 {
		return
	}
	size := 1
	if o.pairs || v.kind == '%' {
		size = 2
	}
	groups := slices.Collect(slices.Chunk(v.elems, size))
	slices.SortStableFunc(groups, func(a, b []value) int {
		return slices.Compare(a[0].render(), b[0].render())
	})
	v.elems = slices.Concat(groups...)
}
