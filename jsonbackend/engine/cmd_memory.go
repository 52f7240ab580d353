package engine

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"unsafe"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Memory: https://redis.io/commands/?name=memory. The sizes are this process' own.
var memoryHandlers = handlers{
	"MEMORY USAGE":        memoryUsage,
	"MEMORY STATS":        memoryStats,
	"MEMORY DOCTOR":       memoryDoctor,
	"MEMORY PURGE":        memoryPurge,
	"MEMORY MALLOC-STATS": memoryAllocator,
	"MEMORY HELP":         containerHelp,
}

const (
	usageSamples = 5      // unless MEMORY USAGE says otherwise
	mostSamples  = 10_000 // the lock is held meanwhile

	// What a key costs beside its name and its value: the entry, its slot in the map, its place in the tree.
	keyOverhead = int64(unsafe.Sizeof(Entry{})) + 40 + 16
	// What an expiry costs: its place in the heap.
	expiryOverhead = int64(unsafe.Sizeof(dueKey{}))
)

// memoryUsage answers MEMORY USAGE key [SAMPLES count]. At most 10,000 elements are looked at, also where all are asked for.
func memoryUsage(c *Call) error {
	samples := int64(usageSamples)
	for i := 3; i < len(c.Args); i += 2 {
		if !c.Is(i, "SAMPLES") || i+1 == len(c.Args) {
			return wire.ErrSyntax
		}
		n, err := c.Int(i + 1)
		switch {
		case err != nil:
			return err
		case n < 0:
			return wire.ErrSyntax
		case n == 0:
			n = math.MaxInt64
		}
		samples = n
	}
	e := c.Tx.peek(c.Args[2])
	if e == nil {
		c.Reply.Null()
		return nil
	}
	size := keyOverhead + int64(len(e.Key)) + value.Size(e.Value, int(min(samples, mostSamples)))
	if e.Expire != 0 {
		size += expiryOverhead
	}
	c.Reply.Int(size)
	return nil
}

// memoryStats answers MEMORY STATS with what Go knows in place of an allocator.
func memoryStats(c *Call) error {
	e := c.engine
	m := readMemory()
	keys, expiries, used := 0, 0, 0
	for _, d := range e.dbs {
		if len(d.keys) > 0 {
			used++
		}
		keys, expiries = keys+len(d.keys), expiries+d.ttls
	}
	overhead := int64(keys)*keyOverhead + int64(expiries)*expiryOverhead
	allocated, resident := int64(m.objects), int64(m.mapped)
	dataset := max(allocated-overhead, 0)
	c.Reply.Map(14 + used)
	number := func(name string, n int64) {
		c.Reply.BulkString(name)
		c.Reply.Int(n)
	}
	fraction := func(name string, f float64) {
		c.Reply.BulkString(name)
		c.Reply.Double(f)
	}
	number("total.allocated", allocated)
	number("replication.backlog", 0)
	number("clients.slaves", 0)
	number("cluster.links", 0)
	number("lua.caches", 0)
	number("functions.caches", 0)
	for _, d := range e.dbs {
		if len(d.keys) == 0 {
			continue
		}
		c.Reply.BulkString(fmt.Sprint("db.", d.id))
		c.Reply.Map(2)
		number("overhead.hashtable.main", int64(len(d.keys))*keyOverhead)
		number("overhead.hashtable.expires", int64(d.ttls)*expiryOverhead)
	}
	number("overhead.total", overhead)
	number("keys.count", int64(keys))
	number("keys.bytes-per-key", allocated/int64(max(keys, 1)))
	number("dataset.bytes", dataset)
	fraction("dataset.percentage", 100*float64(dataset)/float64(allocated))
	number("allocator.allocated", allocated)
	number("allocator.resident", resident)
	fraction("fragmentation", float64(resident)/float64(allocated))
	return nil
}

// memoryDoctor answers MEMORY DOCTOR: what is worth knowing, in sentences.
func memoryDoctor(c *Call) error {
	m := readMemory()
	keys := 0
	for _, d := range c.engine.dbs {
		keys += len(d.keys)
	}
	report := fmt.Sprintf("%d keys; objects take %s, and the process holds %s.\n", keys, humanBytes(m.objects), humanBytes(m.mapped))
	const small = 64 << 20
	if m.mapped > 3*m.objects && m.mapped > small {
		report += "Most of it is garbage or room for more. Go gives it back to the system by and by; MEMORY PURGE does so now.\n"
	} else {
		report += "Nothing is wrong.\n"
	}
	c.Reply.Verbatim("txt", report)
	return nil
}

// memoryPurge begins to collect garbage and to give what is free back to the system, beside the clients.
func memoryPurge(c *Call) error {
	go debug.FreeOSMemory()
	c.Reply.OK()
	return nil
}

func memoryAllocator(c *Call) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var b strings.Builder
	for _, line := range []struct {
		name string
		n    uint64
	}{
		{"heap_alloc", m.HeapAlloc}, {"heap_inuse", m.HeapInuse}, {"heap_idle", m.HeapIdle}, {"heap_released", m.HeapReleased},
		{"heap_objects", m.HeapObjects}, {"stacks", m.StackSys}, {"sys", m.Sys}, {"next_gc", m.NextGC}, {"num_gc", uint64(m.NumGC)},
	} {
		fmt.Fprintf(&b, "%s:%d\n", line.name, line.n)
	}
	c.Reply.Verbatim("txt", b.String())
	return nil
}
