package integration

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// times is how many of the steps before n concern slot i, if each of so many slots has its turn.
func times(n, i, slots int) int { return (n - i + slots - 1) / slots }

// latest is what is in each slot after n steps: the last one that concerned it.
func latest(n, slots int, show func(n int) any) []any {
	return each(slots, func(i int) any {
		if t := times(n, i, slots); t > 0 {
			return show((t-1)*slots + i)
		}
		return nil
	})
}

// each is a list of what f returns for 0 to n-1.
func each(n int, f func(i int) any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = f(i)
	}
	return list
}

// span is the numbers from a up to b, b excluded.
func span(a, b int) []any { return each(max(b-a, 0), func(i int) any { return a + i }) }

// numbered is a command with the arguments format 0 to format n-1.
func numbered(n int, format string, words ...any) []any {
	return append(words, each(n, func(i int) any { return fmt.Sprintf(format, i) })...)
}

// impossible is what no server may hold: somebody got what nobody had sent.
var impossible = []any{"impossible"}

// labours are of every type of value, and of every way to write.
var labours = []labour{
	{
		name:    "SET",
		clients: []steps{one(func(n int) string { return fmt.Sprintf("SET omni:config:slot%d %d", n%50, n) })},
		state:   [][]any{numbered(50, "omni:config:slot%d", "MGET")},
		want: func(done []int) []any {
			return []any{latest(done[0], 50, func(n int) any { return n })}
		},
	},
	{
		name:    "SET of 64 KiB",
		clients: []steps{one(func(n int) string { return fmt.Sprintf("SET large %09d%s", n, strings.Repeat("x", 64<<10)) })},
		pause:   5 * time.Millisecond,
		state:   [][]any{{"GETRANGE", "large", "0", "8"}},
		want: func(done []int) []any {
			if done[0] == 0 {
				return []any{""}
			}
			return []any{fmt.Sprintf("%09d", done[0]-1)}
		},
	},
	{
		name: "APPEND",
		clients: []steps{one(func(n int) string {
			if n%40 == 0 {
				return fmt.Sprintf("SET text %d,", n)
			}
			return fmt.Sprintf("APPEND text %d,", n)
		})},
		state: [][]any{{"GET", "text"}},
		want: func(done []int) []any {
			if done[0] == 0 {
				return []any{nil}
			}
			text := ""
			for n := (done[0] - 1) / 40 * 40; n < done[0]; n++ {
				text += fmt.Sprint(n, ",")
			}
			return []any{text}
		},
	},
	counting("INCR", 1),
	counting("INCR in a pipeline", 10),
	{
		name:    "HINCRBY",
		clients: []steps{one(func(n int) string { return fmt.Sprintf("HINCRBY hash f%d 1", n%50) })},
		state:   [][]any{numbered(50, "f%d", "HMGET", "hash")},
		want:    func(done []int) []any { return []any{counts(done[0], 50)} },
	},
	{
		name:    "ZINCRBY",
		clients: []steps{one(func(n int) string { return fmt.Sprintf("ZINCRBY zset 1 m%d", n%50) })},
		state:   [][]any{numbered(50, "m%d", "ZMSCORE", "zset")},
		want:    func(done []int) []any { return []any{counts(done[0], 50)} },
	},
	{
		name: "SMOVE",
		clients: []steps{one(func(n int) string {
			switch round := n / 64; {
			case round == 0:
				return fmt.Sprintf("SADD here %d", n)
			case round%2 == 1:
				return fmt.Sprintf("SMOVE here there %d", n%64)
			default:
				return fmt.Sprintf("SMOVE there here %d", n%64)
			}
		})},
		state: [][]any{numbered(64, "%d", "SMISMEMBER", "here"), numbered(64, "%d", "SMISMEMBER", "there")},
		want: func(done []int) []any {
			t := func(i int) int { return times(done[0], i, 64) }
			return []any{
				each(64, func(i int) any { return t(i) % 2 }),
				each(64, func(i int) any { return min(t(i), 1) * (1 - t(i)%2) }),
			}
		},
	},
	{
		name: "LPUSH and RPOP", // a hundred elements, then one out and one in
		clients: []steps{one(func(n int) string {
			switch {
			case n < 100:
				return fmt.Sprintf("LPUSH list %d", n)
			case n%2 == 0:
				return "RPOP list"
			default:
				return fmt.Sprintf("LPUSH list %d", 100+(n-100)/2)
			}
		})},
		state: [][]any{{"LRANGE", "list", "0", "-1"}},
		want: func(done []int) []any {
			more := max(done[0]-100, 0)
			return []any{reversed((more+1)/2, min(done[0], 100)+more/2)}
		},
	},
	{
		name: "BLMOVE and BRPOP",
		db:   5,
		clients: []steps{
			one(func(n int) string { return fmt.Sprintf("LPUSH queue %d", n) }),
			one(func(int) string { return "BLMOVE queue next RIGHT LEFT 0" }),
			one(func(int) string { return "BRPOP next 0" }),
		},
		state: [][]any{{"LRANGE", "queue", "0", "-1"}, {"LRANGE", "next", "0", "-1"}},
		want: func(done []int) []any {
			if done[0] < done[1] || done[1] < done[2] {
				return impossible
			}
			return []any{reversed(done[1], done[0]), reversed(done[2], done[1])}
		},
	},
	{
		name:  "XADD, XREADGROUP and XACK",
		setup: []any{"XGROUP", "CREATE", "omni-stream:t", "g", "0", "MKSTREAM"},
		clients: []steps{
			one(func(n int) string {
				if n%3 > 0 { // no faster than the other
					return "XLEN omni-stream:t"
				}
				return fmt.Sprintf("XADD omni-stream:t %d-0 data %d", n/3+1, n/3+1)
			}),
			one(func(n int) string {
				switch id := n/3 + 1; n % 3 {
				case 0:
					return "XREADGROUP GROUP g c COUNT 1 BLOCK 0 STREAMS omni-stream:t >"
				case 1:
					return fmt.Sprintf("XACK omni-stream:t g %d-0", id)
				default:
					return fmt.Sprintf("XDEL omni-stream:t %d-0", id)
				}
			}),
		},
		state: [][]any{{"XRANGE", "omni-stream:t", "-", "+"}, {"XPENDING", "omni-stream:t", "g"}},
		want: func(done []int) []any {
			added, read, acked, deleted := (done[0]+2)/3, (done[1]+2)/3, (done[1]+1)/3, done[1]/3
			if added < read {
				return impossible
			}
			entries := each(added-deleted, func(i int) any {
				return []any{fmt.Sprint(deleted+1+i, "-0"), []any{"data", deleted + 1 + i}}
			})
			pending := []any{0, nil, nil, nil}
			if id := fmt.Sprint(read, "-0"); read > acked {
				pending = []any{1, id, id, []any{[]any{"c", 1}}}
			}
			return []any{entries, pending}
		},
	},
	{
		name: "XADD of metrics", // beside the 2,000 of the fixture; with the IDs that the file tells of
		clients: []steps{func(n int) [][]string {
			return [][]string{{"XADD", "omni:metrics:stream", "MAXLEN", "~", "100000", metricID(n), "data", metric(n)}}
		}},
		pause: time.Millisecond,
		state: [][]any{{"XLEN", "omni:metrics:stream"}, {"XREVRANGE", "omni:metrics:stream", "+", metricID(0), "COUNT", 1}},
		want: func(done []int) []any {
			newest := []any{}
			if n := done[0]; n > 0 {
				newest = []any{[]any{metricID(n - 1), []any{"data", metric(n - 1)}}}
			}
			return []any{min(2000+done[0], 10_000), newest}
		},
	},
	{
		name:    "XADD with an ID of the server's",
		clients: []steps{one(func(n int) string { return fmt.Sprintf("XADD omni-dlq:g MAXLEN ~ 10000000 * data %d", n) })},
		pause:   time.Millisecond,
		state:   [][]any{{"XLEN", "omni-dlq:g"}},
		want:    func(done []int) []any { return []any{done[0]} },
	},
	{
		name: "MULTI ... EXEC",
		db:   3,
		clients: []steps{func(n int) [][]string {
			return [][]string{
				{"HINCRBY", "accounts", strconv.Itoa(n % 10), "-1"},
				{"HINCRBY", "accounts", strconv.Itoa((n + 3) % 10), "1"},
				{"INCR", "transfers"},
				{"LPUSH", "journal", strconv.Itoa(n)},
				{"LTRIM", "journal", "0", "9"},
			}
		}},
		state: [][]any{numbered(10, "%d", "HMGET", "accounts"), {"GET", "transfers"}, {"LRANGE", "journal", "0", "-1"}},
		want: func(done []int) []any {
			n := done[0]
			return []any{
				each(10, func(i int) any {
					in, out := times(n, (i+7)%10, 10), times(n, i, 10)
					if in+out == 0 {
						return nil
					}
					return in - out
				}),
				count(n), reversed(max(n-10, 0), n),
			}
		},
	},
	{
		name: "add_agent and delete_agent", // of three rounds two add and one deletes
		clients: []steps{func(n int) [][]string {
			name := fmt.Sprint("a", n%20)
			if n/20%3 == 2 {
				return [][]string{{"DEL", "omni:agent:t:" + name}, {"SREM", "omni:agents:topic:t", name}}
			}
			return [][]string{
				{"HSET", "omni:agent:t:" + name, "name", name, "callback_name", "cb", "tools", "[]", "description", strconv.Itoa(n),
					"config", "{}", "topic", "t", "created_at", "1763859213.5"},
				{"SADD", "omni:agents:topic:t", name},
				{"SADD", "omni:topics", "t"},
			}
		}},
		state: append(descriptions(20), numbered(20, "a%d", "SMISMEMBER", "omni:agents:topic:t")),
		want: func(done []int) []any {
			replies, members := latest(done[0], 20, func(n int) any { return n }), make([]any, 20)
			for i := range members {
				members[i] = 1
				if times(done[0], i, 20)%3 == 0 {
					replies[i], members[i] = nil, 0
				}
			}
			return append(replies, members)
		},
	},
	{
		name: "save_result",
		clients: []steps{func(n int) [][]string {
			id, at := fmt.Sprint("r", n/2%50), fmt.Sprint(n/2, ".5")
			if n%2 == 0 {
				return [][]string{{"SETEX", "omni:result:" + id, "86400", result(n / 2)}}
			}
			return [][]string{{"ZADD", "omni:results:index", at, id}}
		}},
		state: [][]any{numbered(50, "omni:result:r%d", "MGET"), numbered(50, "r%d", "ZMSCORE", "omni:results:index")},
		want: func(done []int) []any {
			return []any{
				latest((done[0]+1)/2, 50, func(n int) any { return result(n) }),
				latest(done[0]/2, 50, func(n int) any { return fmt.Sprint(n, ".5") }),
			}
		},
	},
}

