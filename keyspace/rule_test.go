package keyspace

import (
	"slices"
	"strings"
	"testing"
)

func TestRulesAreCompleteAndSorted(t *testing.T) {
	names := map[string]bool{}
	last := ID(0)
	for _, r := range Rules() {
		if r.ID <= last || r.Name == "" || names[r.Name] || r.Text == "" || (r.Good == "" || r.Bad == "") && r.ID != OwnFamily {
			t.Errorf("incomplete, twice or out of order: %+v", r)
		}
		last, names[r.Name] = r.ID, true
		if got := r.ID.Rule(); got != r {
			t.Errorf("%v.Rule() = %+v", r.ID, got)
		}
		for _, text := range []string{r.ID.String(), r.Name, strings.ToLower(r.ID.String())} {
			if got, ok := FindRule(text); !ok || got != r {
				t.Errorf("FindRule(%q) = %+v", text, got)
			}
		}
	}
	for _, gone := range []ID{0, 7, 33, 255} {
		if r := gone.Rule(); r != (Rule{}) {
			t.Errorf("%v is a rule: %+v", gone, r)
		}
	}
	if _, ok := FindRule("OMN007"); ok {
		t.Error("OMN007 is found")
	}
}

func breaks(found []Finding, rule ID) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == rule })
}

func TestExamplesBreakTheirRuleWhenStored(t *testing.T) {
	for _, r := range Rules() {
		if r.ID == OwnFamily || strings.HasPrefix(r.Bad, "# ") {
			continue // the tool that reads files judges these
		}
		t.Run(r.ID.String(), func(t *testing.T) {
			good, bad := newStore(t), newStore(t)
			good.run(r.Good)
			if found := good.audit(); breaks(found, r.ID) {
				t.Errorf("the good example breaks the rule: %+v", found)
			}
			bad.run(r.Bad)
			if found := bad.audit(); !breaks(found, r.ID) {
				t.Errorf("the bad example does not break the rule: %+v", found)
			}
		})
	}
}

func TestExamplesBreakTheirRuleWhenWritten(t *testing.T) {
	c := Checker{Layout: Layout{DefaultPrefix}}
	check := func(example string) (found []Finding) {
		lines, _ := expand(example)
		for _, line := range lines {
			if !strings.HasPrefix(line, "#") {
				f, _ := c.Check(split(t, line))
				found = append(found, f...)
			}
		}
		return found
	}
	for _, r := range Rules() {
		if found := check(r.Good); r.Inline && breaks(found, r.ID) {
			t.Errorf("%v: the good example breaks the rule: %+v", r.ID, found)
		}
		if found := check(r.Bad); !strings.HasPrefix(r.Bad, "# ") && breaks(found, r.ID) != r.Inline {
			t.Errorf("%v: the bad example, inline %v: %+v", r.ID, r.Inline, found)
		}
	}
}

func TestAReplyIsOneLineWithoutTheValue(t *testing.T) {
	c := Checker{Layout: Layout{DefaultPrefix}}
	found, _ := c.Check([][]byte{[]byte("HSET"), []byte("omni:agent:t\r\n:n"), []byte("tools"), []byte("SECRET")})
	var replies []string
	for _, f := range found {
		replies = append(replies, f.Reply())
	}
	want := []string{
		`ERR OMN002 'omni:agent:t\r\n:n' has a control character (omniproxy explain OMN002)`,
		`ERR OMN011 field 'tools' of 'omni:agent:t\r\n:n' is not a JSON array (omniproxy explain OMN011)`,
	}
	if !slices.Equal(replies, want) {
		t.Errorf("got %q, want %q", replies, want)
	}
}

func TestNamesAreShownInOneLineOfBoundedLength(t *testing.T) {
	for name, want := range map[string]string{
		"omni:topics":            "'omni:topics'",
		"a\r\nb\x00\xff":         `'a\r\nb\x00\xff'`,
		`q"'`:                    `'q"''`,
		strings.Repeat("k", 300): "'" + strings.Repeat("k", 200) + "...'",
	} {
		if got := Show(name); got != want {
			t.Errorf("Show(%q) = %s, want %s", name, got, want)
		}
	}
}
