package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestTheManualHasEveryWordAndFlag(t *testing.T) {
	page := printed(t, "man")
	for _, word := range kong.Must(&cli{}).Model.Children {
		if !strings.Contains(page, "\n.TP\n\\fB"+word.Name+"\\fR\n"+roff(word.Help)) {
			t.Errorf("no %s", word.Name)
		}
		for _, flag := range word.Flags {
			if !strings.Contains(page, "\n\\fB\\-\\-"+roff(flag.Name)+"\\fR") || !strings.Contains(page, "\n"+roff(flagHelp(flag))+"\n") {
				t.Errorf("no --%s", flag.Name)
			}
		}
	}
	for line := range strings.Lines(page) {
		if strings.TrimSpace(line) == "" || strings.Contains(line, "{{") || strings.Contains(line, "<no value>") {
			t.Errorf("%q", line)
		}
	}
}

func TestRoffReadsTextAsText(t *testing.T) {
	if got, want := roff(".so x\n'y\na-b\\c"), "\\&.so x\n\\&'y\na\\-b\\ec"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
