package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
)

// runModule is what python -m omniproxy runs.
//
//go:embed wheel/__main__.py
var runModule []byte

// wheel makes a Python package that carries the program: pip puts it beside python.
func (p *product) wheel(t target, binary file) (file, error) {
	name := "omniproxy-" + p.version.python()
	info, data := name+".dist-info", name+".data"
	tag := "py3-none-" + t.wheel
	binary.name = data + "/scripts/" + binary.name
	files := []file{{"omniproxy/__main__.py", 0o644, runModule}, binary}
	if t.goos != "windows" {
		files = append(files, file{data + "/data/share/man/man1/omniproxy.1", 0o644, p.man})
	}
	readme, err := p.read("README.md", "")
	if err != nil {
		return file{}, err
	}
	licence, err := p.read("LICENSE", info+"/licenses/LICENSE")
	if err != nil {
		return file{}, err
	}
	files = append(files,
		file{info + "/METADATA", 0o644, append([]byte(p.metadata()), readme.content...)},
		file{info + "/WHEEL", 0o644, []byte(wheelTags(tag))},
		licence,
		file{info + "/licenses/THIRD_PARTY_LICENSES", 0o644, p.licences},
	)
	files = append(files, file{info + "/RECORD", 0o644, []byte(record(files, info+"/RECORD"))})
	content, err := zipped(files, p.time)
	return file{name + "-" + tag + ".whl", 0o644, content}, err
}

// metadata describes the package to pip and to package indexes; the readme follows it.
func (p *product) metadata() string {
	return fmt.Sprintf(`Metadata-Version: 2.4
Name: omniproxy
Version: %s
Summary: OmniDaemon's JSON files as a Redis server, or a proxy in front of Redis
License-Expression: MIT
License-File: LICENSE
License-File: THIRD_PARTY_LICENSES
Project-URL: Source, https://%s
Requires-Python: >=3.8
Description-Content-Type: text/markdown

`, p.version.python(), module)
}

// wheelTags says what a wheel fits. A compressed tag of its name stands here once for each platform.
func wheelTags(tag string) string {
	text := "Wheel-Version: 1.0\nGenerator: omniproxy\nRoot-Is-Purelib: false\n"
	python, platforms, _ := strings.Cut(tag, "-none-")
	for platform := range strings.SplitSeq(platforms, ".") {
		text += "Tag: " + python + "-none-" + platform + "\n"
	}
	return text
}

// record lists the files of a wheel with their hashes and sizes, and itself at the end without.
func record(files []file, self string) string {
	var b strings.Builder
	for _, f := range files {
		sum := sha256.Sum256(f.content)
		fmt.Fprintf(&b, "%s,sha256=%s,%d\n", f.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.content))
	}
	return b.String() + self + ",,\n"
}
