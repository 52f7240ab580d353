package tool

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Baseline are findings that are known and left alone, by identity.
type Baseline map[string]bool

// Identity is a finding without what changes from one run to the next: its rule, and where it is, but for the source.
func (p Problem) Identity() string {
	words := []string{p.Rule.String(), strconv.QuoteToASCII(p.Key)}
	if p.Key == "" && p.At.Line > 0 {
		words[1] = strconv.QuoteToASCII(filepath.Base(p.At.File))
	}
	for _, part := range []struct{ name, value string }{{"field", p.Field}, {"member", p.Member}, {"entry", p.Entry}} {
		if part.value != "" {
			words = append(words, part.name+"="+strconv.QuoteToASCII(part.value))
		}
	}
	return strings.Join(words, " ")
}

const baselineHead = "# Findings that omniproxy validate --baseline leaves alone, one a line.\n"

// ReadBaseline reads what WriteBaseline wrote.
func ReadBaseline(from io.Reader) (Baseline, error) {
	b := Baseline{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, "OMN"):
			return nil, fmt.Errorf("line %d is no finding", n)
		default:
			b[line] = true
		}
	}
	return b, lines.Err()
}

// WriteBaseline writes findings as a baseline.
func WriteBaseline(to io.Writer, problems []Problem) error {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Identity()+"\n")
	}
	slices.Sort(lines)
	_, err := io.WriteString(to, baselineHead+strings.Join(slices.Compact(lines), ""))
	return err
}
