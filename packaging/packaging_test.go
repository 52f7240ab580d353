package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestVersionsInTheWordsOfOthers(t *testing.T) {
	for described, want := range map[string][3]string{ // as names of files, Python and Debian write them
		"v1.2.3":                   {"1.2.3", "1.2.3", "1.2.3"},
		"1.2":                      {"1.2", "1.2", "1.2"},
		"v1.2.3-dirty":             {"1.2.3-dirty", "1.2.3+dirty", "1.2.3+dirty"},
		"v1.2.3-4-g0123abc":        {"1.2.3-4-g0123abc", "1.2.3.post4+g0123abc", "1.2.3+4.g0123abc"},
		"v1.2.3-4-g0123abc-dirty":  {"1.2.3-4-g0123abc-dirty", "1.2.3.post4+g0123abc.dirty", "1.2.3+4.g0123abc.dirty"},
		"v1.2.3-rc.1":              {"1.2.3-rc.1", "1.2.3rc1", "1.2.3~rc.1"},
		"v1.2.3-beta2-10-g0123abc": {"1.2.3-beta2-10-g0123abc", "1.2.3b2.post10+g0123abc", "1.2.3~beta2+10.g0123abc"},
		"0123abc":                  {"0123abc", "0.0.0+g0123abc", "0.0.0+g0123abc"},
		"1234567-dirty":            {"1234567-dirty", "0.0.0+g1234567.dirty", "0.0.0+g1234567.dirty"},
		"dev":                      {"dev", "0.0.0+gdev", "0.0.0+gdev"},
	} {
		v := parseVersion(described)
		if got := [3]string{v.file(), v.python(), v.debian()}; got != want {
			t.Errorf("%s: %q, want %q", described, got, want)
		}
	}
}

// sample is a product with a binary that is none.
func sample() (*product, file) {
	script := func(name string) file { return file{name, 0o644, []byte("# " + name)} }
	return &product{
		version: parseVersion("v1.2.3"), time: time.Unix(1_800_000_000, 0).UTC(), root: "..",
		man: []byte(".TH"), licences: []byte("MIT"),
		complete: map[string]file{"bash": script("omniproxy.bash"), "zsh": script("_omniproxy"), "fish": script("omniproxy.fish")},
	}, file{"omniproxy", 0o755, []byte("binary\n")}
}

func TestTheSameInputMakesTheSameBytes(t *testing.T) {
	for _, tg := range targets {
		p, binary := sample()
		for kind, pack := range map[string]func(target, file) (file, error){"archive": p.archive, "wheel": p.wheel, "deb": p.deb} {
			first, err := pack(tg, binary)
			if err != nil {
				t.Fatal(err)
			}
			again, err := pack(tg, binary)
			if err != nil {
				t.Fatal(err)
			}
			if first.name != again.name || !bytes.Equal(first.content, again.content) {
				t.Errorf("%s of %s/%s: two runs differ", kind, tg.goos, tg.goarch)
			}
		}
	}
}

// unzipped returns the files of a zip archive.
func unzipped(t *testing.T, content []byte) (files []file) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{f.Name, f.Mode(), text})
	}
	return files
}

// untarred returns the files of a .tar.gz, directories included.
func untarred(t *testing.T, content []byte) (files []file) {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", h.Name, h.Uid, h.Gid)
		}
		files = append(files, file{h.Name, fs.FileMode(h.Mode), text})
	}
}

// named returns the file of that name.
func named(t *testing.T, files []file, name string) file {
	t.Helper()
	i := slices.IndexFunc(files, func(f file) bool { return f.name == name })
	if i < 0 {
		t.Fatalf("no %s", name)
	}
	return files[i]
}

