package dialog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// look renders a reply as the directives say.
func look(t *testing.T, bytes string, directives ...string) (string, error) {
	t.Helper()
	v, err := read(bytes)
	if err != nil {
		t.Fatal(err)
	}
	s := &step{}
	for _, d := range directives {
		if err := s.parseDirective(d); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := s.look(v)
	return strings.Join(lines, "\n"), err
}

func TestMasksHideWhatTheyName(t *testing.T) {
	const pending = "*2\r\n*3\r\n$3\r\n1-1\r\n$1\r\nc\r\n:12\r\n*3\r\n$3\r\n2-1\r\n$1\r\nc\r\n:34\r\n"
	for _, c := range []struct {
		bytes, directive, want string
	}{
		{":99\r\n", "#mask int", "(integer) <int>"},
		{"$2\r\n99\r\n", "#mask int", "(bulk) <int>"},
		{"$3\r\n1-0\r\n", "#mask id", "(bulk) <id>"},
		{",1.5\r\n", "#mask float", "(double) <float>"},
		{"+a\r\n", "#mask any", "(status) <any>"},
		{"*1\r\n+a\r\n", "#mask any", "(array) <any>"},
		{"-ERR\r\n", "#mask any", "(error) <any>"},
		{pending, "#mask int *.3", "1) 1) \"1-1\"\n   2) \"c\"\n   3) (integer) <int>\n2) 1) \"2-1\"\n   2) \"c\"\n   3) (integer) <int>"},
		{pending, "#mask id 1.1 2.1", "1) 1) (bulk) <id>\n   2) \"c\"\n   3) (integer) 12\n2) 1) (bulk) <id>\n   2) \"c\"\n   3) (integer) 34"},
		{"*2\r\n$4\r\nidle\r\n:5\r\n", "#mask int idle:", "1) \"idle\"\n2) (integer) <int>"},
		{"*1\r\n%1\r\n$4\r\nidle\r\n:5\r\n", "#mask int idle:", "1) 1# \"idle\" => (integer) <int>"},
		{"$9\r\nid=5 fd=6\r\n", `#mask int /\b(?:id|fd)=(\d+)/`, `(masked bulk) "id=<int> fd=<int>"`},
		{"=8\r\ntxt:id=5\r\n", `#mask any /=(.)/`, `(masked verbatim txt) "id=<any>"`},
		{"*2\r\n$1\r\n7\r\n$1\r\na\r\n", `#mask int /^\d+$/`, "1) (masked bulk) \"<int>\"\n2) \"a\""},
	} {
		got, err := look(t, c.bytes, c.directive)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", c.directive, err, d)
		}
	}
}

func TestMasksDoNotHideAnotherForm(t *testing.T) {
	for _, c := range []struct{ bytes, directive, want string }{
		{":-1\r\n", "#mask int", "does not fit"},
		{"-ERR 5\r\n", "#mask int", "does not fit"},
		{"$-1\r\n", "#mask int", "does not fit"},
		{"$-1\r\n", "#mask any", "does not fit"},
		{"_\r\n", "#mask any", "does not fit"},
		{"$1\r\n1\r\n", "#mask id", "does not fit"},
		{"$3\r\n1.x\r\n", "#mask float", "does not fit"},
		{"*1\r\n:5\r\n", "#mask int", "does not fit"},
		{"*1\r\n:5\r\n", "#mask int 2", "nothing to hide"},
		{":5\r\n", "#mask int 1", "nothing to hide"},
		{"*2\r\n:5\r\n:5\r\n", "#mask int idle:", "nothing to hide"},
		{"$3\r\nabc\r\n", "#mask int /[0-9]+/", "nothing to hide"},
		{"$4\r\nid=x\r\n", "#mask int /id=(.)/", "does not fit"},
	} {
		got, err := look(t, c.bytes, c.directive)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %s: %s, error %v, want %s", c.bytes, c.directive, got, err, c.want)
		}
	}
}

func TestSortedTakesTheOrderAway(t *testing.T) {
	for _, c := range []struct{ bytes, directive, want string }{
		{"*3\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nb\r\n", "#sorted", "1) \"a\"\n2) \"b\"\n3) \"c\""},
		{"~2\r\n$1\r\nb\r\n$1\r\na\r\n", "#sorted", "1~ \"a\"\n2~ \"b\""},
		{"*4\r\n$1\r\nb\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n2\r\n", "#sorted pairs", "1) \"a\"\n2) \"2\"\n3) \"b\"\n4) \"1\""},
		{"%2\r\n$1\r\nb\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n2\r\n", "#sorted pairs", "1# \"a\" => \"2\"\n2# \"b\" => \"1\""},
		{"*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\na\r\n", "#sorted 2", "1) \"0\"\n2) 1) \"a\"\n   2) \"b\""},
		{"*2\r\n*2\r\n+b\r\n+a\r\n*2\r\n+d\r\n+c\r\n", "#sorted *", "1) 1) a\n   2) b\n2) 1) c\n   2) d"},
		{"*0\r\n", "#sorted", "(empty array)"},
		{"-ERR\r\n", "#sorted", "(error) ERR"},
		{"*3\r\n+b\r\n+x\r\n+a\r\n", "#sorted pairs", "1) a\n2) b\n3) x"},
	} {
		got, err := look(t, c.bytes, c.directive)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", c.directive, err, d)
		}
	}
}
