package command

import (
	"bufio"
	"bytes"
	"cmp"
	"reflect"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

func everything(*Spec) bool { return true }

// reply is what Reply writes, decoded; an error is decoded as a reply, too.
func reply(t *testing.T, proto int, args [][]byte, supported func(*Spec) bool) any {
	t.Helper()
	w := wire.Writer{Proto: proto}
	if err := Reply(&w, args, supported); err != nil {
		if w.Len() != 0 {
			t.Errorf("%q: error %v after %q", args, err, w.Bytes())
		}
		w.Error(err)
	}
	r := bufio.NewReader(bytes.NewReader(w.Bytes()))
	v, err := decode(r)
	if err != nil {
		t.Fatalf("%q: %v in %q", args, err, w.Bytes())
	}
	if r.Buffered() > 0 {
		t.Fatalf("%q: more than one reply in %q", args, w.Bytes())
	}
	return v
}

// sentences are the entries of COMMAND DOCS and COMMAND INFO that hold Redis'
// prose; nothing else may differ.
var sentences = []string{"summary", "complexity", "history", "notes"}

// stripped takes the sentences out of a reply and sorts commands by name,
// which Redis lists in the order of its hash table.
func stripped(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			if slices.Contains(sentences, name) {
				delete(v, name)
			} else {
				v[name] = stripped(v[name])
			}
		}
	case set:
		stripped([]any(v))
	case []any:
		v = deleteEntries(v)
		for i := range v {
			v[i] = stripped(v[i])
		}
		slices.SortStableFunc(v, func(a, b any) int { return cmp.Compare(commandName(a), commandName(b)) })
		return v
	}
	return v
}

// deleteEntries takes the sentences out of a map that RESP2 shows as an array.
func deleteEntries(list []any) []any {
	for i := len(list) - 2; i >= 0; i-- {
		if name, ok := list[i].(string); ok && i%2 == 0 && slices.Contains(sentences, name) {
			list = slices.Delete(list, i, i+2)
		}
	}
	return list
}

// commandName is the name in an entry of COMMAND INFO.
func commandName(v any) string {
	if list, ok := v.([]any); ok && len(list) == 10 {
		name, _ := list[0].(string)
		return name
	}
	return ""
}

// expect compares one reply with that of a real Redis in both protocols.
func expect(t *testing.T, l map[int]*live, args [][]byte) {
	t.Helper()
	for proto, l := range l {
		want, got := stripped(l.do(args)), stripped(reply(t, proto, args, everything))
		if !reflect.DeepEqual(want, got) { // a diff of all commands takes seconds
			t.Errorf("%q in RESP%d (-Redis +ours):\n%s", args, proto, gocmp.Diff(want, got))
		}
	}
}

func dialBoth(t *testing.T) map[int]*live {
	addr := redistest.Start(t)
	return map[int]*live{2: redial(t, addr, 2), 3: redial(t, addr, 3)}
}

func TestInfoIsThatOfRedis(t *testing.T) {
	l := dialBoth(t)
	expect(t, l, call("COMMAND"))
	expect(t, l, call("COMMAND", "INFO"))
	expect(t, l, call("command", "info", "get", "nosuch", "CONFIG|get", "config", "config|nosuch", "get|x", "a|b|c", "config|get|x"))
	expect(t, l, call("COMMAND", "COUNT"))
}

func TestDocsAreThoseOfRedis(t *testing.T) {
	l := dialBoth(t)
	for s := range All() {
		if !s.IsContainer() { // RESP2 has the subcommands of a container in any order
			expect(t, l, call("COMMAND", "DOCS", s.FullName))
		}
	}
	delete(l, 2)
	expect(t, l, call("COMMAND", "DOCS"))
	expect(t, l, call("COMMAND", "DOCS", "config", "nosuch", "GET", "get"))
}

func TestOurSummariesAreNotThoseOfRedis(t *testing.T) {
	plain := func(s string) string {
		return strings.TrimRight(strings.ToLower(s), " .")
	}
	var check func(docs map[string]any)
	check = func(docs map[string]any) {
		for name, doc := range docs {
			doc := doc.(map[string]any)
			if s := Find(name); plain(s.Doc) == plain(doc["summary"].(string)) {
				t.Errorf("%s: %q is Redis' own summary", name, s.Doc)
			}
			if subs, ok := doc["subcommands"]; ok {
				check(subs.(map[string]any))
			}
		}
	}
	check(dial(t, 3).do(call("COMMAND", "DOCS")).(map[string]any))
}

func TestListIsThatOfRedis(t *testing.T) {
	l := dial(t, 3)
	for _, filter := range [][]string{
		{},
		{"FILTERBY", "ACLCAT", "sortedset"},
		{"filterby", "aclcat", "DANGEROUS"},
		{"FILTERBY", "ACLCAT", "@read"},
		{"FILTERBY", "ACLCAT", "nosuch"},
		{"FILTERBY", "PATTERN", "x*"},
		{"FILTERBY", "pattern", "*|[A-H]*"},
		{"FILTERBY", "MODULE", "nosuch"},
	} {
		args := call(append([]string{"COMMAND", "LIST"}, filter...)...)
		want, got := stringsIn(l.do(args)), stringsIn(reply(t, 3, args, everything))
		slices.Sort(want)
		slices.Sort(got)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-Redis +ours):\n%s", args, diff)
		}
	}
}

