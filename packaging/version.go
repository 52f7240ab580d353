package main

import (
	"regexp"
	"strings"
)

// version is a version as git describe tells it: v1.2.3, v1.2.3-rc.1, v1.2.3-4-g0123abc, 0123abc before the first tag,
// each perhaps with -dirty.
type version struct {
	described string
	base      string // 1.2.3; 0.0.0 before the first tag
	pre       string // rc.1, or nothing
	after     string // commits since the tag, or nothing
	local     string // what else tells it apart: g0123abc, g0123abc.dirty; nothing on a tag
}

var describedTag = regexp.MustCompile(`^v?(\d+(?:\.\d+)*)(?:-([a-z]+\.?\d*))?(?:-(\d+)-(g[0-9a-f]+))?$`)

// parseVersion takes what git describe --tags --always --dirty prints. What is no tag counts as older than any.
func parseVersion(described string) version {
	v := version{described: described, base: "0.0.0"}
	committed, dirty := strings.CutSuffix(described, "-dirty")
	if m := describedTag.FindStringSubmatch(committed); m != nil && strings.Contains(m[1], ".") {
		v.base, v.pre, v.after, v.local = m[1], m[2], m[3], m[4]
	} else {
		v.local = "g" + committed
	}
	if dirty {
		v.local = strings.TrimPrefix(v.local+".dirty", ".")
	}
	return v
}

// file is the version as names of files have it.
func (v version) file() string { return strings.TrimPrefix(v.described, "v") }

// python is the version as PEP 440 writes it: 1.2.3, 1.2.3rc1, 1.2.3.post4+g0123abc.
func (v version) python() string {
	text := v.base + strings.NewReplacer(".", "", "alpha", "a", "beta", "b").Replace(v.pre)
	if v.after != "" {
		text += ".post" + v.after
	}
	if v.local != "" {
		text += "+" + v.local
	}
	return text
}

// debian is the version as deb-version(7) orders it: 1.2.3, 1.2.3~rc.1 before it, 1.2.3+4.g0123abc after it.
func (v version) debian() string {
	text := v.base
	if v.pre != "" {
		text += "~" + v.pre
	}
	if v.after != "" {
		text += "+" + v.after + "." + v.local
	} else if v.local != "" {
		text += "+" + v.local
	}
	return text
}
