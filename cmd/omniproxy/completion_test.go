package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// printed returns what a command line without settings prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	inv, err := parse(args, fakeMachine())
	if err != nil || inv.Word != args[0] {
		t.Fatalf("omniproxy %v: %q, %v", args, inv.Word, err)
	}
	return inv.Text
}

// completed returns what bash offers, sorted, at the end of each line. Words are apart where Bash takes them apart.
func completed(t *testing.T, dir string, lines [][]string) (offers [][]string) {
	t.Helper()
	var script strings.Builder
	script.WriteString(printed(t, "completion", "bash"))
	for _, words := range lines {
		script.WriteString("\nCOMP_WORDS=(omniproxy")
		for _, word := range words {
			fmt.Fprintf(&script, " '%s'", word)
		}
		fmt.Fprintf(&script, "); COMP_CWORD=%d; _omniproxy; printf '%%s\\n' \"${COMPREPLY[@]}\" | sort; echo --end--\n", len(words))
	}
	bash := exec.Command("bash", "--norc", "-s")
	bash.Dir, bash.Stdin = dir, strings.NewReader(script.String())
	bash.Env = append(os.Environ(), "LC_ALL=C")
	var errs bytes.Buffer
	bash.Stderr = &errs
	out, err := bash.Output()
	if err != nil {
		t.Fatalf("bash: %v\n%s", err, errs.String())
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(string(out), "--end--\n"), "--end--\n") {
		offers = append(offers, strings.Fields(part))
	}
	return offers
}

func TestBashCompletes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"data/x", "file"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var lines, want [][]string
	at := func(line []string, offers ...string) {
		slices.Sort(offers)
		lines, want = append(lines, line), append(want, append([]string{}, offers...))
	}
	app := kong.Must(&cli{}).Model
	var words []string
	for _, word := range app.Children {
		words = append(words, word.Name)
		flags := []string{"--help"}
		for _, flag := range word.Flags {
			flags = append(flags, "--"+flag.Name)
			if flag.IsBool() {
				continue
			}
			at([]string{word.Name, "--" + flag.Name, ""}, offered(flag.Value)...)
			at([]string{word.Name, "--" + flag.Name, "="}, offered(flag.Value)...)
		}
		at([]string{word.Name, "--"}, flags...)
		if word == app.DefaultCmd {
			at([]string{"--"}, flags...)
		}
		var arguments []string
		for _, argument := range word.Positional {
			arguments = append(arguments, offered(argument)...)
		}
		slices.Sort(arguments)
		at([]string{word.Name, ""}, slices.Compact(arguments)...)
	}
	at([]string{""}, words...)
	at([]string{"ver"}, "version")
	at([]string{"--fsync", "=", "a"}, "always")
	at([]string{"--db", "1", "--read-only", "--pool", "s"}, "session", "shared")
	at([]string{"check", "--db", "1", "da"}, "data")
	at([]string{"completion", "z"}, "zsh")
	got := completed(t, dir, lines)
	if len(got) != len(want) {
		t.Fatalf("%d offers for %d lines", len(got), len(want))
	}
	for i := range lines {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("omniproxy %q (-want +got):\n%s", lines[i], diff)
		}
	}
}

// offered is what is to be offered for a value, in a directory that holds the directory data and a file.
func offered(v *kong.Value) []string {
	return map[string][]string{
		"words":       strings.Fields(choices(v)),
		"files":       {"data", "file"},
		"directories": {"data"},
	}[valueKind(v)]
}

// What the other shells are told has a line for each word and flag; the shells themselves are not needed here.
func TestEveryShellIsToldOfEveryFlag(t *testing.T) {
	zsh, fish := printed(t, "completion", "zsh"), printed(t, "completion", "fish")
	app := kong.Must(&cli{}).Model
	for _, word := range app.Children {
		_, inZsh, _ := strings.Cut(zsh, "\n    "+word.Name)
		inZsh, _, _ = strings.Cut(inZsh, ";;")
		if !strings.Contains(zsh, "'"+word.Name+":") || !strings.Contains(fish, " -a "+word.Name+" -d ") {
			t.Errorf("%s is missing", word.Name)
		}
		for _, flag := range word.Flags {
			sign := "="
			if flag.IsBool() {
				sign = ""
			}
			if !strings.Contains(inZsh, "'--"+flag.Name+sign+"[") || !strings.Contains(fish, " -l "+flag.Name+" ") {
				t.Errorf("%s --%s is missing", word.Name, flag.Name)
			}
			if words := choices(flag.Value); words != "" && (!strings.Contains(inZsh, "("+words+")") || !strings.Contains(fish, "'"+words+"'")) {
				t.Errorf("%s --%s: no %q", word.Name, flag.Name, words)
			}
		}
	}
}

func TestChoicesAreWhatAFlagTakes(t *testing.T) {
	for _, flag := range kong.Must(&cli{}).Model.DefaultCmd.Flags {
		if choices(flag.Value) == "" {
			continue
		}
		words := strings.Split(choices(flag.Value), " ")
		last := len(words) - 1
		_, err := parse([]string{"--backend=redis", "--" + flag.Name + "=?"}, fakeMachine())
		want := fmt.Sprintf("--%s=?: choose %s or %s", flag.Name, strings.Join(words[:last], ", "), words[last])
		if fmt.Sprint(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	_, err := parse([]string{"completion", "tcsh"}, fakeMachine())
	if want := "completion tcsh: choose bash, zsh or fish"; fmt.Sprint(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestQuotedTextIsOneWordToTheShell(t *testing.T) {
	const text = `it's [a] \ "test"`
	out, err := exec.Command("sh", "-c", "printf %s '"+quoted(`\[]`, text)+"'").Output()
	if want := `it's \[a\] \\ "test"`; err != nil || string(out) != want {
		t.Errorf("got %s, want %s; %v", out, want, err)
	}
}
