package integration

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tree is every file below a directory with its content and modification time.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text := ""
		if e.Type().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(content)
		}
		all[path] = fmt.Sprint(info.Mode(), info.ModTime(), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// startLine is what omniproxy logs when it serves, without its time and level.
func (o *omniproxy) startLine() string {
	o.t.Helper()
	o.logs("serving ")
	line, _, _ := strings.Cut(o.log.String()[strings.Index(o.log.String(), "serving "):], "\n")
	return line
}

func port(t testing.TB, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestTheStartLineSaysWhatIsServedAndHowToUseIt(t *testing.T) {
	t.Parallel()
	const given = "listen from --listen, ready-file from --ready-file, dir from --dir"
	o := serve(t, fixture(t, "omnidaemon_data"))
	o.must("OK", "SET", "omni:config:one", "1")
	o.must("1-1", "XADD", "omni-stream:t", "1-1", "a", "1")
	p := port(t, o.Addr)
	want := fmt.Sprintf("serving %s (33 agents, 240 results, 2000 metrics, 0 streams) on 127.0.0.1:%s; redis-cli -p %s; "+
		"OmniDaemon: STORAGE_BACKEND=redis REDIS_URL=redis://127.0.0.1:%s; %s", o.Dir, p, p, p, given)
	if diff := cmp.Diff(want, o.startLine()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	o.stop()
	if line := serve(t, o.Dir).startLine(); !strings.Contains(line, ", 1 stream) on ") {
		t.Errorf("after a stream was made: %s", line)
	}

	o = serve(t, filepath.Join(t.TempDir(), "new"), "--db", "3", "--prefix", "p", "--requirepass", "secret")
	p = port(t, o.Addr)
	want = fmt.Sprintf("serving %s (new and empty; other directory? --dir) on 127.0.0.1:%s; redis-cli -p %s --askpass -n 3; "+
		"OmniDaemon: STORAGE_BACKEND=redis REDIS_URL=redis://:PASSWORD@127.0.0.1:%s/3 REDIS_KEY_PREFIX=p; ", o.Dir, p, p, p)
	if line := o.startLine(); !strings.HasPrefix(line, want) || strings.Contains(o.log.String(), "secret") {
		t.Errorf("got  %s\nwant %s...", line, want)
	}
	if _, err := os.Stat(o.Dir); err != nil {
		t.Error(err)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, out, errs := runToEnd(t, "version")
	if code != 0 || !strings.HasPrefix(out, "omniproxy ") || errs != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir(), "--requirepass", "secret")
	if code, _, errs := runToEnd(t, "ping", "redis://:secret@"+o.Addr); code != 0 {
		t.Errorf("exit code %d: %s", code, errs)
	}
	o.stop()
	if code, _, errs := runToEnd(t, "ping", "redis://"+o.Addr); code != 1 || errs == "" {
		t.Errorf("nobody there: exit code %d: %q", code, errs)
	}
}

func TestADirectoryThatIsAFileIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "agents.json")
	writeText(t, path, "{}")
	code, _, errs := runToEnd(t, "--dir", path, "--listen", "127.0.0.1:0")
	if code != 1 || !strings.HasSuffix(errs, "not a directory; choose a directory with --dir\n") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestAFirstLoadThatFailsTouchesNothing(t *testing.T) {
	t.Parallel()
	dir := fixture(t, "omnidaemon_data")
	path := filepath.Join(dir, "results.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(text), `"saved_at"`, "\n  saved_at", 1)
	writeText(t, path, broken)
	line := 1 + strings.Count(broken[:strings.Index(broken, "saved_at")], "\n")
	before := tree(t, dir)
	for _, mode := range []string{"--log-level=info", "--read-only", "--ephemeral"} {
		code, _, errs := runToEnd(t, "--dir", dir, "--listen", "127.0.0.1:0", mode)
		if want := fmt.Sprintf("omniproxy: %s:%d:3: Expecting property name enclosed in double quotes; mend the file, or choose another directory with --dir\n", path, line); code != 1 || errs != want {
			t.Errorf("%s: exit code %d, got\n%swant\n%s", mode, code, errs, want)
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("%s: touched (-before +after)\n%s", mode, diff)
		}
	}
	writeText(t, path, string(text))
	serve(t, dir).stop()
}

func TestADirectoryOfANewerOmniproxyIsRefused(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	o.must("OK", "SET", "a", "1")
	o.stop()
	writeText(t, o.path(".omniproxy/format"), "99\n")
	before := tree(t, o.Dir)
	code, _, errs := runToEnd(t, "--dir", o.Dir, "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(errs, o.path(".omniproxy/format")) || !strings.Contains(errs, "newer") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if diff := cmp.Diff(before, tree(t, o.Dir)); diff != "" {
		t.Errorf("touched (-before +after)\n%s", diff)
	}
}

func TestASecondOmniproxyNamesTheFirst(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	want := fmt.Sprintf("omniproxy: %s is served already by omniproxy (pid %d) on %s; stop it, connect to it, or choose another directory with --dir\n",
		o.Dir, o.cmd.Process.Pid, o.Addr)
	for _, listen := range []string{"127.0.0.1:0", o.Addr} { // as well where it wants the same address
		before := tree(t, o.Dir)
		code, _, errs := runToEnd(t, "--dir", o.Dir, "--listen", listen)
		if code != 1 || errs != want {
			t.Errorf("--listen %s: exit code %d, got\n%swant\n%s", listen, code, errs, want)
		}
		if diff := cmp.Diff(before, tree(t, o.Dir)); diff != "" {
			t.Errorf("touched (-before +after)\n%s", diff)
		}
	}
	code, _, errs := runToEnd(t, "--dir", filepath.Join(t.TempDir(), "d"), "--listen", o.Addr)
	if code != 1 || !strings.Contains(errs, "cannot listen on "+o.Addr+": bind: address already in use; stop the program that listens there, or choose another address with --listen") {
		t.Errorf("another directory, same address: exit code %d: %s", code, errs)
	}
	o.kill() // the lock goes with the process, its note stays
	o = serve(t, o.Dir)
	if note := o.read(".omniproxy/owner"); note != fmt.Sprintf("omniproxy (pid %d) on %s\n", o.cmd.Process.Pid, o.Addr) {
		t.Errorf("owner: %s", note)
	}
	o.stop()
	if note := o.read(".omniproxy/owner"); note != "" {
		t.Errorf("after the end the owner is %s", note)
	}
}

const readOnly = "READONLY You can't write against a read only replica."

func TestReadOnlyServesAndFollowsButNeverWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	soon := time.Now().Add(1200 * time.Millisecond)
	writeText(t, filepath.Join(dir, "config.json"), `{"a": 1}`)
	writeText(t, filepath.Join(dir, "results.json"), fmt.Sprintf(
		`{"soon": {"task_id": "soon", "result": 1, "saved_at": 1.5, "expires_at": %d.%03d}, "past": {"task_id": "past", "result": 1, "saved_at": 1.5, "expires_at": 2.5}}`,
		soon.Unix(), soon.Nanosecond()/1e6))
	o := serve(t, dir, "--read-only")
	second := serve(t, dir, "--read-only") // takes no lock
	before := tree(t, dir)
	for _, write := range []string{"SET omni:config:a 2", "DEL omni:config:a", "FLUSHALL", "XADD log * a 1", "EXPIRE omni:config:a 0"} {
		o.must(readOnly, words(t, write)...)
	}
	o.must("1", "GET", "omni:config:a")
	o.must(nil, "GET", "omni:result:past")
	o.eventually("unseen once its time is over", func() bool { return o.do("GET", "omni:result:soon") == nil })
	o.must("[]", "KEYS", "omni:result:*")
	o.must("[0 []]", "SCAN", "0", "MATCH", "omni:result:*", "COUNT", "100")
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("touched (-before +after)\n%s", diff)
	}
	writeText(t, filepath.Join(dir, "config.json"), `{"a": 2}`)
	for _, o := range []*omniproxy{o, second} {
		o.eventually("followed the edit", func() bool { return o.do("GET", "omni:config:a") == "2" })
	}
	writeText(t, filepath.Join(dir, "config.json"), `{"a": 1}`)
	o.eventually("followed the edit back", func() bool { return o.do("GET", "omni:config:a") == "1" })
	before = tree(t, dir)
	o.stop()
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("touched at the end (-before +after)\n%s", diff)
	}
	if log := o.log.String(); strings.Contains(log, "ERROR") || strings.Contains(log, "WARN") {
		t.Errorf("logged:\n%s", log)
	}
	// Beside one that writes.
	writer := serve(t, dir)
	reader := serve(t, dir, "--read-only")
	writer.must("OK", "SET", "omni:config:a", "3")
	reader.eventually("followed a publication", func() bool { return reader.do("GET", "omni:config:a") == "3" })
}

