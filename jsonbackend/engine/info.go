package engine

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp"
)

// Section is one part of INFO: "# Name" and lines "field:value".
type Section struct {
	Name  string
	Lines []string
}

// infoSections are Redis' sections of INFO, and their fields, in Redis' order. What has no meaning here, and tools read, has
// the value of a Redis that does not use it.
var infoSections = []struct {
	name      string
	byDefault bool
	lines     func(e *Engine) []string
}{
	{"Server", true, (*Engine).infoServer},
	{"Clients", true, (*Engine).infoClients},
	{"Memory", true, (*Engine).infoMemory},
	{"Persistence", true, (*Engine).infoPersistence},
	{"Stats", true, (*Engine).infoStats},
	{"Replication", true, (*Engine).infoReplication},
	{"CPU", true, (*Engine).infoCPU},
	{"Modules", true, func(*Engine) []string { return nil }},
	{"Commandstats", false, (*Engine).infoCommandStats},
	{"Errorstats", true, (*Engine).infoErrorStats},
	{"Latencystats", false, (*Engine).infoLatencyStats},
	{"Cluster", true, func(*Engine) []string { return infoLines("cluster_enabled", 0) }},
	{"Keyspace", true, (*Engine).infoKeyspace},
}

// info answers INFO [section...] (https://redis.io/commands/info). The host's own sections follow Redis' where they are asked
// for by name, or everything is.
func info(c *Call) error {
	asked := map[string]bool{}
	for _, a := range c.Args[1:] {
		asked[strings.ToLower(string(a))] = true
	}
	all := asked["all"] || asked["everything"]
	byDefault := len(asked) == 0 || asked["default"]
	wanted := func(name string) bool { return all || asked[strings.ToLower(name)] }
	e := c.engine
	var sections []Section
	for _, s := range infoSections {
		if wanted(s.name) || byDefault && s.byDefault {
			sections = append(sections, Section{s.name, s.lines(e)})
		}
	}
	for _, s := range e.opts.Host.Sections() {
		if asked["everything"] || asked[strings.ToLower(s.Name)] {
			sections = append(sections, s)
		}
	}
	var b strings.Builder
	for i, s := range sections {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString("# " + s.Name + "\r\n")
		for _, line := range s.Lines {
			b.WriteString(line + "\r\n")
		}
	}
	c.Reply.Verbatim("txt", b.String())
	return nil
}

// infoLines makes lines of names and values.
func infoLines(pairs ...any) []string {
	lines := make([]string, 0, len(pairs)/2)
	for pair := range slices.Chunk(pairs, 2) {
		lines = append(lines, fmt.Sprint(pair[0], ":", pair[1]))
	}
	return lines
}

// fixed2 is a number with two decimals.
type fixed2 float64

func (f fixed2) String() string { return fmt.Sprintf("%.2f", float64(f)) }

func oneIf(on bool) int {
	if on {
		return 1
	}
	return 0
}

func state(failed bool) string {
	if failed {
		return "err"
	}
	return "ok"
}

func (e *Engine) infoServer() []string {
	p, now := e.opts.Host.Process(), time.Now()
	uptime := int64(now.Sub(e.stats.started).Seconds())
	system := p.System
	if system == "" {
		system = runtime.GOOS + " " + runtime.GOARCH
	}
	lines := infoLines(
		"redis_version", resp.Version,
		"redis_git_sha1", "00000000",
		"redis_git_dirty", 0,
		"redis_build_id", 0,
		"redis_mode", "standalone",
		"os", system,
		"arch_bits", 32<<(^uint(0)>>63),
		"monotonic_clock", "POSIX clock_gettime")
	if runtime.GOOS == "linux" {
		lines = append(lines, "multiplexing_api:epoll")
	}
	return append(lines, infoLines(
		"process_id", p.ID,
		"process_supervised", "no",
		"run_id", e.stats.runID,
		"tcp_port", e.opts.Host.Traffic().Port,
		"server_time_usec", now.UnixMicro(),
		"uptime_in_seconds", uptime,
		"uptime_in_days", uptime/86400,
		"hz", 10,
		"configured_hz", 10,
		"lru_clock", now.Unix()&(1<<24-1),
		"executable", p.Executable,
		"config_file", "",
		"io_threads_active", 0)...)
}

func (e *Engine) infoClients() []string {
	t, b := e.opts.Host.Traffic(), e.opts.Host.Buffers()
	timed := 0
	for _, p := range e.waiting {
		timed += oneIf(p.timer != nil)
	}
	return infoLines(
		"connected_clients", t.Clients,
		"cluster_connections", 0,
		"maxclients", t.MaxClients,
		"client_recent_max_input_buffer", b.LongestInput,
		"client_recent_max_output_buffer", b.LongestOutput,
		"blocked_clients", len(e.waiting)+e.pause.Waiting(),
		"tracking_clients", len(e.tracking.clients),
		"clients_in_timeout_table", timed)
}

