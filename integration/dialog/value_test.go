package dialog

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func read(bytes string) (value, error) {
	return readValue(bufio.NewReaderSize(strings.NewReader(bytes), 16))
}

func TestRendering(t *testing.T) {
	for _, c := range []struct{ bytes, want string }{
		{"+OK\r\n", "OK"},
		{"+Background saving started\r\n", "Background saving started"},
		{"+1 <a>\r\n", `(status) "1 <a>"`},
		{"+\r\n", `(status) ""`},
		{"+OK \r\n", `(status) "OK "`},
		{"$2\r\nOK\r\n", `"OK"`},
		{"$5\r\na\x00\r\n\xff\r\n", `"a\x00\r\n\xff"`},
		{"$0\r\n\r\n", `""`},
		{"$-1\r\n", "(nil)"},
		{"*-1\r\n", "(null array)"},
		{"_\r\n", "(null)"},
		{":1\r\n", "(integer) 1"},
		{":-1\r\n", "(integer) -1"},
		{":\r\n", `(integer) ""`},
		{"-ERR it's\r\n", "(error) ERR it's"},
		{"-ERR x \r\n", `(error) "ERR x "`},
		{"-\"x\r\n", `(error) "\"x"`},
		{"-a => b\r\n", `(error) "a => b"`},
		{"-<any>\r\n", `(error) "<any>"`},
		{"!5\r\nERR x\r\n", `(blob error) "ERR x"`},
		{",1.5\r\n", "(double) 1.5"},
		{",inf\r\n", "(double) inf"},
		{"(123\r\n", "(big number) 123"},
		{"#t\r\n", "(true)"},
		{"#f\r\n", "(false)"},
		{"=6\r\ntxt:hi\r\n", `(verbatim txt) "hi"`},
		{"*0\r\n", "(empty array)"},
		{"~0\r\n", "(empty set)"},
		{"%0\r\n", "(empty map)"},
		{">0\r\n", "(empty push)"},
		{"*2\r\n*2\r\n+a\r\n*0\r\n:1\r\n", "1) 1) a\n   2) (empty array)\n2) (integer) 1"},
		{"*10\r\n" + strings.Repeat("_\r\n", 9) + "*2\r\n_\r\n_\r\n",
			"1) (null)\n2) (null)\n3) (null)\n4) (null)\n5) (null)\n6) (null)\n7) (null)\n8) (null)\n9) (null)\n10) 1) (null)\n    2) (null)"},
		{"~1\r\n$1\r\na\r\n", `1~ "a"`},
		{">2\r\n+m\r\n+n\r\n", "1> m\n2> n"},
		{"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*2\r\n:2\r\n%1\r\n+k\r\n+v\r\n",
			"1# \"a\" => (integer) 1\n2# \"b\" =>\n     1) (integer) 2\n     2) 1# k => v"},
	} {
		v, err := read(c.bytes)
		if err != nil {
			t.Errorf("%q: %v", c.bytes, err)
			continue
		}
		if d := cmp.Diff(c.want, strings.Join(v.render(), "\n")); d != "" {
			t.Errorf("%q (-want +got):\n%s", c.bytes, d)
		}
	}
}

func TestMalformedRepliesAreErrors(t *testing.T) {
	for bytes, want := range map[string]string{
		"\r\n":                         "no type",
		"x\r\n":                        "unknown reply type",
		"|1\r\n+a\r\n+b\r\n+c\r\n":     "unknown reply type",
		"+OK\n":                        "without CR",
		"$x\r\n":                       "bad length",
		"$03\r\nabc\r\n":               "bad length",
		"$-2\r\n":                      "bad length",
		"$99999999999\r\n":             "bad length",
		"~-1\r\n":                      "bad length",
		"%-1\r\n":                      "bad length",
		"*99999999\r\n":                "bad length",
		"$1\r\nabc":                    "no CRLF",
		"#x\r\n":                       "bad boolean",
		"_x\r\n":                       "null with text",
		"=3\r\nabc\r\n":                "without format",
		"=5\r\nT x:y\r\n":              "without format",
		"%1\r\n*1\r\n+a\r\n+b\r\n":     "aggregate as a key",
		strings.Repeat("*1\r\n", 1000): "nested deeper",
		"+" + strings.Repeat("x", 1e6): "buffer full",
		"+OK":                          "unexpected EOF",
		"$5\r\nab":                     "unexpected EOF",
		"*2\r\n+a\r\n":                 "unexpected EOF",
	} {
		if v, err := read(bytes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, error %v, want %s", bytes, v, err, want)
		}
	}
	if _, err := read(""); err != io.EOF {
		t.Errorf("no bytes: %v, want io.EOF", err)
	}
}