func TestAWheelIsWhatItSays(t *testing.T) {
	p, binary := sample()
	for _, tg := range targets {
		binary.name = tg.program()
		wheel, err := p.wheel(tg, binary)
		if err != nil {
			t.Fatal(err)
		}
		files := unzipped(t, wheel.content)
		var record strings.Builder
		for _, f := range files[:len(files)-1] {
			sum := sha256.Sum256(f.content)
			fmt.Fprintf(&record, "%s,sha256=%s,%d\n", f.name, strings.TrimRight(base64.URLEncoding.EncodeToString(sum[:]), "="), len(f.content))
		}
		record.WriteString("omniproxy-1.2.3.dist-info/RECORD,,\n")
		last := files[len(files)-1]
		if diff := cmp.Diff(record.String(), string(last.content)); diff != "" || last.name != "omniproxy-1.2.3.dist-info/RECORD" {
			t.Errorf("%s: %s (-want +got):\n%s", wheel.name, last.name, diff)
		}
		var platforms []string
		for line := range strings.Lines(string(named(t, files, "omniproxy-1.2.3.dist-info/WHEEL").content)) {
			if tag, ok := strings.CutPrefix(strings.TrimSpace(line), "Tag: py3-none-"); ok {
				platforms = append(platforms, tag)
			}
		}
		if want := "omniproxy-1.2.3-py3-none-" + strings.Join(platforms, ".") + ".whl"; wheel.name != want {
			t.Errorf("%s, but its tags say %s", wheel.name, want)
		}
		script := named(t, files, "omniproxy-1.2.3.data/scripts/"+tg.program())
		if script.mode.Perm() != 0o755 || !bytes.Equal(script.content, binary.content) {
			t.Errorf("%s: the program has mode %v", wheel.name, script.mode)
		}
		metadata := string(named(t, files, "omniproxy-1.2.3.dist-info/METADATA").content)
		if !strings.Contains(metadata, "\nName: omniproxy\nVersion: 1.2.3\n") || !strings.Contains(metadata, "\n\n# omniproxy\n") {
			t.Errorf("%s: %.300s", wheel.name, metadata)
		}
	}
}

// unpacked returns the members of an ar archive.
func unpacked(t *testing.T, content []byte) (files []file) {
	t.Helper()
	rest, ok := bytes.CutPrefix(content, []byte("!<arch>\n"))
	for ok && len(rest) >= 60 {
		head := string(rest[:60])
		size, err := strconv.Atoi(strings.TrimSpace(head[48:58]))
		if err != nil || head[58:] != "`\n" {
			t.Fatalf("head %q: %v", head, err)
		}
		files = append(files, file{strings.TrimSpace(head[:16]), 0, rest[60 : 60+size]})
		rest = rest[60+size+size%2:]
	}
	if !ok || len(rest) != 0 {
		t.Fatalf("no ar archive: %q is left", rest)
	}
	return files
}

func TestADebianPackageIsWhatDpkgReads(t *testing.T) {
	p, binary := sample()
	deb, err := p.deb(targets[1], binary)
	if err != nil {
		t.Fatal(err)
	}
	members := unpacked(t, deb.content)
	if len(members) != 3 || members[0].name != "debian-binary" || string(members[0].content) != "2.0\n" || members[1].name != "control.tar.gz" || members[2].name != "data.tar.gz" {
		t.Fatalf("%v", members)
	}
	control, data := untarred(t, members[1].content), untarred(t, members[2].content)
	fields := string(named(t, control, "./control").content)
	for _, want := range []string{"Package: omniproxy\n", "Version: 1.2.3\n", "Architecture: arm64\n"} {
		if !strings.Contains(fields, want) || strings.Contains(fields, "@VERSION") {
			t.Errorf("no %q in\n%s", want, fields)
		}
	}
	sums := string(named(t, control, "./md5sums").content)
	seen := map[string]bool{}
	for _, f := range data {
		if dir := filepath.Dir(strings.TrimSuffix(f.name, "/")); f.name != "./" && !seen[dir] {
			t.Errorf("%s comes before its directory %s", f.name, dir)
		}
		seen[filepath.Clean(f.name)] = true
		sum := fmt.Sprintf("%x  %s\n", md5.Sum(f.content), strings.TrimPrefix(f.name, "./"))
		if isFile := !strings.HasSuffix(f.name, "/") && f.name != "./etc/default/omniproxy"; isFile != strings.Contains(sums, sum) {
			t.Errorf("md5sums has %q: %v", sum, !isFile)
		}
	}
	for conffile := range strings.Lines(string(named(t, control, "./conffiles").content)) {
		named(t, data, "."+strings.TrimSpace(conffile))
	}
	if program := named(t, data, "./usr/bin/omniproxy"); program.mode.Perm() != 0o755 {
		t.Errorf("the program has mode %v", program.mode)
	}
	for _, name := range []string{"./postinst", "./prerm", "./postrm"} {
		script := named(t, control, name)
		sh := exec.Command("sh", "-n")
		sh.Stdin = bytes.NewReader(script.content)
		if out, err := sh.CombinedOutput(); err != nil || script.mode.Perm() != 0o755 {
			t.Errorf("%s: mode %v, %v\n%s", name, script.mode, err, out)
		}
	}
}

