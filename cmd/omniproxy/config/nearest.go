package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// unknown says that there is no such setting, and which one may be meant. What does not look like a name is not shown: it
// may be a value that went astray.
func (r *reader) unknown(name string, listener bool) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-_ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || len(name) > 40 || name == "" {
		return "this is no name of a setting; omniproxy --help lists them"
	}
	known := slices.Collect(maps.Keys(r.keys))
	if !listener {
		known = append(known, listeners)
	}
	if meant := Nearest(name, known); meant != "" {
		return fmt.Sprintf("there is no setting %s: did you mean %s?", name, meant)
	}
	return fmt.Sprintf("there is no setting %s; omniproxy --help lists them", name)
}

// Nearest returns the one of words that name is most likely meant to be, "" if it resembles none.
func Nearest(name string, words []string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	best, distance := "", 1+len(name)/3
	for _, word := range slices.Sorted(slices.Values(words)) {
		if d := edits(name, word); d < distance || d == distance && best == "" {
			best, distance = word, d
		}
	}
	return best
}

// edits is how many letters must be put in, taken out, exchanged for another or for their neighbour to make b of a.
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