// stringsIn are the elements of a reply of strings.
func stringsIn(v any) []string {
	list := []string{}
	for _, name := range v.([]any) {
		list = append(list, name.(string))
	}
	return list
}

func TestErrorsAreThoseOfRedis(t *testing.T) {
	l := dialBoth(t)
	for _, call := range [][][]byte{
		call("COMMAND", "LIST", "FILTERBY"),
		call("COMMAND", "LIST", "FILTERBY", "PATTERN"),
		call("COMMAND", "LIST", "FILTERBY", "COLOR", "red"),
		call("COMMAND", "LIST", "SORTBY", "PATTERN", "x"),
		call("COMMAND", "LIST", "FILTERBY", "PATTERN", "a", "FILTERBY", "PATTERN", "b"),
		call("COMMAND", "GETKEYS"),
		call("COMMAND", "GETKEYS", "GET"),
		call("COMMAND", "GETKEYS", "GET", "a", "b"),
		call("COMMAND", "GETKEYS", "PING"),
		call("COMMAND", "GETKEYS", "PING", "a", "b", "c"),
		call("COMMAND", "GETKEYS", "nosuch", "a"),
		call("COMMAND", "GETKEYS", "XGROUP", "nosuch"),
		call("COMMAND", "GETKEYS", "XGROUP", "CREATE"),
		call("COMMAND", "GETKEYS", "CONFIG", "GET", "x"),
		call("COMMAND", "GETKEYS", "XREAD", "COUNT", "1", "2"),
		call("COMMAND", "GETKEYS", "SSUBSCRIBE", "ch"),
		call("COMMAND", "COUNT", "1"),
		call("COMMAND", "nosuch"),
	} {
		expect(t, l, call)
	}
}

func TestOnlyWhatIsSupportedIsShown(t *testing.T) {
	supported := func(s *Spec) bool {
		return slices.Contains([]string{"GET", "XGROUP", "XGROUP CREATE", "CONFIG"}, s.Name)
	}
	get := func(words ...string) any {
		return reply(t, 3, call(append([]string{"COMMAND"}, words...)...), supported)
	}
	if diff := gocmp.Diff(any(int64(3)), get("COUNT")); diff != "" {
		t.Errorf("COUNT: %s", diff)
	}
	if diff := gocmp.Diff([]string{"config", "get", "xgroup", "xgroup|create"}, stringsIn(get("LIST"))); diff != "" {
		t.Errorf("LIST, sorted by name: %s", diff)
	}
	infos := get("INFO", "set", "xgroup|setid", "config", "xgroup").([]any)
	if infos[0] != nil || infos[1] != nil {
		t.Errorf("INFO of unsupported commands: %v", infos[:2])
	}
	if diff := gocmp.Diff(set{}, infos[2].([]any)[9]); diff != "" {
		t.Errorf("INFO: a container without supported subcommands: %s", diff)
	}
	if subs := infos[3].([]any)[9].([]any); len(subs) != 1 || commandName(subs[0]) != "xgroup|create" {
		t.Errorf("INFO: supported subcommands of XGROUP: %v", subs)
	}
	docs := get("DOCS", "set", "config", "xgroup").(map[string]any)
	if _, ok := docs["set"]; ok || len(docs) != 2 {
		t.Errorf("DOCS of an unsupported command: %v", docs)
	}
	if subs, ok := docs["config"].(map[string]any)["subcommands"]; ok {
		t.Errorf("DOCS: a container without supported subcommands: %v", subs)
	}
	if subs := docs["xgroup"].(map[string]any)["subcommands"].(map[string]any); len(subs) != 1 {
		t.Errorf("DOCS: supported subcommands of XGROUP: %v", subs)
	}
	if got := get("GETKEYS", "SET", "k", "v"); got != failure(wire.ErrGetKeysCommand) {
		t.Errorf("GETKEYS of an unsupported command: %v", got)
	}
}

func TestHelpListsSupportedSubcommands(t *testing.T) {
	help := func(container string, supported func(*Spec) bool) any {
		var w wire.Writer
		Help(&w, Find(container), supported)
		v, err := decode(bufio.NewReader(bytes.NewReader(w.Bytes())))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	want := []any{
		status("XGROUP <subcommand> [argument ...]. Subcommands:"),
		status("DESTROY key groupname"), status("    Deletes a group."),
		status("HELP"), status("    Lists the subcommands of XGROUP."),
	}
	got := help("xgroup", func(s *Spec) bool { return s.Name == "XGROUP HELP" || s.Name == "XGROUP DESTROY" })
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff(help("command", everything), reply(t, 2, call("COMMAND", "HELP"), everything)); diff != "" {
		t.Errorf("COMMAND HELP: %s", diff)
	}
	if got := help("command", everything).([]any)[1]; got != status("(none)") {
		t.Errorf("COMMAND may be called alone: %v", got)
	}
}

func TestOtherCommandsAreNotAnswered(t *testing.T) {
	var w wire.Writer
	if err := Reply(&w, call("GET", "k"), everything); err == nil || w.Len() != 0 {
		t.Errorf("error %v, written %q", err, w.Bytes())
	}
}
