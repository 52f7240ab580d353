package main

import (
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionAndCommit(t *testing.T) {
	build := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	for _, tt := range []struct {
		stamped         string
		info            *debug.BuildInfo
		version, commit string
	}{
		{"", build(""), "devel", "unknown commit"},
		{"", build("(devel)", revision), "devel", "0123456789ab"},
		{"", build("v1.2.3", debug.BuildSetting{Key: "vcs.modified", Value: "false"}, revision), "v1.2.3", "0123456789ab"},
		{"v2.0.0", build("v1.2.3", debug.BuildSetting{Key: "vcs.modified", Value: "true"}, revision), "v2.0.0", "0123456789ab-dirty"},
		{"v2.0.0", build("", debug.BuildSetting{Key: "vcs.revision", Value: "ab"}), "v2.0.0", "ab"},
	} {
		if got := versionOf(tt.stamped, tt.info); got != tt.version {
			t.Errorf("version %q, want %q", got, tt.version)
		}
		if got := commitOf(tt.info); got != tt.commit {
			t.Errorf("commit %q, want %q", got, tt.commit)
		}
	}
}

func TestVersionLine(t *testing.T) {
	want := regexp.MustCompile(`^omniproxy \S+ \([^,()]+, ` + regexp.QuoteMeta(runtime.Version()) + `.*, ` + runtime.GOOS + `/` + runtime.GOARCH + `\)$`)
	if got := versionLine(); !want.MatchString(got) {
		t.Errorf("%q does not match %s", got, want)
	}
}

func TestTheDateOfTheCommit(t *testing.T) {
	for vcs, want := range map[string]string{"": "", "vcs.revision=2026": "", "vcs.time=2026-11-23T10:00:00Z": "2026-11-23"} {
		key, value, _ := strings.Cut(vcs, "=")
		if got := dateOf(&debug.BuildInfo{Settings: []debug.BuildSetting{{Key: key, Value: value}}}); got != want {
			t.Errorf("%s: %q, want %q", vcs, got, want)
		}
	}
}
