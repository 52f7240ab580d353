package config

import (
	"errors"
	"strings"
	"testing"
)

// Whatever stands in a file, reading it ends with settings or with an error of one line, and both know where they stand.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"dir: a\nlisteners:\n  - listen: :1\n    deny: [a, 'b']\n  - {read-only: true}\n", "a: &x [*x]\n", "dir: |\n  x\n", "? a\n: b\n",
		"%YAML 1.2\n---\n- - {a: [b\n", "dir: \"\\x41\\\n b\"\n", "<<: *a\r\n...\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := 1 + strings.Count(string(text), "\n") + strings.Count(string(text), "\r")
		inside := func(p Position) {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("%v is outside of %d lines", p, lines)
			}
		}
		file, err := Read("f.yaml", text, keys)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || strings.Contains(e.Text, "\n") {
				t.Fatalf("%T: %v", err, err)
			}
			inside(e.At)
			return
		}
		for _, s := range append(file.Listeners, file.Top) {
			inside(s.At)
			for _, v := range s.Values {
				inside(v.At)
			}
		}
	})
}
