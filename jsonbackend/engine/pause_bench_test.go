package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

// neighbour is another client, which measures how long it waits for a small GET.
type neighbour struct {
	waits []time.Duration
	stop  atomic.Bool
	done  chan struct{}
}

func moveIn(b *testing.B, addr string) *neighbour {
	n := &neighbour{done: make(chan struct{})}
	c := dial(b, addr)
	c.do("SET", "small", "x")
	go func() {
		defer close(n.done)
		for len(n.waits) == 0 || !n.stop.Load() {
			begin := time.Now()
			if _, err := c.ask("GET", "small"); err != nil {
				b.Error(err)
				return
			}
			n.waits = append(n.waits, time.Since(begin))
		}
	}()
	return n
}

// ask is do for a goroutine of its own.
func (c *client) ask(args ...string) (reply, error) {
	if _, err := c.conn.Write(appendCommand(nil, words(args))); err != nil {
		return reply{}, err
	}
	return c.next()
}

// report tells what the neighbour went through.
func (n *neighbour) report(b *testing.B) {
	n.stop.Store(true)
	<-n.done
	slices.Sort(n.waits)
	at := func(part float64) float64 {
		return float64(n.waits[int(part*float64(len(n.waits)-1))].Microseconds())
	}
	b.ReportMetric(at(0.5), "us/p50")
	b.ReportMetric(at(0.99), "us/p99")
	b.ReportMetric(at(1), "us/max")
}

// What a client waits for a small GET while another one does something with a million elements.
func BenchmarkNeighbourOfAMillion(b *testing.B) {
	const n = 1_000_000
	limits, streamLimits := value.DefaultLimits(), value.DefaultStreamLimits()
	list, hash, set, zset, stream := value.NewList(), value.NewHash(&limits), value.NewSet(&limits), value.NewZSet(&limits), value.NewStream(&streamLimits)
	big := &value.Str{B: bytes.Repeat([]byte("x"), 100<<20)}
	for i := range n {
		text := fmt.Sprintf("element:%08d", i)
		list.PushBack(text)
		hash.Set(text, text)
		set.Add(text)
		zset.Add(text, float64(i))
		stream.Append(value.StreamID{Ms: uint64(i + 1)}, [][]byte{[]byte("f"), []byte(text)})
	}
	half := strconv.Itoa(n / 2)
	for _, line := range []string{
		"PING", "LRANGE list 0 -1", "LPOP list " + half, "LTRIM list 1000 " + half, "LPOS list none", "SMEMBERS set", "SPOP set 1000000", "SPOP set 100000",
		"SRANDMEMBER set 1000000", "SUNION set set2", "SINTER set set2", "SUNIONSTORE s set set2", "SSCAN set 0 COUNT 1000000", "HGETALL hash", "HVALS hash",
		"ZRANGE zset 0 -1 WITHSCORES", "ZPOPMIN zset 100000", "ZREMRANGEBYRANK zset 0 100000", "ZUNION 2 zset zset2", "ZRANGESTORE z zset 0 -1",
		"XRANGE stream - +", "XREAD STREAMS stream 0", "XTRIM stream MAXLEN 1000", "GET big", "DEL list hash set zset stream big", "COPY hash h", "RENAME hash h", "HSET hash f v",
	} {
		b.Run(line, func(b *testing.B) {
			e := New(Options{Log: forgetful{}})
			addr, stop := serve(b, e)
			defer stop()
			c := dial(b, addr)
			other := moveIn(b, addr)
			for range b.N {
				b.StopTimer()
				e.Locked(func() {
					e.tx.begin(e.dbs[0])
					for key, v := range map[string]value.Value{"list": list, "hash": hash, "set": set, "set2": set, "zset": zset, "zset2": zset, "stream": stream, "big": big} {
						e.tx.put([]byte(key), v.Clone())
					}
				})
				b.StartTimer()
				c.skip(line)
			}
			b.StopTimer()
			other.report(b)
		})
	}
}

// What a client waits while another one asks for all of a million keys, and the next one writes.
func BenchmarkNeighbourOfAMillionKeys(b *testing.B) {
	e := New(Options{Log: forgetful{}})
	do := inProcess(b, e)
	for i := range 1_000_000 {
		do(request(b, fmt.Sprintf("SET omni:config:%d v", i)))
	}
	addr, stop := serve(b, e)
	defer stop()
	for _, line := range []string{"KEYS *", "KEYS *99999*", "SCAN 0 COUNT 1000000", "SET omni:config:7 v", "FLUSHALL"} {
		b.Run(line, func(b *testing.B) {
			c := dial(b, addr)
			other := moveIn(b, addr)
			for range b.N {
				kept := e.dbs[0].keyset
				c.skip(line)
				if line == "FLUSHALL" {
					e.Locked(func() { e.dbs[0].keyset = kept })
				}
			}
			other.report(b)
		})
	}
}

// skip does a command and reads over its reply.
func (c *client) skip(line string) {
	const end = "end of the reply"
	c.send(strings.Fields(line)...)
	c.send("ECHO", end)
	tail, buf := []byte(nil), make([]byte, 64<<10)
	for !bytes.HasSuffix(tail, []byte(end+"\r\n")) {
		n, err := c.r.Read(buf)
		if err != nil {
			c.t.Fatal(err)
		}
		tail = append(tail[max(0, len(tail)-len(end)-2):], buf[:n]...)
	}
}
