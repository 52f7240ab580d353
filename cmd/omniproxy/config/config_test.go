package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keys are some settings of each kind.
var keys = []Key{
	{"listen", Text, false}, {"dir", Text, false}, {"db", Text, false}, {"requirepass", Text, false}, {"prefix", Text, false},
	{"read-only", Switch, false}, {"deny", List, false}, {"log-level", Text, true}, {"max-block", Text, false},
}

// read returns what a text says, in short: "dir=a@1:6; listener@3:5 listen=b@3:13".
func read(text string) (string, error) {
	f, err := Read("f.yaml", []byte(text), keys)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	show := func(s Section) {
		for _, k := range keys {
			if v, ok := s.Values[k.Name]; ok {
				b.WriteString(" " + k.Name + "=" + v.Text + "@" + strings.TrimPrefix(v.At.String(), "f.yaml:"))
			}
		}
	}
	show(f.Top)
	for _, s := range f.Listeners {
		b.WriteString("; listener@" + strings.TrimPrefix(s.At.String(), "f.yaml:"))
		show(s)
	}
	return strings.TrimPrefix(b.String(), " "), nil
}

func TestSettingsAreReadWithTheirPositions(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"# nothing\n", ""},
		{"---\ndir: a\n", "dir=a@2:6"},
		{"dir: a\n...\n", "dir=a@1:6"},
		{"\ufeffdir: a\n", "dir=a@1:6"},
		{"dir: a # why\r\ndb: 3\r\n", "dir=a@1:6 db=3@2:5"},
		{"dir: 'it''s'\nprefix: \"a\\tb\"\n", "dir=it's@1:6 prefix=a\tb@2:9"},
		{"prefix: ''\n", "prefix=@1:9"},
		{"db: 007\nrequirepass: 0x1F\nmax-block: 1e3\nprefix: 1_0\n", "db=007@1:5 requirepass=0x1F@2:14 prefix=1_0@4:9 max-block=1e3@3:12"},
		{"prefix: off\ndir: yes\n", "dir=yes@2:6 prefix=off@1:9"},
		{"read-only: true\n", "read-only=true@1:12"},
		{"deny: a, b\n", "deny=a, b@1:7"},
		{"deny: [a, 'b c', 3]\n", "deny=a,b c,3@1:7"},
		{"deny:\n  - a\n  - b\n", "deny=a,b@2:3"},
		{"deny: []\n", "deny=@1:7"},
		{"listen: :6380\nrequirepass: a#b:c\n", "listen=:6380@1:9 requirepass=a#b:c@2:14"},
		{"requirepass: |-\n  two\n  lines\n", "requirepass=two\nlines@1:14"},
		{"dir: a\nlisteners:\n  - listen: :1\n    db: 2\n  - {listen: :2}\n", "dir=a@1:6; listener@3:5 listen=:1@3:13 db=2@4:9; listener@5:6 listen=:2@5:14"},
		{"listeners:\n- {}\n", "; listener@2:3"},
	} {
		got, err := read(tt.text)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", tt.text, err, diff)
		}
	}
}

