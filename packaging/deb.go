package main

import (
	"bytes"
	"crypto/md5"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// debian holds what a Debian package says and does when it is installed and removed.
//
//go:embed debian
var debian embed.FS

const maintainer = "The omniproxy authors <omniproxy@users.noreply.github.com>"

// deb makes a Debian package as deb(5) describes it: an ar archive of the format's version, what dpkg wants to know, and
// the files.
func (p *product) deb(t target, binary file) (file, error) {
	name := "omniproxy_" + p.version.debian() + "_" + t.goarch + ".deb"
	files, err := p.installed(binary)
	if err != nil {
		return file{}, err
	}
	control, err := p.control(t, files)
	if err != nil {
		return file{}, err
	}
	var members []file
	for _, part := range []struct {
		name  string
		files []file
	}{{"control.tar.gz", control}, {"data.tar.gz", files}} {
		content, err := tarGz(belowRoot(part.files), p.time)
		if err != nil {
			return file{}, err
		}
		members = append(members, file{part.name, 0o644, content})
	}
	members = slices.Insert(members, 0, file{"debian-binary", 0o644, []byte("2.0\n")})
	return file{name, 0o644, ar(members, p.time)}, nil
}

// installed returns the files of the package, named from the root on and sorted.
func (p *product) installed(binary file) ([]file, error) {
	const doc = "usr/share/doc/omniproxy/"
	changes, err := p.read("CHANGELOG.md", "")
	if err != nil {
		return nil, err
	}
	packed := map[string][]byte{
		"usr/share/man/man1/omniproxy.1.gz": p.man,
		doc + "changelog.gz":                p.changelog(),
		doc + "CHANGELOG.md.gz":             changes.content,
		doc + "THIRD_PARTY_LICENSES.gz":     p.licences,
	}
	binary.name = "usr/bin/omniproxy"
	files := []file{
		binary,
		{"usr/share/bash-completion/completions/omniproxy", 0o644, p.complete["bash"].content},
		{"usr/share/zsh/vendor-completions/_omniproxy", 0o644, p.complete["zsh"].content},
		{"usr/share/fish/vendor_completions.d/omniproxy.fish", 0o644, p.complete["fish"].content},
	}
	for name, content := range packed {
		content, err := gzipped(content)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, 0o644, content})
	}
	for name, as := range map[string]string{
		"README.md":                           doc + "README.md",
		"packaging/debian/copyright":          doc + "copyright",
		"packaging/debian/lintian-overrides":  "usr/share/lintian/overrides/omniproxy",
		"packaging/systemd/omniproxy.service": "usr/lib/systemd/system/omniproxy.service",
		"packaging/systemd/omniproxy.socket":  "usr/lib/systemd/system/omniproxy.socket",
		"packaging/systemd/omniproxy.env":     "etc/default/omniproxy",
	} {
		f, err := p.read(name, as)
		if err != nil {
			return nil, err
		}
		if as == "etc/default/omniproxy" {
			f.mode = 0o640 // people put passwords there
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// changelog is the package's own, in the form of deb-changelog(5).
func (p *product) changelog() []byte {
	return fmt.Appendf(nil, "omniproxy (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n -- %s  %s\n",
		p.version.debian(), maintainer, p.time.Format(time.RFC1123Z))
}

// control returns what dpkg wants to know about the package.
func (p *product) control(t target, files []file) ([]file, error) {
	var size int
	var sums bytes.Buffer
	for _, f := range files {
		size += len(f.content)
		sum := md5.Sum(f.content)
		if !strings.HasPrefix(f.name, "etc/") {
			fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), f.name)
		}
	}
	text, err := debian.ReadFile("debian/control")
	if err != nil {
		return nil, err
	}
	text = []byte(strings.NewReplacer("@VERSION@", p.version.debian(), "@ARCHITECTURE@", t.goarch,
		"@MAINTAINER@", maintainer, "@SIZE@", fmt.Sprint((size+1023)/1024)).Replace(string(text)))
	control := []file{
		{"control", 0o644, text},
		{"conffiles", 0o644, []byte("/etc/default/omniproxy\n")},
		{"md5sums", 0o644, sums.Bytes()},
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		content, err := debian.ReadFile("debian/" + script)
		if err != nil {
			return nil, err
		}
		control = append(control, file{script, 0o755, content})
	}
	return control, nil
}

// belowRoot puts before each file the directories in which it lies, as dpkg wants to have them.
func belowRoot(files []file) (all []file) {
	seen := map[string]bool{}
	var enter func(dir string)
	enter = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		if dir != "." {
			enter(path.Dir(dir))
			dir = "./" + dir
		}
		all = append(all, file{name: dir + "/", mode: 0o755})
	}
	for _, f := range files {
		enter(path.Dir(f.name))
		f.name = "./" + f.name
		all = append(all, f)
	}
	return all
}

// ar packs files, which were modified at t, into the archive of the command ar.
func ar(files []file, t time.Time) []byte {
	var packed bytes.Buffer
	packed.WriteString("!<arch>\n")
	for _, f := range files {
		fmt.Fprintf(&packed, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", f.name, t.Unix(), 0, 0, 0o100000|f.mode, len(f.content))
		packed.Write(f.content)
		if len(f.content)%2 != 0 {
			packed.WriteByte('\n')
		}
	}
	return packed.Bytes()
}
