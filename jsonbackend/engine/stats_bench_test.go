package engine

import (
	"fmt"
	"testing"

	"github.com/omniproxy/omniproxy/resp"
)

// A command with all that is counted and measured about it, alone in its batch and with others.
func BenchmarkCounted(b *testing.B) {
	for _, line := range []string{"GET k", "SET k v"} {
		for _, n := range []int{1, 64} {
			b.Run(fmt.Sprint(line, "/", n), func(b *testing.B) {
				e := New(Options{Log: forgetful{}})
				conn := e.Connect(new(resp.Session))
				conn.Do([]resp.Command{request(b, "SET k v"), request(b, "CLIENT REPLY OFF")})
				batch := make([]resp.Command, n)
				for i := range batch {
					batch[i] = request(b, line)
				}
				b.ReportAllocs()
				for i := 0; i < b.N; i += n {
					conn.Do(batch)
					conn.Commit()
				}
			})
		}
	}
}