func TestEphemeralKeepsNothing(t *testing.T) {
	t.Parallel()
	dir := fixture(t, "omnidaemon_data")
	before := tree(t, dir)
	o := serve(t, dir, "--ephemeral")
	o.must("OK", "SET", "omni:config:zero", "1")
	o.must("1", "GET", "omni:config:zero")
	o.stop()
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("touched (-before +after)\n%s", diff)
	}
	missing := filepath.Join(dir, "missing")
	o = serve(t, missing, "--ephemeral")
	o.must("OK", "SET", "a", "1")
	o.stop()
	if _, err := os.Stat(missing); err == nil {
		t.Error("the directory was made")
	}
}

func TestTheShownDatabaseAndPrefix(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir(), "--db", "3", "--prefix", "mine")
	o.play("SET mine:config:zero 0\nSELECT 3\nSET mine:config:three 3\nSET omni:config:foreign 1")
	o.stop()
	if got := o.read("config.json"); got != "{\n  \"three\": 3\n}" {
		t.Errorf("config.json:\n%s", got)
	}
	for _, key := range []string{"mine:config:zero", "omni:config:foreign"} {
		if !strings.Contains(o.read("other.json"), key) {
			t.Errorf("other.json does not show %s:\n%s", key, o.read("other.json"))
		}
	}
}

