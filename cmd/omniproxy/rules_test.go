package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/keyspace"
)

func TestThePageOfRulesIsWhatMakeDocsWrites(t *testing.T) {
	page, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), printed(t, "rules", "--format", "md")); diff != "" {
		t.Errorf("docs/rules.md is out of date, run make docs (-page +made):\n%s", diff)
	}
}

func TestRulesAreListed(t *testing.T) {
	var list []ruleJSON
	if err := json.Unmarshal([]byte(printed(t, "rules", "--format", "json")), &list); err != nil {
		t.Fatal(err)
	}
	text := printed(t, "rules")
	if len(list) != len(keyspace.Rules()) {
		t.Errorf("%d rules in JSON", len(list))
	}
	for _, r := range list {
		if !strings.Contains(text, r.ID+"  "+r.Name) {
			t.Errorf("%s is not in the text", r.ID)
		}
	}
	if _, err := parse([]string{"rules", "--format", "xml"}, fakeMachine()); err == nil || !strings.Contains(err.Error(), "text, md or json") {
		t.Errorf("--format xml: %v", err)
	}
}

func TestExplain(t *testing.T) {
	for _, name := range []string{"OMN020", "omn020", "result-index-orphan"} {
		text := printed(t, "explain", name)
		for _, part := range []string{"OMN020 result-index-orphan (warning; judges what is stored)", "--fix does it: ZREM", "ZADD omni:results:index"} {
			if !strings.Contains(text, part) {
				t.Errorf("explain %s lacks %q:\n%s", name, part, text)
			}
		}
		for line := range strings.Lines(text) {
			if len(line) > helpWidth+1 && !strings.HasPrefix(line, "  ") {
				t.Errorf("long line: %s", line)
			}
		}
	}
	if _, err := parse([]string{"explain", "OMN999"}, fakeMachine()); err == nil || !strings.Contains(err.Error(), "no such rule") {
		t.Errorf("explain OMN999: %v", err)
	}
}
