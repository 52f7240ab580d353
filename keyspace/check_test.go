package keyspace

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rulesOf names the rules that are broken: "OMN011 OMN019".
func rulesOf(found []Finding) string {
	var names []string
	for _, f := range found {
		names = append(names, f.Rule.String())
	}
	return strings.Join(names, " ")
}

func TestCheck(t *testing.T) {
	result := `'{"task_id": "1", "result": {}, "saved_at": 1.5}'`
	data := `data '{"topic": "t", "task_id": "1", "delivery_attempts": 0}'`
	for _, tt := range []struct {
		line, want string
		unchecked  bool
	}{
		// Reads, and keys that are nothing like OmniDaemon's.
		{line: "GET omni:topics"},
		{line: "PING"},
		{line: "set session:1 x"},
		{line: "SET omni x"},
		{line: "SET omnibus:1 x"},
		{line: "SET omni-other x"},
		{line: "DEL omni:agent:t:n"},
		{line: "XGROUP DESTROY omni:nothing g"},
		{line: "EXPIRE omni:nothing 1"},
		{line: "SET omni:result:1"}, // Redis refuses it
		{line: "HSET omni:agent:t:n tools"},
		{line: "XADD omni-stream:t"},

		// Names.
		{line: "SADD omni:agents:topic: bot", want: "OMN002"},
		{line: "SADD omni:agents:topic:t ''", want: "OMN002"},
		{line: "ZADD omni:results:index NX CH 1 ''", want: "OMN002"},
		{line: "SMOVE x omni:topics a\x01", want: "OMN002"},
		{line: "SET omni:config:\xff 1", want: "OMN002"},
		{line: "HSET omni:agent::n name n", want: "OMN002"},
		{line: "HSET omni:agent:a::b topic a"},
		{line: "SET omni:nothing 1", want: "OMN001"},
		{line: "SET omni:results:1 1", want: "OMN006"},
		{line: "XADD omni-streams:t * " + data, want: "OMN006"},
		{line: "MSET a 1 omni:result 2 omni:config:k {", want: "OMN001 OMN030"},
		{line: "XADD dlq:g * a b", want: "OMN042"},
		{line: "XADD omni-dlq:g * data '{\"topic\": 1, \"failed_message\": 1, \"error\": 1}'", want: "OMN042"},

		// Types.
		{line: "LPUSH omni:topics a", want: "OMN003"},
		{line: "HSET omni:result:1 a b", want: "OMN003"},
		{line: "XGROUP CREATE omni:topics g $ MKSTREAM", want: "OMN003"},
		{line: "sunionstore omni:topics a b", unchecked: true},
		{line: "SUNIONSTORE omni:result:1 a b", want: "OMN003", unchecked: true},
		{line: "SORT a BY b STORE omni:topics", want: "OMN003", unchecked: true},

		// Agents.
		{line: "HSET omni:agent:t:n tools '[1, \"a\"]' config '{}' topic t name n created_at 1.5"},
		{line: "HSET omni:agent:t:n tools null config null"},
		{line: "HSET omni:agent:t:n tools '{}' config '[]'", want: "OMN011 OMN011"},
		{line: "HSETNX omni:agent:t:n config x", want: "OMN011"},
		{line: "HINCRBY omni:agent:t:n tools 1", want: "OMN011"},
		{line: "HSET omni:agent:a:b:c topic a:b name c"},
		{line: "HSET omni:agent:a:b:c topic a:b name b:c", want: "OMN012"},
		{line: "HSET omni:agent:a:b:c topic b", want: "OMN012"},
		{line: "HSET omni:agent:t:n created_at now", want: "OMN017"},
		{line: "HSET omni:agent:t:n created_at NaN", want: "OMN017"},
		{line: "HSET omni:agent:t:n created_at 1763859213500", want: "OMN017"},
		{line: "HSET omni:agent:t:n version 2", want: "OMN019"},
		{line: "PEXPIRE omni:agent:t:n 1", want: "OMN018"},
		{line: "EXPIRE omni:result:1 1"},

		// Results.
		{line: "SET omni:result:1 " + result},
		{line: "SETEX omni:result:1 60 " + result},
		{line: "SETEX omni:result:2 60 " + result, want: "OMN022"},
		{line: "SET omni:result:1 '{\"task_id\": \"\\u0031\", \"result\": NaN, \"saved_at\": 1}'"},
		{line: "SET omni:result:1 '{\"task_id\": 1, \"result\": 1, \"saved_at\": \"1\"}'", want: "OMN022 OMN022"},
		{line: "SET omni:result:1 '{}'", want: "OMN022 OMN022 OMN022"},
		{line: "SET omni:result:1 '[1]'", want: "OMN022"},
		{line: "INCR omni:result:1", want: "OMN022"},
		{line: "APPEND omni:result:1 x", unchecked: true},
		{line: "SET omni:result:1 '{\"task_id\": \"1\", \"result\": \"" + strings.Repeat("x", 1<<20) + "\", \"saved_at\": 1}'", want: "OMN024"},

		// Configuration.
		{line: "SET omni:config:k null"},
		{line: "INCR omni:config:n"},
		{line: "SET omni:config:k '{1}'", want: "OMN030"},
		{line: "SET omni:config:_subscription_active:group:t:a false"},
		{line: "SET omni:config:_subscription_active:group:t:a '\"true\"'", want: "OMN031"},

		// Streams.
		{line: "XADD omni-stream:t NOMKSTREAM MAXLEN ~ 10 LIMIT 5 * " + data},
		{line: "XADD omni-stream:t 1-1 " + data},
		{line: "XADD omni-stream:t * " + data + " more 1", want: "OMN040"},
		{line: "XADD omni-stream:t * data '{\"topic\": \"t\", \"task_id\": null, \"delivery_attempts\": null}'", want: "OMN040"},
		{line: "XADD omni-stream:u * " + data, want: "OMN041"},
		{line: "XADD omni-metrics * data '{\"topic\": \"t\", \"event\": \"e\", \"timestamp\": 1}'", want: "OMN051"},
		{line: "XADD omni-metrics MINID 1 * data '{\"topic\": \"t\", \"event\": \"e\"}'", want: "OMN050"},
		{line: "XADD omni:metrics:stream MAXLEN 9 * data '{\"saved_at\": 1, \"agent_name\": \"a\", \"event\": \"agent_state_change\"}'"},

		// What cannot be seen.
		{line: "EVAL 'return 1' 0", unchecked: true},
		{line: "fcall f 0", unchecked: true},
		{line: "EVAL_RO 'return 1' 0"},
		{line: "RENAME a omni:topics", unchecked: true},
		{line: "RENAME omni:topics a"},
		{line: "COPY a omni:nothing", want: "OMN001"},
		{line: "RESTORE omni:result:1 0 x", unchecked: true},
		{line: "BITOP AND a b c"},
	} {
		found, unchecked := Checker{Layout: Layout{DefaultPrefix}}.Check(split(t, tt.line))
		if got := rulesOf(found); got != tt.want || unchecked != tt.unchecked {
			t.Errorf("%.100s: %q, unchecked %v, want %q, %v", tt.line, got, unchecked, tt.want, tt.unchecked)
		}
	}
}