func TestTheMetricsCapIsForWrites(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "omnidaemon_data"), "--metrics-cap", "5")
	o.must(2000, "XLEN", "omni:metrics:stream")
	o.do("XADD", "omni:metrics:stream", "MAXLEN", "~", "100000", "*", "data", `{"n": "last", "saved_at": 4102444800.5}`)
	o.must(5, "XLEN", "omni:metrics:stream")
	o.published("metrics.json", "last")
	if n := strings.Count(o.read("metrics.json"), `"saved_at"`); n != 5 {
		t.Errorf("%d metrics in the file", n)
	}
	before := o.keyspace()
	o.kill()
	if diff := cmp.Diff(before, serve(t, o.Dir, "--metrics-cap", "3").keyspace()); diff != "" {
		t.Errorf("a restart trims (-before +after)\n%s", diff)
	}
}

func TestMaxBlockIsToldWhenItFirstActs(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir(), "--max-block", "50ms")
	o.must(nil, "XREAD", "BLOCK", "40", "STREAMS", "s", "$")
	if log := o.log.String(); strings.Contains(log, "BLOCK") {
		t.Errorf("logged though nothing was capped:\n%s", log)
	}
	for range 2 {
		o.must(nil, "XREAD", "BLOCK", "0", "STREAMS", "s", "$")
	}
	if log := o.stop(); strings.Count(log, "BLOCK is capped, as --max-block says") != 1 {
		t.Errorf("logged:\n%s", log)
	}
}

