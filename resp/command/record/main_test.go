package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

func TestFactsAreWhatRedisSays(t *testing.T) {
	want, err := record(t.Context(), redistest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../facts.json")
	if err != nil {
		t.Fatal(err)
	}
	if w, g := version(want), version(got); w != g {
		t.Fatalf("facts.json was recorded from %s, the redis-server installed here is %s: record again", g, w)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("record again (-redis-server +facts.json):\n%s", diff)
	}
}

func version(facts []byte) string {
	first, _, _ := strings.Cut(string(facts), ",")
	return first
}

func TestUnknownFactsAreRefused(t *testing.T) {
	info := []any{"get", int64(2), []any{"fast"}, int64(1), int64(1), int64(1), []any{"@read"}, []any{}, []any{}, []any{}}
	doc := map[any]any{"group": "string", "summary": "a sentence"}
	if _, err := spec(info, doc); err != nil {
		t.Fatalf("known facts: %v", err)
	}
	doc["mood"] = "good"
	if _, err := spec(info, doc); err == nil || !strings.Contains(err.Error(), "mood") {
		t.Errorf("unknown entry in COMMAND DOCS: %v", err)
	}
	delete(doc, "mood")
	info[2] = []any{"fast", "furious"}
	if _, err := spec(info, doc); err == nil || !strings.Contains(err.Error(), "furious") {
		t.Errorf("unknown flag: %v", err)
	}
}

func TestUndocumentedCommandIsRefused(t *testing.T) {
	if _, err := specs([]any{[]any{"get"}}, nil); err == nil || !strings.Contains(err.Error(), "get") {
		t.Errorf("got %v", err)
	}
}
