package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHabitsAreUnderstood(t *testing.T) {
	text := func(args string) string {
		inv, err := parse(strings.Fields(args), fakeMachine())
		if err != nil {
			t.Fatalf("omniproxy %s: %v", args, err)
		}
		return inv.Word + " " + inv.Text
	}
	for habit, meant := range map[string]string{
		"help": "--help", "help serve": "--help", "-h": "--help", "help config": "config --help", "--version": "version",
	} {
		if diff := cmp.Diff(text(meant), text(habit)); diff != "" {
			t.Errorf("omniproxy %s is not omniproxy %s (-want +got):\n%s", habit, meant, diff)
		}
	}
}

func TestVariablesThatAreNoSettingsAreWarnedOf(t *testing.T) {
	env := []string{
		"OMNIPROXY_LISTN=:1", "OMNIPROXY_PASSWORD=geheim", "OMNIPROXY_XYZ=",
		"OMNIPROXY_DIR=d", "OMNIPROXY_TLS_CERT=", "OMNIPROXY_YES=1", "OMNIPROXY=1", "PATH=/bin",
		"OMNIPROXY_PORT=tcp://10.0.0.1:6380", "OMNIPROXY_PORT_6380_TCP_ADDR=10.0.0.1", "OMNIPROXY_SERVICE_HOST=10.0.0.1",
	}
	want := []string{
		"OMNIPROXY_LISTN is no setting and has no effect: did you mean OMNIPROXY_LISTEN?",
		"OMNIPROXY_PASSWORD is no setting and has no effect",
		"OMNIPROXY_XYZ is no setting and has no effect",
	}
	for _, args := range []string{"serve", "config check"} {
		inv, err := parse(strings.Fields(args), fakeMachine(env...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, inv.Warnings); diff != "" {
			t.Errorf("omniproxy %s (-want +got):\n%s", args, diff)
		}
	}
}
