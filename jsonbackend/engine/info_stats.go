package engine

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/omniproxy/omniproxy/resp/command"
)

func (e *Engine) infoStats() []string {
	s := &e.stats
	n := e.elsewhere().since(s.elsewhere)
	t := n.traffic
	perSecond := func(r *rate) fixed2 { return fixed2(float64(r.perSecond()) / 1024) }
	return infoLines(
		"total_connections_received", t.Accepted,
		"total_commands_processed", s.calls,
		"instantaneous_ops_per_sec", s.ops.perSecond(),
		"total_net_input_bytes", t.Input,
		"total_net_output_bytes", t.Output,
		"total_net_repl_input_bytes", 0,
		"total_net_repl_output_bytes", 0,
		"instantaneous_input_kbps", perSecond(&s.input),
		"instantaneous_output_kbps", perSecond(&s.output),
		"instantaneous_input_repl_kbps", "0.00",
		"instantaneous_output_repl_kbps", "0.00",
		"rejected_connections", t.Rejected,
		"sync_full", 0,
		"sync_partial_ok", 0,
		"sync_partial_err", 0,
		"expired_keys", s.expiredKeys,
		"expired_stale_perc", "0.00",
		"expired_time_cap_reached_count", 0,
		"expire_cycle_cpu_milliseconds", s.expiring.Milliseconds(),
		"evicted_keys", 0,
		"evicted_clients", 0,
		"total_eviction_exceeded_time", 0,
		"current_eviction_exceeded_time", 0,
		"keyspace_hits", s.hits,
		"keyspace_misses", s.misses,
		"pubsub_channels", e.topics[channel].len(),
		"pubsub_patterns", e.topics[pattern].len(),
		"pubsubshard_channels", e.topics[shardChannel].len(),
		"latest_fork_usec", 0,
		"total_forks", 0,
		"migrate_cached_sockets", 0,
		"slave_expires_tracked_keys", 0,
		"active_defrag_hits", 0,
		"active_defrag_misses", 0,
		"active_defrag_key_hits", 0,
		"active_defrag_key_misses", 0,
		"total_active_defrag_time", 0,
		"current_active_defrag_time", 0,
		"tracking_total_keys", len(e.tracking.keys),
		"tracking_total_items", e.tracking.copies,
		"tracking_total_prefixes", e.tracking.prefixes.Len(),
		"unexpected_error_replies", 0,
		"total_error_replies", s.failed+t.ProtocolErrors,
		"dump_payload_sanitizations", 0,
		"total_reads_processed", t.Reads,
		"total_writes_processed", t.Writes,
		"io_threaded_reads_processed", 0,
		"io_threaded_writes_processed", 0,
		"reply_buffer_shrinks", 0,
		"reply_buffer_expands", 0)
}

// infoCommandStats has a line for each command that was called or refused, a subcommand by its full name.
func (e *Engine) infoCommandStats() (lines []string) {
	for spec := range command.All() {
		s := &e.stats.commands[spec.Index]
		if s.calls+s.rejected+s.failed == 0 {
			continue
		}
		perCall := 0.0
		if s.calls > 0 {
			perCall = float64(s.spent.Nanoseconds()) / 1e3 / float64(s.calls)
		}
		lines = append(lines, fmt.Sprintf("cmdstat_%s:calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			spec.FullName, s.calls, s.spent.Microseconds(), perCall, s.rejected, s.failed))
	}
	return lines
}

// infoErrorStats counts error replies by code, sorted. Errors in the protocol have Redis' most general one.
func (e *Engine) infoErrorStats() (lines []string) {
	counts := maps.Clone(e.stats.errors)
	if n := e.elsewhere().since(e.stats.elsewhere).traffic.ProtocolErrors; n > 0 {
		counts["ERR"] += n
	}
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("errorstat_%s:count=%d", code, counts[code]))
	}
	return lines
}

// infoLatencyStats tells how long calls took at the most, in microseconds: for each command, and each of the percentages that
// latency-tracking-info-percentiles names.
func (e *Engine) infoLatencyStats() (lines []string) {
	if !e.stats.histograms {
		return nil
	}
	for spec := range command.All() {
		h := e.stats.commands[spec.Index].latency
		if h == nil {
			continue
		}
		line := "latency_percentiles_usec_" + spec.FullName + ":"
		for i, p := range e.stats.percentiles {
			if i > 0 {
				line += ","
			}
			line += fmt.Sprintf("p%s=%.3f", trimZeros(strconv.AppendFloat(nil, p, 'f', 6, 64)), float64(h.percentile(p))/1e3)
		}
		lines = append(lines, line)
	}
	return lines
}
