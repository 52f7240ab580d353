package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAFileIsWrittenForPeople(t *testing.T) {
	got := Write([]Line{
		{Name: "log-level", Text: "warn", Comment: "--log-level"},
		{Name: "requirepass", Unset: true, Comment: "not set"},
		{Name: "deny", Kind: List, Text: "config|set, @dangerous"},
		{Name: "prefix", Text: "", Comment: "REDIS_KEY_PREFIX\nand more"},
	}, [][]Line{
		{{Name: "listen", Text: ":6380"}, {Name: "db", Unset: true}, {Name: "read-only", Kind: Switch, Text: "true"}},
		{{Name: "listen", Text: "unix:/run/o.sock"}, {Name: "deny", Kind: List}},
	})
	want := `log-level: warn  # --log-level
# requirepass:  # not set
deny: ["config|set", "@dangerous"]
prefix: ""  # REDIS_KEY_PREFIX and more

listeners:
  - listen: ":6380"
    # db:
    read-only: true
  - listen: unix:/run/o.sock
    deny: []
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsWrittenIsReadAsTheSame(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[ -~]{0,12}`), rapid.String(), rapid.SampledFrom([]string{
		"true", "Null", "~", "-", "- a", "a: b", "a #b", "#", "0x1F", "1_0", ".inf", "1e3", "[", "{}", "*a", "&a", "!x", "%", "|", ">", "?", "'", `"`, "a\r\nb",
		"<<", "=", "---", "...", "a:", ":a", "12:30", "2001-01-01", "\u0085\u2028\ufeff",
	}))
	section := func(t *rapid.T, listener bool) (lines []Line, want map[string]string) {
		want = map[string]string{}
		for _, k := range keys {
			if listener && k.Shared || !rapid.Bool().Draw(t, k.Name) {
				continue
			}
			l := Line{Name: k.Name, Kind: k.Kind, Comment: rapid.String().Draw(t, "comment")}
			switch l.Unset = rapid.Bool().Draw(t, "unset"); {
			case k.Kind == Switch:
				l.Text = rapid.SampledFrom([]string{"true", "false"}).Draw(t, "switch")
			case k.Kind == List:
				l.Text = strings.Join(rapid.SliceOf(rapid.StringMatching(`[!-+\--~]{1,8}`)).Draw(t, "list"), ",")
			default:
				l.Text = text.Draw(t, "text")
			}
			if lines = append(lines, l); !l.Unset {
				want[l.Name] = l.Text
			}
		}
		return lines, want
	}
	texts := func(s Section) map[string]string {
		got := map[string]string{}
		for name, v := range s.Values {
			got[name] = v.Text
		}
		return got
	}
	rapid.Check(t, func(t *rapid.T) {
		top, wantTop := section(t, false)
		var sections [][]Line
		var wants []map[string]string
		for range rapid.IntRange(0, 3).Draw(t, "listeners") {
			lines, want := section(t, true)
			if len(lines) > 0 && !lines[0].Unset {
				sections, wants = append(sections, lines), append(wants, want)
			}
		}
		written := Write(top, sections)
		f, err := Read("f.yaml", []byte(written), keys)
		if err != nil {
			t.Fatalf("%v in\n%s", err, written)
		}
		if diff := cmp.Diff(wantTop, texts(f.Top)); diff != "" {
			t.Fatalf("%s in\n%s", diff, written)
		}
		for i, want := range wants {
			if diff := cmp.Diff(want, texts(f.Listeners[i])); diff != "" {
				t.Fatalf("listener %d: %s in\n%s", i, diff, written)
			}
		}
	})
}