func TestErrorsNameLineAndColumn(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"dri: a\n", "f.yaml:1:1: there is no setting dri: did you mean dir?"},
		{"Dir: a\n", "f.yaml:1:1: there is no setting Dir: did you mean dir?"},
		{"read_only: true\n", "f.yaml:1:1: there is no setting read_only: did you mean read-only?"},
		{"xyzzy: a\n", "f.yaml:1:1: there is no setting xyzzy; omniproxy --help lists them"},
		{"redis://:geheim@h: a\n", "f.yaml:1:1: this is no name of a setting; omniproxy --help lists them"},
		{"1: a\n", "f.yaml:1:1: this is no name of a setting; omniproxy --help lists them"},
		{"? dir\n: a\n", "f.yaml:1:1: this is no name of a setting; omniproxy --help lists them"},
		{"dir: a\ndb: 1\ndir: geheim\n", "f.yaml:3:1: dir stands here twice, first in line 1"},
		{"listeners:\n  - dir: a\n    dir: geheim\n", "f.yaml:3:5: dir stands here twice, first in line 2"},
		{"listeners:\n  - {}\nlisteners:\n  - {}\n", "f.yaml:3:1: listeners stands here twice, first in line 1"},
		{"read-only: yes\n", "f.yaml:1:12: read-only: write true or false"},
		{"read-only: 'true'\n", "f.yaml:1:12: read-only: write true or false"},
		{"read-only: 1\n", "f.yaml:1:12: read-only: write true or false"},
		{"read-only:\n", "f.yaml:1:12: read-only: write true or false"},
		{"dir:\ndb: 1\n", "f.yaml:1:5: dir: write a value behind it, or take the line out"},
		{"dir: ~\n", "f.yaml:1:6: dir: write a value behind it, or take the line out"},
		{"dir: true\n", "f.yaml:1:6: dir: this is no text; if it is meant to be, put it between quotes"},
		{"dir: .inf\n", "f.yaml:1:6: dir: this is no text; if it is meant to be, put it between quotes"},
		{"dir: [geheim]\n", "f.yaml:1:6: dir: write one value"},
		{"requirepass: {geheim: a}\n", "f.yaml:1:14: requirepass: write a value, or a text with a colon in it between quotes"},
		{"deny: {a: b}\n", "f.yaml:1:7: deny: write a value, or a text with a colon in it between quotes"},
		{"deny: [a, [b]]\n", "f.yaml:1:11: deny: write one value"},
		{"deny: [a, ~]\n", "f.yaml:1:11: deny: write a value behind it, or take the line out"},
		{"requirepass: geheim: a\n", "f.yaml:1:14: this is no YAML: mapping value is not allowed in this context: settings that belong together begin in the same column, and a text with a colon stands between quotes"},
		{"requirepass: @geheim\n", "f.yaml:1:14: this is no YAML: '@' is a reserved character"},
		{"requirepass: 'geheim\n", "f.yaml:1:14: this is no YAML: could not find end character of single-quoted text"},
		{"requirepass: \"geheim\\q\"\n", "f.yaml:1:22: this is no YAML: found unknown"},
		{"requirepass: geheim\n dir: a\n", "f.yaml:1:14: this is no YAML: mapping value is not allowed in this context: settings that belong together begin in the same column, and a text with a colon stands between quotes"},
		{" dir: a\ndb: 1\n", "f.yaml:2:1: this is no YAML: value is not allowed in this context: settings that belong together begin in the same column"},
		{"deny: [geheim\n", "f.yaml:1:7: this is no YAML: sequence end token ']' not found"},
		{"\tdir: a\n", "f.yaml:1:4: this is no YAML: tab character cannot use as a map key directly: indent with spaces"},
		{"dir: a\n---\ndir: b\n", "f.yaml:2:1: the file is one document: take out what divides it"},
		{"dir: a\n---\n", "f.yaml:2:1: the file is one document: take out what divides it"},
		{"geheim\n", "f.yaml:1:1: write settings here, such as: listen: 127.0.0.1:6380"},
		{"- dir: a\n", "f.yaml:1:1: write settings here, such as: listen: 127.0.0.1:6380"},
		{"dir: a\xff\n", "f.yaml:1:7: this byte is not of UTF-8"},
		{"dir: a\ndb: \xe4\n", "f.yaml:2:5: this byte is not of UTF-8"},
		{"dir: &a b\n", "f.yaml:1:6: anchors, aliases and merge keys have no place here: what listeners share stands at the top level"},
		{"dir: *a\n", "f.yaml:1:6: anchors, aliases and merge keys have no place here: what listeners share stands at the top level"},
		{"<<: {dir: a}\n", "f.yaml:1:1: anchors, aliases and merge keys have no place here: what listeners share stands at the top level"},
		{"dir: !!str a\n", "f.yaml:1:6: tags and directives have no place here"},
		{"%YAML 1.1\n---\ndir: a\n", "f.yaml:1:1: tags and directives have no place here"},
		{"listeners: []\n", "f.yaml:1:12: listeners: write a list, with a - in front of the settings of each"},
		{"listeners:\n", "f.yaml:1:12: listeners: write a list, with a - in front of the settings of each"},
		{"listeners: a\n", "f.yaml:1:12: listeners: write a list, with a - in front of the settings of each"},
		{"listeners:\n  listen: a\n", "f.yaml:2:9: listeners: write a list, with a - in front of the settings of each"},
		{"listeners:\n  - 127.0.0.1:1\n", "f.yaml:2:5: write settings here, such as: listen: 127.0.0.1:6380"},
		{"listeners:\n  - log-level: warn\n", "f.yaml:2:5: log-level holds for the whole process: write it at the top level"},
		{"listeners:\n  - listeners: []\n", "f.yaml:2:5: listeners holds for the whole process: write it at the top level"},
		{"listeners:\n  - lisen: a\n", "f.yaml:2:5: there is no setting lisen: did you mean listen?"},
		{strings.Repeat("[", 100), "f.yaml:1:9: this is nested too deeply"},
		{strings.Repeat("- ", 100), "f.yaml:1:17: this is nested too deeply"},
		{strings.Repeat("\n", 2001), "f.yaml:1:1: the file has 2001 lines: 2000 are enough for settings"},
		{"deny: [" + strings.Repeat("a,", 5000), "f.yaml:1:10005: this is too much: 10000 words and signs are enough for settings"},
		{"# " + strings.Repeat("x", MaxSize), "f.yaml:1:1: the file has 65538 bytes: 65536 are enough for settings"},
	} {
		got, err := read(tt.text)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%.60q: %s, %v\nwant %s", tt.text, got, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%q: shows a value, or more than a line: %v", tt.text, err)
		}
	}
}
