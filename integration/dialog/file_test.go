package dialog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const flat = `# A title
# of two lines.

# A comment.
a> GET k
"v"

#mask int
#save id
a> CLIENT ID
(integer) <int>
b> CLIENT KILL ID $id
(integer) 1
a<
(closed)
# The end.
`

const sectioned = `# A title.
-- resp2 --
# A comment.
a> GET k
(nil)

b>+ MULTI
OK
b> EXEC
(empty array)
-- resp3 --
a> GET k
(null)

b>+ MULTI
OK
b> EXEC
(empty array)
`

func TestFormatKeepsWhatWasParsed(t *testing.T) {
	for _, text := range []string{flat, sectioned} {
		f, err := Parse("d.txtar", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(text, string(f.Format())); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestFormatTidies(t *testing.T) {
	f, err := Parse("d.txtar", []byte("# A title.\na> GET k\n\"v\"\n\n\n# x\n\n\na> GET l\n\"w\"\n\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "# A title.\n\na> GET k\n\"v\"\n\n# x\n\na> GET l\n\"w\"\n"
	if d := cmp.Diff(want, string(f.Format())); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestSectionsThatBecomeAlikeAreJoined(t *testing.T) {
	f, err := Parse("d.txtar", []byte(strings.Replace(sectioned, "(null)", "(nil)", 1)))
	if err != nil {
		t.Fatal(err)
	}
	want := "# A title.\n\n# A comment.\na> GET k\n(nil)\n\nb>+ MULTI\nOK\nb> EXEC\n(empty array)\n"
	if d := cmp.Diff(want, string(f.Format())); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestMistakesAreReportedWithTheirLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a> GET k\n", "d:1: a dialog begins with a comment"},
		{"# t\n\nwhat?\n", "d:3: an answer where none is expected: what?"},
		{"# t\na> GET k\n\n(nil)\n", "d:4: an answer where none is expected"},
		{"# t\n#silent\na> GET k\n(nil)\n", "d:4: an answer where none is expected"},
		{"# t\na> GET k &\n(nil)\na<\n", "d:3: an answer where none is expected"},
		{"# t\na>> \"PING\"\nPONG\n", "d:3: an answer where none is expected"},
		{"# t\n#close a\nOK\n", "d:3: an answer where none is expected"},
		{"# t\n#Sorted\na> GET k\n", "d:2: unknown directive #Sorted"},
		{"# t\n#mask number\na> GET k\n", "d:2: #mask needs one of"},
		{"# t\n#mask int x\na> GET k\n", "d:2: bad place \"x\""},
		{"# t\n#mask int 0\na> GET k\n", "d:2: bad place \"0\""},
		{"# t\n#mask int /(/\na> GET k\n", "d:2: bad pattern"},
		{"# t\n#mask int /x\na> GET k\n", "d:2: bad pattern"},
		{"# t\n#sorted 1 2\na> GET k\n", "d:2: #sorted takes one place"},
		{"# t\n#sorted x\na> GET k\n", "d:2: bad place"},
		{"# t\n#save\na> GET k\n", "d:2: #save needs a name"},
		{"# t\n#sorted\n\na> GET k\n", "d:3: a directive stands directly above"},
		{"# t\na> GET k\n#sorted\n", "d:3: directive without a line"},
		{"# t\n#sorted\na> GET k &\n", "d:3: directive does not fit"},
		{"# t\n#silent\na<\n", "d:3: directive does not fit"},
		{"# t\n#silent\n#mask any\na> GET k\n", "d:4: directive does not fit"},
		{"# t\na> \n", "d:2: a says nothing"},
		{"# t\na> GET \"k\n", "d:2: quote is not closed"},
		{"# t\na>> PING\n", "d:2: raw bytes must be quoted"},
		{"# t\na< OK\n", "d:2: text after a<"},
		{"# t\na> GET k &\na> GET k\n", "d:3: a is parked"},
		{"# t\na> GET k &\n", "d:2: a is still parked at the end"},
		{"# t\na>+ GET k &\na<\n", "d:2: a cannot park before its last line"},
		{"# t\na>+ GET k\n(nil)\nb> GET k\n", "d:4: a>+ needs a's next line"},
		{"# t\na>+ GET k\n(nil)\na<\n", "d:4: a>+ needs a's next line"},
		{"# t\na>+ GET k\n(nil)\n", "d:3: a>+ needs a's next line"},
		{"# t\na> GET $id\n", "d:2: $id was not saved"},
		{"# t\na> GET k\n-- resp2 --\na> GET k\n", "d:2: commands stand either before"},
		{"# t\n-- resp3 --\na> GET k\n", "d:2: sections are resp2 and resp3"},
		{"# t\n-- resp2 --\n-- agents.json --\n", "d:3: sections are resp2 and resp3"},
		{"# t\n-- resp2 --\n-- resp3 --\n-- resp3 --\n", "d:4: sections are resp2 and resp3"},
		{"# t\n-- resp2 --\na> GET k\n-- resp3 --\n\na< x\n", "d:6: text after a<"},
	} {
		_, err := Parse("d", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s", c.text, err, c.want)
		}
	}
}

func TestSectionsMustSayTheSame(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"# t\n-- resp2 --\na> GET k\n", "d:1: section resp3 is missing"},
		{"# t\n-- resp2 --\na> GET k\n-- resp3 --\na> GET l\n", "d:3: section resp3 does not say the same"},
		{"# t\n-- resp2 --\na> GET k\na> GET l\n-- resp3 --\na> GET k\n", "d:4: section resp3 does not say the same"},
		{"# t\n-- resp2 --\na> GET k\n-- resp3 --\na> GET k\na> GET l\n", "d:6: section resp2 does not say this"},
		{"# t\n-- resp2 --\n#sorted\na> KEYS *\n-- resp3 --\na> KEYS *\n", "d:4: section resp3 does not say the same"},
	} {
		f, err := Parse("d", []byte(c.text))
		if err != nil {
			t.Fatalf("%q: %v", c.text, err)
		}
		if _, err = f.script(3); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s", c.text, err, c.want)
		}
		if _, err = f.script(2); err != nil {
			t.Errorf("%q: RESP2: %v", c.text, err)
		}
	}
}
