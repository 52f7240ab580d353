package aof

import "slices"

// A directory may be copied file by file while its log is written, in any order. Of the files that were there when that
// began the copy holds each, with at least what it held then; of later ones perhaps the manifest alone. So what a copy
// lacks was written after the copy began, and the log ends before it. A directory that is no copy has no such excuse.

// copied reports whether the manifest was written to another directory than the one with that ID.
func (m manifest) copied(id uint64) bool { return m.dir != 0 && id != 0 && m.dir != id }

// present returns what a copy that has the files in names can be started from: the newest base that is there, and the
// increments that follow it, up to the first that is not there. Bases and increments that a rewrite replaced follow each
// other in the history.
func (m manifest) present(names []string) manifest {
	there := func(e entry) bool { return slices.Contains(names, e.name) }
	all := slices.Concat(m.history, []entry{m.base}, m.incrs)
	for i := len(m.history); i >= 0; i-- {
		if numberIn(all[i].name, baseInfix) == 0 || !there(all[i]) {
			continue
		}
		left := manifest{base: all[i], history: all[:i], dir: m.dir}
		for _, e := range all[i+1:] {
			if numberIn(e.name, baseInfix) > 0 {
				left.history = append(slices.Clone(left.history), e)
				continue
			}
			if !there(e) {
				break
			}
			left.incrs = append(left.incrs, e)
		}
		return left
	}
	return m // a start that looks for the base says what is missing
}

// before returns the increments before e.
func (m manifest) before(e entry) []entry { return slices.Clone(m.incrs[:slices.Index(m.incrs, e)]) }