// built is the product of this working tree, and the program for this machine.
var built = sync.OnceValues(func() (p *product, err error) {
	os.Setenv("SOURCE_DATE_EPOCH", "1800000000") // the tree may be no git checkout
	return newProduct("v1.2.3-rc.1")
})

func TestWhatIsMadeForThisMachineRuns(t *testing.T) {
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	here := target{runtime.GOOS, runtime.GOARCH, "here"}
	var carried []file
	_, err = p.forEach([]target{here}, func(_ target, binary file) (file, error) {
		wheel, err := p.wheel(here, binary)
		if err != nil {
			return file{}, err
		}
		archive, err := p.archive(target{goos: "linux", goarch: here.goarch}, binary)
		if err != nil {
			return file{}, err
		}
		carried = append(unzipped(t, wheel.content), untarred(t, archive.content)...)
		return wheel, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const top = "omniproxy_1.2.3-rc.1_linux_"
	program := named(t, carried, "omniproxy-1.2.3rc1.data/scripts/"+here.program())
	if archived := named(t, carried, top+here.goarch+"/"+here.program()); !bytes.Equal(archived.content, program.content) {
		t.Error("the wheel and the archive carry different programs")
	}
	path := filepath.Join(t.TempDir(), here.program())
	if err := os.WriteFile(path, program.content, program.mode); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "omniproxy v1.2.3-rc.1 (") {
		t.Errorf("%q, %v", out, err)
	}
	if page := named(t, carried, top+here.goarch+"/omniproxy.1"); !bytes.Contains(page.content, []byte(`"omniproxy v1.2.3\-rc.1"`)) {
		t.Errorf("%.200s", page.content)
	}
	for _, name := range []string{"README.md", "CHANGELOG.md", "LICENSE", "THIRD_PARTY_LICENSES", "completions/_omniproxy", "completions/omniproxy.bash", "completions/omniproxy.fish"} {
		if f := named(t, carried, top+here.goarch+"/"+name); len(f.content) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}

// A licence is a condition of passing a module on.
func TestEveryModuleInTheProgramHasItsLicence(t *testing.T) {
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Go", "github.com/alecthomas/kong ", "github.com/redis/go-redis/v9 ", "go.uber.org/zap ", "golang.org/x/sys "} {
		if !strings.Contains("\n"+string(p.licences), "\n"+name) {
			t.Errorf("no licence of %s", name)
		}
	}
}

func TestPackagesSetOnlyWhatThereIs(t *testing.T) {
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`OMNIPROXY_[A-Z_]*[A-Z]`)
	for _, name := range []string{"docker/Dockerfile", "docker/compose.yaml", "systemd/omniproxy.env", "systemd/omniproxy.service"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all := names.FindAllString(string(text), -1)
		if len(all) == 0 {
			t.Errorf("%s sets nothing", name)
		}
		for _, variable := range all {
			flag := "--" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "OMNIPROXY_"), "_", "-"))
			if !strings.Contains(string(p.complete["bash"].content), flag+" ") {
				t.Errorf("%s: %s is no setting", name, variable)
			}
		}
	}
}

func TestTheImageIsBuiltWithTheGoOfTheModule(t *testing.T) {
	gomod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	dockerfile, err := os.ReadFile("docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(gomod)
	got := regexp.MustCompile(`(?m)^FROM golang:(\S+) `).FindSubmatch(dockerfile)
	if want == nil || got == nil || !bytes.Equal(got[1], want[1]) {
		t.Errorf("golang:%s, go.mod: %s", got, want)
	}
}
