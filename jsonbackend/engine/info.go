package engine

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/omniproxy/omniproxy/resp"
)

// info is what INFO shows: the engine's own sections in Redis' order, the host's lines and sections added.
func (e *Engine) info() []Section {
	uptime := int64(time.Since(e.stats.Started).Seconds())
	heap, total := memory()
	clients, ever := e.opts.Host.Clients()
	sections := []Section{
		{"Server", []string{
			"redis_version:" + resp.Version,
			"redis_mode:standalone",
			"os:" + runtime.GOOS + " " + runtime.GOARCH,
			"arch_bits:64",
			fmt.Sprint("uptime_in_seconds:", uptime),
			fmt.Sprint("uptime_in_days:", uptime/86400),
		}},
		{"Clients", []string{
			fmt.Sprint("connected_clients:", clients),
			fmt.Sprint("blocked_clients:", len(e.waiting)),
		}},
		{"Memory", []string{
			fmt.Sprint("used_memory:", heap),
			"used_memory_human:" + humanBytes(heap),
			fmt.Sprint("used_memory_rss:", total),
			"used_memory_rss_human:" + humanBytes(total),
			"maxmemory:0",
			"maxmemory_human:0B",
			"maxmemory_policy:noeviction",
		}},
		{"Persistence", []string{"loading:0"}},
		{"Stats", []string{
			fmt.Sprint("total_connections_received:", ever),
			fmt.Sprint("total_commands_processed:", e.stats.Commands),
			fmt.Sprint("expired_keys:", e.stats.Expired),
			"evicted_keys:0",
			fmt.Sprint("keyspace_hits:", e.stats.Hits),
			fmt.Sprint("keyspace_misses:", e.stats.Misses),
			fmt.Sprint("pubsub_channels:", e.topics[channel].len()),
			fmt.Sprint("pubsub_patterns:", e.topics[pattern].len()),
			fmt.Sprint("pubsubshard_channels:", e.topics[shardChannel].len()),
		}},
		{"Replication", []string{"role:master", "connected_slaves:0"}},
		{"CPU", nil},
		{"Modules", nil},
		{"Errorstats", nil},
		{"Cluster", []string{"cluster_enabled:0"}},
		{"Keyspace", e.keyspace()},
	}
	for _, more := range e.opts.Host.Info() {
		i := slices.IndexFunc(sections, func(s Section) bool { return s.Name == more.Name })
		if i < 0 {
			sections = append(sections, more)
		} else {
			sections[i].Lines = append(sections[i].Lines, more.Lines...)
		}
	}
	return sections
}

func (e *Engine) keyspace() (lines []string) {
	now := time.Now().UnixMilli()
	for _, d := range e.dbs {
		if len(d.keys) == 0 {
			continue
		}
		average := int64(0)
		if d.ttls > 0 && len(d.due) > 0 {
			sum := int64(0)
			sample := d.due[:min(len(d.due), 100)]
			for _, k := range sample {
				sum += max(k.at-now, 0)
			}
			average = sum / int64(len(sample))
		}
		lines = append(lines, fmt.Sprintf("db%d:keys=%d,expires=%d,avg_ttl=%d", d.id, len(d.keys), d.ttls, average))
	}
	return lines
}

// memory returns the bytes of live objects and those that the process got from the system.
func memory() (heap, total uint64) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64() - samples[2].Value.Uint64()
}

// humanBytes words a size as Redis does: "1.50M".
func humanBytes(n uint64) string {
	const units = "BKMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%dB", n)
	}
	f, i := float64(n), 0
	for f >= 1024 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%.2f%c", f, units[i])
}
