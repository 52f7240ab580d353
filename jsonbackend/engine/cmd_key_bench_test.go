package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

// What concerns a value as a whole takes as long for a million fields as for ten.
func BenchmarkWholeValues(b *testing.B) {
	limits := value.DefaultLimits()
	for _, n := range []int{10, 1_000_000} {
		hash := value.NewHash(&limits) // copies of it cost nothing
		for i := range n {
			hash.Set(fmt.Sprint("field ", i), "v")
		}
		for _, lines := range []string{"DEL k", "UNLINK k", "FLUSHALL", "RENAME k l", "MOVE k 1; SWAPDB 0 1", "COPY k l", "COPY k l; HSET k f v"} {
			b.Run(fmt.Sprint(lines, "/", n), func(b *testing.B) {
				e := New(Options{Log: forgetful{}})
				do := inProcess(b, e)
				empty := request(b, "FLUSHALL")
				for range b.N {
					b.StopTimer()
					do(empty)
					e.Locked(func() {
						e.tx.begin(e.dbs[0])
						e.tx.create([]byte("k"), hash.Clone())
					})
					b.StartTimer()
					for line := range strings.SplitSeq(lines, ";") {
						do(request(b, line))
					}
				}
			})
		}
	}
}

// What concerns all of a million keys.
func BenchmarkManyKeys(b *testing.B) {
	e := New(Options{Log: forgetful{}})
	do := inProcess(b, e)
	for i := range 1_000_000 {
		do(request(b, fmt.Sprintf("SET omni:config:%d v", i)))
	}
	for _, line := range []string{"SCAN 0", "SCAN 0 COUNT 1000", "RANDOMKEY"} {
		b.Run(line, func(b *testing.B) {
			for range b.N {
				do(request(b, line))
			}
		})
	}
	b.Run("FLUSHALL", func(b *testing.B) {
		for range b.N {
			kept := e.dbs[0].keyset
			do(request(b, "FLUSHALL"))
			e.dbs[0].keyset = kept
		}
	})
}

// Small commands, and edits of a large string, which must not copy it. Only the first edit in its midst after a freeze does.
func BenchmarkStrings(b *testing.B) {
	e := New(Options{Log: forgetful{}})
	do := inProcess(b, e)
	do(request(b, "SETRANGE big 67108863 x"))
	for _, line := range []string{"SET k value", "GET k", "INCR n", "INCRBYFLOAT f 0.1", "APPEND big x", "SETRANGE big 1000 x", "GETRANGE big 1000 1100", "STRLEN big"} {
		b.Run(line, func(b *testing.B) {
			b.ReportAllocs()
			cmd := request(b, line)
			for range b.N {
				do(cmd)
			}
		})
	}
	for _, line := range []string{"APPEND big x", "SETRANGE big 1000 x"} {
		b.Run("freeze; "+line, func(b *testing.B) {
			cmd := request(b, line)
			for range b.N {
				e.Freeze(nil)
				do(cmd)
			}
		})
	}
}

// The largest tables that are allowed.
func BenchmarkLCS(b *testing.B) {
	for _, n := range [][2]int{{11_584, 11_584}, {100, 1_000_000}, {1_000_000, 100}, {60_000_000, 1}} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			do := inProcess(b, New(Options{Log: forgetful{}}))
			do(request(b, "SET a "+strings.Repeat("abcab", n[0]/5+1)[:n[0]]))
			do(request(b, "SET b "+strings.Repeat("bca", n[1]/3+1)[:n[1]]))
			b.ResetTimer()
			for range b.N {
				do(request(b, "LCS a b"))
			}
		})
	}
}
