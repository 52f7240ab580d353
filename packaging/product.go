package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// file is a file of a package, or a package. A name that ends with a slash is a directory's.
type file struct {
	name    string
	mode    fs.FileMode
	content []byte
}

// target is a platform that packages are made for.
type target struct {
	goos, goarch string
	wheel        string // its tag in a wheel's name
}

// targets are all platforms. A static binary needs no C library, so one wheel serves glibc and musl. Go 1.26 needs
// macOS 12.
var targets = []target{
	{"linux", "amd64", "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64"},
	{"linux", "arm64", "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"},
	{"darwin", "amd64", "macosx_12_0_x86_64"},
	{"darwin", "arm64", "macosx_12_0_arm64"},
	{"windows", "amd64", "win_amd64"},
	{"windows", "arm64", "win_arm64"},
}

func linux() []target { return targets[:2] }

// program is the name of the binary.
func (t target) program() string {
	if t.goos == "windows" {
		return "omniproxy.exe"
	}
	return "omniproxy"
}

// product is what packages are made of, beside the binary of a target.
type product struct {
	version  version
	time     time.Time       // when it was made, as far as packages tell: the time of the commit
	root     string          // of the module
	man      []byte          // the manual
	complete map[string]file // the completion of a shell, with the name under which the shell looks for it
	licences []byte          // of all that is linked into the binary
}

const module = "github.com/omniproxy/omniproxy"

// newProduct asks the program, git and the Go command for what packages need.
func newProduct(described string) (*product, error) {
	p := &product{version: parseVersion(described), complete: map[string]file{}}
	gomod, err := output("go", "env", "GOMOD")
	if err != nil {
		return nil, err
	}
	p.root = filepath.Dir(strings.TrimSpace(string(gomod)))
	if p.time, err = made(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "omniproxy")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	host := filepath.Join(dir, target{goos: runtime.GOOS}.program())
	if err := p.build(host, target{goos: runtime.GOOS, goarch: runtime.GOARCH}); err != nil {
		return nil, err
	}
	if p.man, err = output(host, "man"); err != nil {
		return nil, err
	}
	for shell, name := range map[string]string{"bash": "omniproxy.bash", "zsh": "_omniproxy", "fish": "omniproxy.fish"} {
		text, err := output(host, "completion", shell)
		if err != nil {
			return nil, err
		}
		p.complete[shell] = file{name, 0o644, text}
	}
	p.licences, err = licences()
	return p, err
}

// made returns SOURCE_DATE_EPOCH or, if that is not set, the time of the commit.
func made() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := output("git", "log", "-1", "--format=%ct")
		if err != nil {
			return time.Time{}, fmt.Errorf("%w (outside a git checkout, set SOURCE_DATE_EPOCH)", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH=%s: give seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// build writes the program for t to path: static, with its version, without paths of this machine.
func (p *product) build(path string, t target) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+p.version.described, "-o", path, module+"/cmd/omniproxy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.goos, "GOARCH="+t.goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for %s/%s: %w\n%s", t.goos, t.goarch, err, out)
	}
	return nil
}

// forEach builds the program for each target and makes a package of it.
func (p *product) forEach(targets []target, pack func(target, file) (file, error)) (packages []file, err error) {
	dir, err := os.MkdirTemp("", "omniproxy")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, t := range targets {
		path := filepath.Join(dir, t.program())
		if err := p.build(path, t); err != nil {
			return nil, err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		made, err := pack(t, file{t.program(), 0o755, content})
		if err != nil {
			return nil, fmt.Errorf("package for %s/%s: %w", t.goos, t.goarch, err)
		}
		packages = append(packages, made)
	}
	return packages, nil
}

// read returns a file of the repository under another name.
func (p *product) read(name, as string) (file, error) {
	content, err := os.ReadFile(filepath.Join(p.root, filepath.FromSlash(name)))
	return file{as, 0o644, content}, err
}

// texts returns what belongs to every copy of the program: what it is, what is new, and on whose terms.
func (p *product) texts(dir string) (files []file, err error) {
	for _, name := range []string{"README.md", "CHANGELOG.md", "LICENSE"} {
		f, err := p.read(name, path.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return append(files, file{path.Join(dir, "THIRD_PARTY_LICENSES"), 0o644, p.licences}), nil
}

// licences returns the licences of Go and of all modules in the binary: each wants to go with it.
func licences() ([]byte, error) {
	out, err := output("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", module+"/cmd/omniproxy")
	if err != nil {
		return nil, err
	}
	goroot, err := output("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	lines := []string{"Go\t" + strings.TrimSpace(string(goroot))}
	lines = append(lines, strings.FieldsFunc(string(out), func(c rune) bool { return c == '\n' })...)
	slices.Sort(lines)
	var all bytes.Buffer
	for _, line := range slices.Compact(lines) {
		name, dir, _ := strings.Cut(line, "\t")
		var texts []string
		for _, pattern := range []string{"LICEN[CS]E*", "COPYING*", "NOTICE*"} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				return nil, err
			}
			texts = append(texts, found...)
		}
		if len(texts) == 0 {
			return nil, fmt.Errorf("licence of %s: none in %s", name, dir)
		}
		for _, text := range texts {
			content, err := os.ReadFile(text)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&all, "%s\n\n%s\n\n", name, bytes.TrimSpace(content))
		}
	}
	return all.Bytes(), nil
}

// checksums returns the file that sha256sum -c reads.
func checksums(files []file) file {
	var sums bytes.Buffer
	for _, f := range files {
		sum := sha256.Sum256(f.content)
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), f.name)
	}
	return file{"SHA256SUMS", 0o644, sums.Bytes()}
}

// output runs a command and returns what it prints.
func output(name string, args ...string) ([]byte, error) {
	var errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, errs.Bytes())
	}
	return out, nil
}
