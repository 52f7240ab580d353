package resp

import (
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp/command"
)

// BenchmarkValidation measures what judging a command adds to it. Reads, and writes to keys of others, allocate nothing.
func BenchmarkValidation(b *testing.B) {
	v := NewValidation(keyspace.Checker{Layout: keyspace.Layout{Prefix: "omni"}}, Enforce, nil, nil)
	for _, c := range []struct{ name, line string }{
		{"read", "GET omni:result:1"},
		{"write of another key", "SET session:1 value"},
		{"add_agent", `HSET omni:agent:t:a name a callback_name run tools ["x"] description "" config {"a":1} topic t created_at 1763859213.5`},
		{"save_result", `SETEX omni:result:42 86400 {"task_id":"42","result":{"sum":7},"saved_at":1763859213.5}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			var cmd Command
			for _, word := range strings.Fields(c.line) {
				cmd.Args = append(cmd.Args, []byte(word))
			}
			if cmd.Spec, cmd.Refused = command.Check(cmd.Args); cmd.Refused != nil {
				b.Fatal(cmd.Refused)
			}
			b.ReportAllocs()
			for b.Loop() {
				if v.Filter(nil, &cmd); cmd.Refused != nil {
					b.Fatal(cmd.Refused)
				}
			}
		})
	}
}
