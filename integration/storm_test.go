package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stormTime is how long the storm lasts: OMNIPROXY_STORM=5m for longer.
func stormTime(t *testing.T) time.Duration {
	if text := os.Getenv("OMNIPROXY_STORM"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return 4 * time.Second
}

// How programs save a file that they have just read, in system calls. Each gets what the file held.
var saves = map[string]func(path string, text []byte) error{
	// Python's open, write, os.replace.
	"os.replace": func(path string, text []byte) error {
		return errors.Join(os.WriteFile(path+".part", text, 0o644), os.Rename(path+".part", path))
	},
	// vim with backupcopy=no: the old file becomes the backup, the new one is synced, the backup goes.
	"vim": func(path string, text []byte) error {
		if err := os.Rename(path, path+"~"); err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		return errors.Join(err, f.Sync(), f.Close(), os.Remove(path+"~"))
	},
	// nano writes in place.
	"nano": func(path string, text []byte) error { return os.WriteFile(path, text, 0o644) },
	// git checkout removes the file and makes another one.
	"git": func(path string, text []byte) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		return errors.Join(err, f.Close())
	},
}

// storm is what goes on in one directory at the same time.
type storm struct {
	*omniproxy
	over chan struct{}
	wg   sync.WaitGroup

	mu   sync.Mutex
	said map[string]string // what must be there in the end, by key: what nobody else writes
}

func (s *storm) say(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said[key] = value
}

// repeat does something every so often until the storm is over.
func (s *storm) repeat(every time.Duration, do func(n int)) {
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		for n := 0; ; n++ {
			select {
			case <-s.over:
				return
			case <-time.After(every):
				do(n)
			}
		}
	}()
}