// encode is the inverse of readValue.
func encode(v value) string {
	text := v.text
	if v.kind == '=' {
		text = v.format + ":" + text
	}
	switch {
	case v.null:
		return string(v.kind) + "-1\r\n"
	case strings.ContainsRune("$!=", rune(v.kind)):
		return fmt.Sprintf("%c%d\r\n%s\r\n", v.kind, len(text), text)
	case perElement[v.kind] > 0:
		s := fmt.Sprintf("%c%d\r\n", v.kind, len(v.elems)/perElement[v.kind])
		for _, e := range v.elems {
			s += encode(e)
		}
		return s
	}
	return string(v.kind) + text + "\r\n"
}

// anyValue draws from few texts, so that values often differ by little.
func anyValue(depth int) *rapid.Generator[value] {
	return rapid.Custom(func(t *rapid.T) value {
		kinds := "+-:,($!=#_"
		if depth > 0 {
			kinds += "*~>%"
		}
		v := value{kind: rapid.SampledFrom([]byte(kinds)).Draw(t, "kind")}
		texts := []string{"", "a", "1", `"a"`, "(nil)", "<any>", "a => a", "a ", " ", `\`}
		switch v.kind {
		case '_':
		case '#':
			v.text = rapid.SampledFrom([]string{"t", "f"}).Draw(t, "text")
		case '$':
			v.null = rapid.Bool().Draw(t, "null")
			texts = append(texts, "a\r\n1) a")
		case '=':
			v.format = rapid.SampledFrom([]string{"txt", "mkd"}).Draw(t, "format")
		case '*', '~', '>', '%':
			v.elems = drawElements(t, v.kind, depth)
			v.null = v.kind == '*' && len(v.elems) == 0 && rapid.Bool().Draw(t, "null")
		}
		if !v.null && strings.ContainsRune("+-:,($!=", rune(v.kind)) {
			v.text = rapid.SampledFrom(texts).Draw(t, "text")
		}
		return v
	})
}

func drawElements(t *rapid.T, kind byte, depth int) []value {
	var elems []value
	for range rapid.IntRange(0, 2).Draw(t, "length") {
		if kind == '%' {
			elems = append(elems, anyValue(0).Draw(t, "key"))
		}
		elems = append(elems, anyValue(depth-1).Draw(t, "element"))
	}
	return elems
}

func TestReadingAndEncodingAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyValue(3).Draw(t, "v")
		got, err := read(encode(v))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(v, got, cmp.AllowUnexported(value{})); d != "" {
			t.Fatal(d)
		}
	})
}

// The invariant of the package: what reads alike is alike.
func TestRenderingIsLossless(t *testing.T) {
	seen := map[string]string{} // rendering to bytes
	rapid.Check(t, func(t *rapid.T) {
		v := anyValue(2).Draw(t, "v")
		text, bytes := strings.Join(v.render(), "\n"), encode(v)
		if old, ok := seen[text]; ok && old != bytes {
			t.Fatalf("%q and %q both read\n%s", old, bytes, text)
		}
		seen[text] = bytes
	})
}

// Nothing a server sends may be taken for a line that does something.
func TestAnswersCannotBeTakenForSources(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyValue(2).Draw(t, "v")
		if rapid.Bool().Draw(t, "status") {
			v = value{kind: '+', text: rapid.SampledFrom([]string{"a> x", "a<", "#close a", "# x", "-- resp3 --", "a>> x"}).Draw(t, "text")}
		}
		for _, line := range v.render() {
			if sourceLine.MatchString(line) || line == "" || line[0] == '#' || strings.HasPrefix(line, "-- ") || line == closed {
				t.Fatalf("%q", line)
			}
		}
	})
}

func TestReadingAnythingEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{"*", "%", "$", "+", "=", "1", "2", "-1", "txt:", "\r\n", "\n", "a", "99999999"})).Draw(t, "parts")
		r := bufio.NewReader(strings.NewReader(strings.Join(parts, "")))
		for {
			v, err := readValue(r)
			if err != nil {
				return
			}
			v.render()
		}
	})
}