func TestUnixSockets(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	o := serve(t, t.TempDir(), "--listen", "unix:"+path)
	if o.Addr != "unix:"+path {
		t.Errorf("the ready file says %s", o.Addr)
	}
	o.must("OK", "SET", "a", "1")
	if line := o.startLine(); !strings.Contains(line, " on unix:"+path+"; redis-cli -s "+path+"; OmniDaemon: STORAGE_BACKEND=redis REDIS_URL=unix://"+path+";") {
		t.Errorf("start line: %s", line)
	}
	if code, _, errs := runToEnd(t, "--dir", t.TempDir(), "--listen", path); code != 1 || !strings.Contains(errs, "address already in use") {
		t.Errorf("a socket that is in use: exit code %d: %s", code, errs)
	}
	o.kill()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("the crash left no socket: %v", err)
	}
	o = serve(t, o.Dir, "--listen", path)
	o.must("1", "GET", "a")
	o.stop()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is still there")
	}
	writeText(t, path, "precious")
	if code, _, errs := runToEnd(t, "--dir", o.Dir, "--listen", path); code != 1 {
		t.Errorf("a file in the socket's place: exit code %d: %s", code, errs)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("a file in the socket's place was destroyed: %v", err)
	}
}

func TestRequirepass(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir(), "--requirepass", "secret")
	o.must("NOAUTH Authentication required.", "GET", "a")
	o.must("OK", "AUTH", "secret")
}

func TestProtectedMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		code, _, errs := runToEnd(t, "--dir", dir, "--listen", listen)
		if code != 2 || !strings.HasPrefix(errs, "omniproxy: protected mode: not listening on "+listen+" without a password.\n") ||
			!strings.Contains(errs, "--requirepass-file FILE") {
			t.Errorf("%s: exit code %d: %s", listen, code, errs)
		}
	}
	if diff := cmp.Diff(map[string]string{}, jsonFiles(t, dir)); diff != "" {
		t.Error(diff)
	}
	serve(t, dir, "--listen", "0.0.0.0:0", "--requirepass", "secret").stop()
}

func TestSignalsEndEverythingInOrder(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		o := serve(t, t.TempDir())
		for i := range 50 {
			o.must("OK", "SET", fmt.Sprint("omni:config:k", i), strconv.Itoa(i))
		}
		o.signal(sig)
		if code := o.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%v: exit code %d", sig, code)
		}
		if got := strings.Count(o.read("config.json"), `"k`); got != 50 {
			t.Errorf("%v: %d of 50 records were published", sig, got)
		}
		if log := o.log.String(); !regexp.MustCompile(`INFO stopping; .*\n.*INFO stopped\n$`).MatchString(log) {
			t.Errorf("%v: logged\n%s", sig, log)
		}
	}
}

// SHUTDOWN is the same end as a signal. It has no reply: the connection is closed.
func TestSHUTDOWNEndsEverythingInOrder(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	o.must("OK", "SET", "omni:config:a", "1")
	if reply := fmt.Sprint(o.do("SHUTDOWN", "NOSAVE")); !strings.Contains(reply, "EOF") {
		t.Errorf("the reply is %q", reply)
	}
	<-o.exited
	if code := o.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, &o.log)
	}
	if got := o.read("config.json"); !strings.Contains(got, `"a"`) {
		t.Errorf("published: %s", got)
	}
}

// What CONFIG SET changes of the log works at once, and a restart begins with what the command line says.
func TestCONFIGSETLastsUntilTheEnd(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	o.must("OK", "CONFIG", "SET", "appendfsync", "always", "auto-aof-rewrite-percentage", "0", "requirepass", "secret")
	o.must("[appendfsync always]", "CONFIG", "GET", "appendfsync")
	o.must("OK", "SET", "omni:config:a", "1")
	if reply := fmt.Sprint(o.do("CONFIG", "SET", "hz", "20", "appendonly", "no")); !strings.Contains(reply, "the append-only file is the data") {
		t.Errorf("appendonly no: %s", reply)
	}
	o.must("[hz 10]", "CONFIG", "GET", "hz")
	o.stop()
	again := serve(t, o.Dir)
	again.must("[appendfsync everysec]", "CONFIG", "GET", "appendfsync")
	again.must("1", "GET", "omni:config:a")
}

