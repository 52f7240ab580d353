package glob

// maxStars is how many runs of '*', not counting one at the pattern's end, may
// take part in a match. Redis bounds its recursion there and calls everything
// beyond a mismatch; so do we, although nothing recurses here.
const maxStars = 1000

// Match reports whether all of s matches pattern; fold ignores the case of
// ASCII letters. Empty s matches only the empty pattern, not even "*": that is
// what Redis does.
func Match(pattern, s []byte, fold bool) bool {
	if len(s) == 0 {
		return len(pattern) == 0
	}
	// Only the last '*' seen needs to be retried with a longer run: what an
	// earlier one could gain by that, the last one has tried already.
	var retryPattern, retry []byte
	stars := 0
	for len(s) > 0 {
		if len(pattern) > 0 && pattern[0] == '*' {
			pattern = trimStars(pattern)
			if len(pattern) == 0 {
				return true
			}
			if stars++; stars > maxStars {
				return false
			}
			retryPattern, retry = pattern, s
			continue
		}
		if n, ok := matchOne(pattern, s[0], fold); ok {
			pattern, s = pattern[n:], s[1:]
			continue
		}
		if retry == nil {
			return false
		}
		retry = retry[1:]
		pattern, s = retryPattern, retry
	}
	return len(trimStars(pattern)) == 0
}

func trimStars(p []byte) []byte {
	for len(p) > 0 && p[0] == '*' {
		p = p[1:]
	}
	return p
}

// matchOne matches c against the first element of pattern, which is not a '*',
// and returns the length of that element.
func matchOne(pattern []byte, c byte, fold bool) (length int, ok bool) {
	if len(pattern) == 0 {
		return 0, false
	}
	switch {
	case pattern[0] == '?':
		return 1, true
	case pattern[0] == '[':
		return matchClass(pattern, c, fold)
	case pattern[0] == '\\' && len(pattern) > 1: // a lone backslash at the end stands for itself
		return 2, equal(pattern[1], c, fold)
	}
	return 1, equal(pattern[0], c, fold)
}

// matchClass matches c against the class at the start of pattern. Where Redis
// is odd, so is this: a class that is not closed ends with the pattern; a range
// takes any byte as its end, even ']' or '\'; an escaped byte never folds; the
// ends of a range fold after they are put in order, so [Z-a] is empty; and
// bytes from 0x80 are negative, as they are for Redis on x86.
func matchClass(pattern []byte, c byte, fold bool) (length int, ok bool) {
	p := pattern[1:]
	negate := len(p) > 0 && p[0] == '^'
	if negate {
		p = p[1:]
	}
	in := false
	for len(p) > 0 && p[0] != ']' {
		switch {
		case p[0] == '\\' && len(p) >= 2:
			in = in || p[1] == c
			p = p[2:]
		case len(p) >= 3 && p[1] == '-':
			in = in || within(int8(p[0]), int8(p[2]), int8(c), fold)
			p = p[3:]
		default:
			in = in || equal(p[0], c, fold)
			p = p[1:]
		}
	}
	if len(p) > 0 {
		p = p[1:] // the closing bracket
	}
	return len(pattern) - len(p), in != negate
}

func within(from, to, c int8, fold bool) bool {
	from, to = min(from, to), max(from, to)
	if fold {
		from, to, c = lower(from), lower(to), lower(c)
	}
	return from <= c && c <= to
}

func equal(a, b byte, fold bool) bool {
	return a == b || fold && lower(a) == lower(b)
}

func lower[B byte | int8](b B) B {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
