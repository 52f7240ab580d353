package integration

import (
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// workload is what one client of a benchmark sends at a time: commands, and how many replies they bring.
type workload struct {
	name  string
	build func(w *wire.Writer, c *sender) (replies int)
}

// sender is one client of a benchmark.
type sender struct {
	id   int64 // from 1
	sent int64 // what it has sent before
	turn int64 // of all clients
}

// one of a thousand keys, in turn.
func (c *sender) key() string { return "bench:" + strconv.FormatInt(c.turn%1000, 10) }

// own is a key of this client alone.
func (c *sender) own(kind string) string { return kind + ":" + strconv.FormatInt(c.id, 10) }

func command(w *wire.Writer, words ...string) {
	w.Array(len(words))
	for _, word := range words {
		w.BulkString(word)
	}
}

func single(name string, words func(c *sender) []string) workload {
	return workload{name, func(w *wire.Writer, c *sender) int {
		command(w, words(c)...)
		return 1
	}}
}

var kilobyte = `{"task_id": "t", "result": {"text": "` + strings.Repeat("x", 950) + `"}, "saved_at": 1763859213.123456}`

// addAgent and saveResult are OmniDaemon's writes of a record.
var (
	addAgent = workload{"add_agent", func(w *wire.Writer, c *sender) int {
		topic, name := "t"+strconv.FormatInt(c.turn%10, 10), "a"+strconv.FormatInt(c.turn%1000, 10)
		command(w, "MULTI")
		command(w, "HSET", "omni:agent:"+topic+":"+name, "name", name, "callback_name", "cb", "tools", "[]", "description", "d",
			"config", "{}", "topic", topic, "created_at", "1763859213.5")
		command(w, "SADD", "omni:agents:topic:"+topic, name)
		command(w, "SADD", "omni:topics", topic)
		command(w, "EXEC")
		return 5
	}}
	saveResult = workload{"save_result", func(w *wire.Writer, c *sender) int {
		id := "r" + strconv.FormatInt(c.turn%1000, 10)
		command(w, "SETEX", "omni:result:"+id, "86400", strings.Replace(kilobyte, `"t"`, `"`+id+`"`, 1))
		command(w, "ZADD", "omni:results:index", "1763859213.5", id)
		return 2
	}}
)

// workloads are what OmniDaemon sends, and what every benchmark of Redis has. Their names begin with what they send.
var workloads = []workload{
	single("GET", func(c *sender) []string { return []string{"GET", c.key()} }),
	single("SET", func(c *sender) []string { return []string{"SET", c.key(), kilobyte} }),
	single("INCR", func(c *sender) []string { return []string{"INCR", "n:" + c.key()} }),
	single("SADD", func(c *sender) []string { return []string{"SADD", "set", c.key()} }),
	single("ZADD", func(c *sender) []string {
		return []string{"ZADD", "zset", strconv.FormatInt(c.turn*7919%1000, 10), c.key()}
	}),
	single("ZRANGE", func(*sender) []string { return []string{"ZRANGE", "zset", "0", "9"} }),
	{"LPUSH+RPOP", func(w *wire.Writer, c *sender) int {
		command(w, "LPUSH", "list", "element")
		command(w, "RPOP", "list")
		return 2
	}},
	single("XADD", func(*sender) []string {
		return []string{"XADD", "omni-stream:t", "MAXLEN", "~", "10000", "*", "data", `{"topic": "t", "content": "c"}`}
	}),
	{"XREADGROUP+XACK", func(w *wire.Writer, c *sender) int {
		replies := 4
		id := strconv.FormatInt(c.sent+1, 10) + "-0"
		if c.sent == 0 {
			command(w, "DEL", c.own("stream"))
			command(w, "XGROUP", "CREATE", c.own("stream"), "g", "$", "MKSTREAM")
			replies += 2
		}
		command(w, "XADD", c.own("stream"), id, "data", `{"topic": "t", "content": "c"}`)
		command(w, "XREADGROUP", "GROUP", "g", "consumer", "COUNT", "10", "STREAMS", c.own("stream"), ">")
		command(w, "XACK", c.own("stream"), "g", id)
		command(w, "XTRIM", c.own("stream"), "MAXLEN", "0")
		return replies
	}},
	addAgent,
	saveResult,
}