func counting(name string, pipeline int) labour {
	key := strings.ReplaceAll(name, " ", "_")
	return labour{
		name:     name,
		clients:  []steps{one(func(int) string { return "INCR " + key })},
		pipeline: pipeline,
		state:    [][]any{{"GET", key}},
		want:     func(done []int) []any { return []any{count(done[0])} },
	}
}

// count is a counter, which is not there before the first step.
func count(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

// counts are counters of so many slots.
func counts(n, slots int) []any {
	return each(slots, func(i int) any { return count(times(n, i, slots)) })
}

// reversed is span the other way round, as LPUSH leaves it.
func reversed(a, b int) []any {
	list := span(a, b)
	slices.Reverse(list)
	return list
}

// result is a record as save_result makes it.
func result(n int) string {
	return fmt.Sprintf(`{"task_id": "r%d", "result": %q, "saved_at": %d.5}`, n%50, strings.Repeat("x", 200), n)
}

// descriptions reads that field of so many agents.
func descriptions(n int) [][]any {
	commands := make([][]any, n)
	for i := range commands {
		commands[i] = []any{"HGET", fmt.Sprint("omni:agent:t:a", i), "description"}
	}
	return commands
}

const firstMetric = 1_800_000_000_000 // Unix milliseconds

func metricID(n int) string { return fmt.Sprint(firstMetric+n, "-0") }

func metric(n int) string {
	at := firstMetric + n
	return fmt.Sprintf(`{"n": %d, "saved_at": %d.%03d1}`, n, at/1000, at%1000)
}