// edit lets programs, in turn, read a file again, set a member somewhere in it, and save.
func (s *storm) edit(hows []string, file string, member func(n int) (place []string, value string), key func(n int) string, every time.Duration) {
	s.repeat(every, func(n int) {
		text, err := os.ReadFile(s.path(file))
		var doc map[string]any
		if err != nil || json.Unmarshal(text, &doc) != nil {
			return // it is being published for the first time, or another is writing it
		}
		place, value := member(n)
		at := doc
		for _, name := range place[:len(place)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		var parsed any
		if err := json.Unmarshal([]byte(value), &parsed); err != nil {
			s.t.Errorf("%v in %s", err, value)
		}
		at[place[len(place)-1]] = parsed
		text, _ = json.MarshalIndent(doc, "", "  ")
		how := hows[n%len(hows)]
		if err := saves[how](s.path(file), text); err != nil {
			s.t.Errorf("%s: %v", how, err)
			return
		}
		s.say(key(n), strconv.Itoa(n))
	})
}

// client writes what clients of OmniDaemon write, and notes what was acknowledged.
func (s *storm) client(w int) {
	c := s.omniproxy.client(0)
	ctx := context.Background()
	s.repeat(2*time.Millisecond, func(n int) {
		for key, value := range map[string]string{
			fmt.Sprintf("omni:config:client:%d:%d", w, n%40): strconv.Itoa(n),
			fmt.Sprintf("omni:result:client:%d:%d", w, n):    fmt.Sprintf(`{"task_id": "client:%d:%d", "result": %d, "saved_at": 1.5}`, w, n, n),
			fmt.Sprintf("client:%d:%d", w, n%40):             strconv.Itoa(n),
		} {
			if err := c.Do(ctx, "SET", key, value).Err(); err != nil {
				s.t.Errorf("SET %s: %v", key, err)
				return
			}
			s.say(key, value)
		}
		metric := fmt.Sprintf(`{"writer": "client %d", "n": %d, "saved_at": 1763859213.5}`, w, n)
		if err := c.Do(ctx, "XADD", "omni:metrics:stream", "*", "data", metric).Err(); err != nil {
			s.t.Errorf("XADD: %v", err)
		}
	})
}

// reader reads the files that only rename has a part in: each is there, and is JSON, at every instant.
func (s *storm) reader() {
	for _, file := range []string{"config.json", "results.json", "metrics.json"} {
		s.repeat(time.Millisecond, func(int) {
			text, err := os.ReadFile(s.path(file))
			if err != nil || !json.Valid(text) {
				s.t.Errorf("a reader of %s finds %v %.80q", file, err, text)
			}
		})
	}
}

// What happens in a folder on a bad day: OmniDaemon runs beside with its JSON store, editors save what they have read,
// and clients write. Nothing is lost, and when all are gone, there is peace.
func TestAStormLosesNothing(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{"agents.json": "{}", "config.json": "{}", "results.json": "{}", "metrics.json": "[]", "other.json": "{}"} {
		writeText(t, filepath.Join(dir, file), text)
	}
	s := &storm{omniproxy: serve(t, dir, "--metrics-cap", "0"), over: make(chan struct{}), said: map[string]string{}}
	s.client(0)
	s.client(1)
	time.Sleep(300 * time.Millisecond)
	script, err := filepath.Abs("testdata/python/storm.py")
	if err != nil {
		t.Fatal(err)
	}
	store := exec.Command("python3", script, dir)
	end, err := store.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := store.StdoutPipe()
	if err == nil {
		err = store.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan() // its cache is loaded
	time.Sleep(300 * time.Millisecond)
	s.reader()
	config := func(who string) func(n int) ([]string, string) {
		return func(n int) ([]string, string) { return []string{fmt.Sprint(who, ":", n%20)}, strconv.Itoa(n) }
	}
	s.edit([]string{"os.replace"}, "config.json", config("script"), func(n int) string { return fmt.Sprint("omni:config:script:", n%20) }, 50*time.Millisecond)
	s.edit([]string{"vim"}, "agents.json", func(n int) ([]string, string) {
		return []string{fmt.Sprint("vim:", n%5)}, fmt.Sprintf(`[{"name": "a", "config": %d}]`, n)
	}, func(n int) string { return fmt.Sprint("vim:", n%5) }, 400*time.Millisecond)
	s.edit([]string{"nano", "git"}, "other.json", func(n int) ([]string, string) {
		return []string{"0", fmt.Sprint("nano:", n%5)}, fmt.Sprintf(`{"type": "string", "value": "%d"}`, n)
	}, func(n int) string { return fmt.Sprint("nano:", n%5) }, 500*time.Millisecond)
	time.Sleep(stormTime(t))
	close(s.over)
	s.wg.Wait()
	time.Sleep(2 * time.Second) // what was finished is read within it
	end.Close()
	lines.Scan()
	stored, err := strconv.Atoi(lines.Text())
	if err := errors.Join(err, store.Wait()); err != nil || stored == 0 {
		t.Fatalf("the JSON store: %v, %d results", err, stored)
	}
	s.peace()
	s.verify(stored)
	for _, key := range []string{"omni:config:script:0", "vim:0", "nano:0", "omni:result:client:0:1"} {
		if s.said[key] == "" {
			t.Errorf("nothing was written to %s", key)
		}
	}
	t.Logf("%d keys, %d results of the JSON store, %d versions of others read, %d files in replaced/", len(s.said), stored,
		strings.Count(s.log.String(), "read an edit"), len(jsonFiles(t, s.path(".omniproxy/replaced"))))
}

// peace waits until everything is published, and fails if something goes on being published.
func (s *storm) peace() {
	s.t.Helper()
	files := func() string {
		text := ""
		for name := range jsonFiles(s.t, s.Dir) {
			info, err := os.Stat(s.path(name))
			if err == nil {
				text += fmt.Sprintln(name, info.ModTime(), info.Size())
			}
		}
		return strings.Join(sortedLines(text), "\n")
	}
	last, since := files(), time.Now()
	for deadline := time.Now().Add(20 * time.Second); time.Since(since) < 3*time.Second; time.Sleep(50 * time.Millisecond) {
		if now := files(); now != last {
			last, since = now, time.Now()
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("there is no peace:\n%s", &s.log)
		}
	}
}

func sortedLines(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		for j := i; j > 0 && lines[j] < lines[j-1]; j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return lines
}

// verify compares what was said with what is there, before and after a restart, and with the files.
func (s *storm) verify(stored int) {
	s.t.Helper()
	replaced := ""
	kept, _ := filepath.Glob(s.path(".omniproxy/replaced/*"))
	for _, path := range kept {
		text, _ := os.ReadFile(path)
		replaced += string(text)
	}
	lost := 0
	for key, want := range s.said {
		var got any
		switch {
		case strings.HasPrefix(key, "vim:"):
			got = s.do("HGET", "omni:agent:"+key+":a", "config")
		default:
			got = s.do("GET", key)
		}
		if got != want {
			lost++
			s.t.Errorf("%s is %v, and was to be %s; in replaced/: %v", key, got, want, strings.Contains(replaced, want))
		}
		if lost > 20 {
			break
		}
	}
	for n := 1; n <= stored; n++ {
		if got := fmt.Sprint(s.do("GET", fmt.Sprint("omni:result:store:", n))); !strings.Contains(got, fmt.Sprintf(`"n": %d`, n)) {
			s.t.Errorf("the JSON store's result %d is %s", n, got)
		}
	}
	dropped := s.metricsReplaced(kept) // by the JSON store, which keeps 10,000
	seen := map[string]int{}
	entries := s.do("XRANGE", "omni:metrics:stream", "-", "+").([]any)
	for _, e := range entries {
		var metric stormMetric
		if err := json.Unmarshal([]byte(e.([]any)[1].([]any)[1].(string)), &metric); err != nil {
			s.t.Fatal(err)
		}
		seen[metric.String()]++
	}
	for metric, times := range seen {
		if times != 1 {
			s.t.Errorf("metric %s is there %d times", metric, times)
		}
	}
	for n := range stored * 20 {
		if metric := fmt.Sprint("store ", n); seen[metric] != 1 && !dropped[metric] {
			s.t.Errorf("the JSON store's metric %d is lost", n)
			break
		}
	}
	for key, value := range s.said {
		if w, n, ok := strings.Cut(strings.TrimPrefix(key, "omni:result:client:"), ":"); ok && strings.HasPrefix(key, "omni:result:") {
			if metric := "client " + w + " " + n; seen[metric] != 1 && !dropped[metric] {
				s.t.Errorf("the metric with %s (%s) is lost", key, value)
				break
			}
		}
	}
	if log := s.log.String(); strings.Count(log, "another program (OmniDaemon's JSON store?) writes "+s.Dir) != 1 || strings.Contains(log, "ERROR") {
		s.t.Errorf("the log:\n%s", log)
	}
	before := s.keyspace()
	s.kill()
	if diff := cmp.Diff(before, serve(s.t, s.Dir).keyspace()); diff != "" {
		s.t.Errorf("after a restart (-before +after)\n%s", diff)
	}
}

type stormMetric struct {
	Writer string
	N      int
}

func (m stormMetric) String() string { return fmt.Sprint(m.Writer, " ", m.N) }

// metricsReplaced returns the metrics that stand in files of replaced/.
func (s *storm) metricsReplaced(paths []string) map[string]bool {
	s.t.Helper()
	replaced := map[string]bool{}
	for _, path := range paths {
		if !strings.HasSuffix(path, "-metrics.json") {
			continue
		}
		var file struct{ Values []stormMetric }
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &file)
		}
		if err != nil {
			s.t.Fatalf("%s: %v", path, err)
		}
		for _, m := range file.Values {
			replaced[m.String()] = true
		}
	}
	return replaced
}
