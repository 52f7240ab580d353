package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version is stamped by releases: go build -ldflags "-X main.version=v1.2.3".
var version string

// versionLine returns what omniproxy version prints: "omniproxy v1.2.3 (0123456789ab, go1.26.8, linux/amd64)".
func versionLine() string {
	info := buildInfo()
	return fmt.Sprintf("omniproxy %s (%s, %s, %s/%s)",
		versionOf(version, info), commitOf(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// buildInfo returns what the Go command noted in this binary, which may be nothing.
func buildInfo() *debug.BuildInfo {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info
	}
	return &debug.BuildInfo{}
}

// versionOf returns the stamped version, else that of the module ("v1.2.3" after go install), else "devel".
func versionOf(stamped string, info *debug.BuildInfo) string {
	switch {
	case stamped != "":
		return stamped
	case info.Main.Version != "" && info.Main.Version != "(devel)":
		return info.Main.Version
	}
	return "devel"
}

// commitOf returns the commit that was built, with "-dirty" if there were uncommitted changes.
func commitOf(info *debug.BuildInfo) string {
	commit, dirty := "unknown commit", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	return commit + dirty
}

// dateOf returns the date of the commit that was built, such as 2026-11-23, or nothing.
func dateOf(info *debug.BuildInfo) string {
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			date, _, _ := strings.Cut(s.Value, "T")
			return date
		}
	}
	return ""
}
