package engine

import (
	"fmt"
	"runtime"
	"runtime/metrics"
)

// infoMemory tells of the Go runtime's memory by Redis' names: used are the bytes of objects, some of them garbage already;
// the allocator's are those of the heap; resident are those that the process occupies.
func (e *Engine) infoMemory() []string {
	m, p := readMemory(), e.opts.Host.Process()
	resident := p.Resident
	if resident == 0 {
		resident = m.mapped
	}
	buffered := 0
	if log := e.opts.Host.Persistence().Log; log != nil {
		buffered = log.Buffered
	}
	clients := e.opts.Host.Buffers().Total
	s := &e.stats
	s.memoryPeak = max(s.memoryPeak, m.objects)
	overhead := min(s.memoryAtStart+uint64(clients+buffered), m.objects)
	data := m.objects - overhead
	percent := func(part, whole uint64) string {
		return fmt.Sprintf("%.2f%%", 100*float64(part)/float64(max(whole, 1)))
	}
	ratio := func(a, b uint64) fixed2 { return fixed2(float64(a) / float64(max(b, 1))) }
	return infoLines(
		"used_memory", m.objects,
		"used_memory_human", humanBytes(m.objects),
		"used_memory_rss", resident,
		"used_memory_rss_human", humanBytes(resident),
		"used_memory_peak", s.memoryPeak,
		"used_memory_peak_human", humanBytes(s.memoryPeak),
		"used_memory_peak_perc", percent(m.objects, s.memoryPeak),
		"used_memory_overhead", overhead,
		"used_memory_startup", s.memoryAtStart,
		"used_memory_dataset", data,
		"used_memory_dataset_perc", percent(data, m.objects-min(s.memoryAtStart, m.objects)),
		"allocator_allocated", m.objects,
		"allocator_active", m.heap,
		"allocator_resident", m.mapped,
		"total_system_memory", p.Memory,
		"total_system_memory_human", humanBytes(p.Memory),
		"used_memory_lua", 0,
		"used_memory_vm_eval", 0,
		"used_memory_lua_human", "0B",
		"used_memory_scripts_eval", 0,
		"number_of_cached_scripts", 0,
		"number_of_functions", 0,
		"number_of_libraries", 0,
		"used_memory_vm_functions", 0,
		"used_memory_vm_total", 0,
		"used_memory_vm_total_human", "0B",
		"used_memory_functions", 0,
		"used_memory_scripts", 0,
		"used_memory_scripts_human", "0B",
		"maxmemory", e.memoryLimit.bytes,
		"maxmemory_human", humanBytes(e.memoryLimit.bytes),
		"maxmemory_policy", e.config.text["maxmemory-policy"],
		"allocator_frag_ratio", ratio(m.heap, m.objects),
		"allocator_frag_bytes", m.heap-m.objects,
		"allocator_rss_ratio", ratio(m.mapped, m.heap),
		"allocator_rss_bytes", m.mapped-m.heap,
		"rss_overhead_ratio", ratio(resident, m.mapped),
		"rss_overhead_bytes", int64(resident-m.mapped),
		"mem_fragmentation_ratio", ratio(resident, m.objects),
		"mem_fragmentation_bytes", int64(resident-m.objects),
		"mem_not_counted_for_evict", buffered,
		"mem_replication_backlog", 0,
		"mem_total_replication_buffers", 0,
		"mem_clients_slaves", 0,
		"mem_clients_normal", clients,
		"mem_cluster_links", 0,
		"mem_aof_buffer", buffered,
		"mem_allocator", runtime.Version(),
		"active_defrag_running", 0,
		"lazyfree_pending_objects", 0,
		"lazyfreed_objects", 0)
}

// memoryUse is what the Go runtime has, in bytes.
type memoryUse struct {
	objects uint64 // of the heap, dead ones that were not swept included
	heap    uint64 // objects and the gaps between them
	mapped  uint64 // everything that was not given back to the system
}

func readMemory() memoryUse {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	n := func(i int) uint64 { return samples[i].Value.Uint64() }
	return memoryUse{objects: n(0), heap: n(0) + n(1), mapped: n(2) - n(3)}
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