// A client that stays connected holds the end up for a second: time for another signal. One that comes with the first,
// as timeout(1) sends them, is the same stop.
func TestASecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	o.must("OK", "SET", "omni:config:a", "1")
	clients := o.clients
	o.clients = nil
	for ended := false; !ended; {
		o.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-o.exited:
			ended = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	if code := o.cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit code %d:\n%s", code, &o.log)
	}
	clients[0].Close()
	serve(t, o.Dir).must("1", "GET", "omni:config:a")
}

func TestAStopSignalledTwiceIsOneStop(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	o.cmd.Process.Signal(syscall.SIGTERM)
	o.signal(syscall.SIGTERM)
	if code := o.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, &o.log)
	}
}

func TestADrainLetsBlockedReadersGo(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	ctx := context.Background()
	blocked, got := o.client(0), make(chan error, 1)
	go func() { got <- blocked.Do(ctx, "XREAD", "BLOCK", "0", "STREAMS", "s", "$").Err() }()
	o.eventually("blocked", func() bool { return strings.Contains(fmt.Sprint(o.do("INFO", "clients")), "blocked_clients:1") })
	o.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-got; err == nil || err.Error() != "redis: nil" {
		t.Errorf("the blocked reader got %v, want its timeout reply", err)
	}
	if err := blocked.Do(ctx, "PING").Err(); err == nil || err.Error() != "LOADING omniproxy is restarting" {
		t.Errorf("the next command got %v", err)
	}
	<-o.exited
	if code := o.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, &o.log)
	}
}

func TestSavingIsTruthful(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	info := func(name string) string {
		_, rest, _ := strings.Cut(fmt.Sprint(o.do("INFO", "persistence")), name+":")
		value, _, _ := strings.Cut(rest, "\r\n")
		return value
	}
	first := o.do("LASTSAVE").(int64)
	if age := time.Now().Unix() - first; age < 0 || age > 60 {
		t.Errorf("LASTSAVE is %d s ago", age)
	}
	o.must("OK", "SET", "a", "1")
	o.must("OK", "SET", "b", "1")
	if got := info("rdb_changes_since_last_save"); got != "2" {
		t.Errorf("changes since the last save: %s", got)
	}
	o.must("OK", "SAVE")
	if got := info("rdb_changes_since_last_save"); got != "0" {
		t.Errorf("changes after SAVE: %s", got)
	}
	o.must("OK", "SET", "a", "2")
	o.eventually("a second later", func() bool { return time.Now().Unix() > first })
	o.must("Background saving started", "BGSAVE")
	o.eventually("saved", func() bool {
		return o.do("LASTSAVE").(int64) > first && info("rdb_changes_since_last_save") == "0" && info("rdb_last_bgsave_status") == "ok"
	})
	size := info("aof_current_size")
	o.rewrite()
	for name, want := range map[string]string{"aof_enabled": "1", "aof_last_write_status": "ok", "aof_last_bgrewrite_status": "ok", "aof_rewrite_in_progress": "0"} {
		if got := info(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := info("aof_current_size"); got == size || got != info("aof_base_size") {
		t.Errorf("aof_current_size %s before and %s after a rewrite, aof_base_size %s", size, got, info("aof_base_size"))
	}

	o = serve(t, t.TempDir(), "--ephemeral")
	for _, command := range []string{"SAVE", "BGSAVE", "BGREWRITEAOF"} {
		o.must("ERR nothing is kept on disk: omniproxy runs with --read-only or --ephemeral", command)
	}
	if got := info("aof_enabled"); got != "0" {
		t.Errorf("ephemeral: aof_enabled %s", got)
	}
}

func TestINFOTellsHowTheFilesAre(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	o.must("OK", "SET", "omni:result:r", "no JSON")
	o.must("OK", "SET", "omni:config:a", "1")
	o.published("config.json", "1")
	o.eventually("told", func() bool {
		info := fmt.Sprint(o.do("INFO", "omniproxy"))
		m := regexp.MustCompile(`file_config\.json:status=ok,hidden=0,unkeyed=0,last_published=(\d+)\r\n`).FindStringSubmatch(info)
		return m != nil && m[1] > "1700000000" && strings.Contains(info, "file_results.json:status=ok,hidden=1,unkeyed=0,last_published=0\r\n")
	})
}