func (e *Engine) infoPersistence() []string {
	p := e.opts.Host.Persistence()
	log := p.Log
	if log == nil {
		log = &LogState{RewriteTook: -1}
	}
	before := e.stats.elsewhere
	lines := infoLines(
		"loading", oneIf(p.Loading != nil),
		"async_loading", 0,
		"current_cow_peak", 0,
		"current_cow_size", 0,
		"current_cow_size_age", 0,
		"current_fork_perc", "0.00",
		"current_save_keys_processed", log.RewriteKeys,
		"current_save_keys_total", log.RewriteKeysAll,
		"rdb_changes_since_last_save", p.Changes,
		"rdb_bgsave_in_progress", oneIf(!p.Saving.IsZero()),
		"rdb_last_save_time", p.LastSave.Unix(),
		"rdb_last_bgsave_status", state(p.SaveFailed),
		"rdb_last_bgsave_time_sec", seconds(p.SaveTook),
		"rdb_current_bgsave_time_sec", secondsSince(p.Saving),
		"rdb_saves", p.Saves-before.saves,
		"rdb_last_cow_size", 0,
		"rdb_last_load_keys_expired", 0,
		"rdb_last_load_keys_loaded", 0,
		"aof_enabled", oneIf(p.Log != nil),
		"aof_rewrite_in_progress", oneIf(log.Rewriting),
		"aof_rewrite_scheduled", 0,
		"aof_last_rewrite_time_sec", seconds(log.RewriteTook),
		"aof_current_rewrite_time_sec", secondsSince(log.RewriteBegan),
		"aof_last_bgrewrite_status", state(log.RewriteFailures > 0),
		"aof_rewrites", log.Rewrites-before.rewrites,
		"aof_rewrites_consecutive_failures", log.RewriteFailures,
		"aof_last_write_status", state(log.Failed),
		"aof_last_cow_size", 0,
		"module_fork_in_progress", 0,
		"module_fork_last_cow_size", 0)
	if p.Loading != nil {
		lines = append(lines, p.Loading.info()...)
	}
	if p.Log == nil {
		return lines
	}
	return append(lines, infoLines(
		"aof_current_size", log.Size,
		"aof_base_size", log.BaseSize,
		"aof_pending_rewrite", 0,
		"aof_buffer_length", log.Buffered,
		"aof_pending_bio_fsync", oneIf(log.Unsynced),
		"aof_delayed_fsync", 0,
		"aof_rewrite_bytes_written", log.RewriteBytes)...)
}

// info are the lines that INFO shows as long as something is loaded. The time it will take is a guess from the time it
// took so far.
func (l *Loading) info() []string {
	left, percent := l.Total-l.Done, 0.0
	if l.Total > 0 {
		percent = float64(l.Done) / float64(l.Total) * 100
	}
	eta := int64(1)
	if took := int64(time.Since(l.Began).Seconds()); took > 0 {
		eta = took * left / (l.Done + 1)
	}
	return infoLines(
		"loading_start_time", l.Began.Unix(),
		"loading_total_bytes", l.Total,
		"loading_rdb_used_mem", 0,
		"loading_loaded_bytes", l.Done,
		"loading_loaded_perc", fmt.Sprintf("%.2f", percent),
		"loading_eta_seconds", eta)
}

// seconds are whole ones; -1 stands for what never was.
func seconds(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return int64(d.Seconds())
}

// secondsSince is how long what began at t goes on; -1 if t is zero.
func secondsSince(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return seconds(time.Since(t))
}

func (e *Engine) infoReplication() []string {
	return infoLines(
		"role", "master",
		"connected_slaves", 0,
		"master_failover_state", "no-failover",
		"master_replid", e.stats.replID,
		"master_replid2", strings.Repeat("0", 40),
		"master_repl_offset", 0,
		"second_repl_offset", -1,
		"repl_backlog_active", 0,
		"repl_backlog_size", e.config.text["repl-backlog-size"],
		"repl_backlog_first_byte_offset", 0,
		"repl_backlog_histlen", 0)
}

func (e *Engine) infoCPU() []string {
	p := e.opts.Host.Process()
	exact := func(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
	return infoLines(
		"used_cpu_sys", exact(p.SystemTime),
		"used_cpu_user", exact(p.UserTime),
		"used_cpu_sys_children", exact(p.ChildrenSystemTime),
		"used_cpu_user_children", exact(p.ChildrenUserTime))
}

// infoKeyspace has a line for each database that is not empty. The mean lifetime is that of the keys that expire next.
func (e *Engine) infoKeyspace() (lines []string) {
	now := time.Now().UnixMilli()
	for _, d := range e.dbs {
		if len(d.keys) == 0 {
			continue
		}
		lines = append(lines, fmt.Sprintf("db%d:keys=%d,expires=%d,avg_ttl=%d", d.id, len(d.keys), d.ttls, d.averageTTL(now)))
	}
	return lines
}