func TestNearMissesNameTheFamilyThatWasMeant(t *testing.T) {
	for key, want := range map[string]string{
		"p:agents:t:n": "p:agent:{topic}:{name}", "p:results:1": "p:result:{task_id}", "p:metric:x": "p:metrics:stream",
		"p:dlq:g": "omni-dlq:{group}", "dlq:g": "omni-dlq:{group}", "omni-streams:t": "omni-stream:{topic}", "p:agent:x": "p:agent:{topic}:{name}",
		"p:settings": "", "session:1": "", "omni-streaming:x": "", "q:results:1": "",
	} {
		if got := (Layout{"p"}).meant(key); got != want {
			t.Errorf("meant(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestTheSizeOfAResultCanBeSet(t *testing.T) {
	line := split(t, `SETEX omni:result:1 60 '{"task_id": "1", "result": {}, "saved_at": 1}'`)
	found, _ := Checker{Layout: Layout{DefaultPrefix}, ResultBytes: 10}.Check(line)
	if diff := cmp.Diff("OMN024", rulesOf(found)); diff != "" {
		t.Error(diff)
	}
}

func TestCheckDoesNotAllocateForOtherKeys(t *testing.T) {
	c := Checker{Layout: Layout{DefaultPrefix}}
	for _, line := range []string{
		"GET omni:agent:t:n", "HGETALL omni:agent:t:n", "SET sessions:12345678901234567890123456789012345 x", "MSET a 1 b 2 c 3",
		"XADD events * a b", "SORT a STORE b", "ZADD scores 1 a 2 b", "XREADGROUP GROUP g c STREAMS omni-stream:t >",
	} {
		args := split(t, line)
		if n := testing.AllocsPerRun(100, func() { c.Check(args) }); n != 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	c := Checker{Layout: Layout{DefaultPrefix}}
	for _, line := range []string{"GET omni:agent:t:n", "SET session:1 x", "XADD events * a b", agentLine, resultLine, taskLine} {
		args := split(b, line)
		b.Run(fmt.Sprintf("%s_%.16s", args[0], args[1]), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Check(args)
			}
		})
	}
}
