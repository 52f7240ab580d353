package keyspace

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

var (
	legalWrites = flag.Int("legal", 5_000, "writes of legal shape to generate")
	legalSeed   = flag.Uint64("seed", 1, "what they begin with")
)

// daemon sends what OmniDaemon's Redis store and event bus send, with what its users may give them.
type daemon struct {
	*rand.Rand
	layout Layout
	send   func(args ...string)
	number int
}

// name is a topic, an agent's name, a task id or a configuration key.
func (d *daemon) name() string {
	parts := []string{"a", "bot", "file.uploaded", "svc", "агент-Ж", "🤖", " ", ":", "-", "_", "/", "{tag}", "é", "<&>", `"`, `\`, "'", "42"}
	var b strings.Builder
	for range 1 + d.IntN(4) {
		b.WriteString(parts[d.IntN(len(parts))])
	}
	return b.String()
}

// quote is a string as json.dumps prints it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, u := range utf16.Encode([]rune(s)) {
		switch {
		case u == '"' || u == '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(u))
		case u == '\n':
			b.WriteString(`\n`)
		case u < ' ' || u > '~':
			fmt.Fprintf(&b, `\u%04x`, u)
		default:
			b.WriteByte(byte(u))
		}
	}
	return b.String() + `"`
}

// value is any value as json.dumps prints it.
func (d *daemon) value(depth int) string {
	switch n := d.IntN(12); {
	case n == 0 && depth < 4:
		var items []string
		for range d.IntN(4) {
			items = append(items, d.value(depth+1))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case n < 3 && depth < 4:
		return d.object(depth)
	case n < 6:
		return quote(d.name() + []string{"", "\n", "\x00\x7f", "\u2028", "null", "{}"}[d.IntN(6)])
	case n == 6:
		return []string{"NaN", "Infinity", "-Infinity", `"\ud800"`, "1208925819614629174706176", "1e+300", "5e-324", "-0.0"}[d.IntN(8)]
	case n == 7:
		return strconv.Itoa(d.IntN(1<<40) - 1<<39)
	case n == 8:
		return strconv.FormatFloat(d.NormFloat64()*math.Pow(10, float64(d.IntN(30)-15)), 'g', -1, 64)
	}
	return []string{"null", "true", "false"}[d.IntN(3)]
}

func (d *daemon) object(depth int, members ...string) string {
	var items []string
	for i := 0; i+1 < len(members); i += 2 {
		items = append(items, quote(members[i])+": "+members[i+1])
	}
	for range d.IntN(3) {
		items = append(items, quote(d.name()+"?")+": "+d.value(depth+1))
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// now is time.time() as json.dumps prints it.
func (d *daemon) now() string {
	return strconv.FormatFloat(float64(exampleNow-d.IntN(1e9))/1000+d.Float64(), 'f', -1, 64)
}

func (d *daemon) registers() {
	topic, name := d.name(), d.name()
	tools := []string{"[]", "null", "[" + quote(d.name()) + ", " + quote(d.name()) + "]"}[d.IntN(3)]
	d.send("HSET", d.layout.Agent(topic, name), "name", name, "callback_name", d.name(), "tools", tools, "description", d.name()+"\n",
		"config", d.object(0, "consumer_count", "3"), "topic", topic, "created_at", d.now())
	d.send("SADD", d.layout.AgentsOfTopic(topic), name)
	d.send("SADD", d.layout.Topics(), topic)
	d.send("XGROUP", "CREATE", d.layout.BusStream(topic), "group:"+topic+":"+name, "$", "MKSTREAM")
	d.send("SET", d.layout.Config("_subscription_active:group:"+topic+":"+name), "true")
	d.send("SET", d.layout.Config("_omnidaemon_start_time"), []string{d.now(), "null"}[d.IntN(2)])
}

func (d *daemon) saves() {
	id, at := d.name()+strconv.Itoa(d.number), float64(exampleNow-d.IntN(1e6))/1000
	d.number++
	text := "{" + `"task_id": ` + quote(id) + `, "result": ` + d.object(0, "status", `"completed"`) + `, "saved_at": ` + strconv.FormatFloat(at, 'f', -1, 64) + "}"
	if d.IntN(2) == 0 {
		d.send("SETEX", d.layout.Result(id), "86400", text)
	} else {
		d.send("SET", d.layout.Result(id), text)
	}
	d.send("ZADD", d.layout.ResultsIndex(), strconv.FormatFloat(at+d.Float64()/100, 'f', -1, 64), id)
}

func (d *daemon) measures() {
	metric := []string{
		d.object(0, "topic", quote(d.name()), "agent", quote(d.name()), "event", `"task_received"`, "timestamp", d.now(), "saved_at", d.now()),
		d.object(0, "topic", quote(d.name()), "event", `"task_processed"`, "processing_time_sec", "0.25", "saved_at", d.now()),
		d.object(0, "event", `"agent_state_change"`, "agent_name", quote(d.name()), "old_state", `"IDLE"`, "saved_at", d.now()),
		d.object(0, "test", d.value(0), "saved_at", d.now()),
	}[d.IntN(4)]
	d.send("XADD", d.layout.MetricsStream(), "MAXLEN", "~", "100000", "*", "data", metric)
	event := d.object(0, "topic", quote(d.name()), "event", `"processed"`, "msg_id", `"1-1"`, "group", quote(d.name()), "consumer", quote(d.name()), "timestamp", d.now())
	d.send("XADD", d.layout.BusMetrics(), "MAXLEN", "~", "1000000", "*", "data", event)
}

func (d *daemon) publishes() {
	topic := d.name()
	task := d.object(0, "content", d.value(0), "webhook", "null", "reply_to", "null", "topic", quote(topic), "task_id", []string{quote(d.name()), "null"}[d.IntN(2)],
		"correlation_id", "null", "delivery_attempts", strconv.Itoa(d.IntN(3)), "created_at", d.now())
	d.send("XADD", d.layout.BusStream(topic), "MAXLEN", "~", "10000", "*", "data", task)
}

func (d *daemon) configures() {
	name := d.name()
	d.send("SET", d.layout.Config(name), d.value(0))
	d.send("SET", d.layout.Config("supervisor:"+name), []string{"null", d.object(0, "agent_name", quote(name))}[d.IntN(2)])
	d.send("SET", d.layout.Config("_subscription_active:group:"+name+":x"), "false")
}

// tidies sends what takes away, and what the reclaim loop counts.
func (d *daemon) tidies() {
	topic, name, id := d.name(), d.name(), d.name()
	group := "group:" + topic + ":" + name
	d.send("HINCRBY", d.layout.RetryCounts(group), "1763859213002-0", "1")
	d.send("EXPIRE", d.layout.RetryCounts(group), "3600")
	d.send("HDEL", d.layout.RetryCounts(group), "1763859213002-0")
	d.send("XADD", d.layout.DeadLetters(group), "MAXLEN", "~", "10000", "*", "data", d.object(0, "topic", quote(topic), "original_stream", `"s"`,
		"original_id", `"1-1"`, "failed_message", []string{`{"raw": null}`, d.object(0)}[d.IntN(2)], "error", `"Max retries (4) exceeded"`, "retry_count", "3", "failed_at", d.now()))
	d.send("XACK", d.layout.BusStream(topic), group, "1-1")
	d.send("XCLAIM", d.layout.BusStream(topic), group, "consumer:a-1", "180000", "1-1")
	d.send("XGROUP", "DESTROY", d.layout.BusStream(topic), group)
	d.send("DEL", d.layout.Agent(topic, name))
	d.send("SREM", d.layout.AgentsOfTopic(topic), name)
	d.send("SREM", d.layout.Topics(), topic)
	d.send("DEL", d.layout.Result(id))
	d.send("ZREM", d.layout.ResultsIndex(), id)
}

func words(args []string) (words [][]byte) {
	for _, a := range args {
		words = append(words, []byte(a))
	}
	return words
}

func TestWhatOmniDaemonWritesBreaksNoRule(t *testing.T) {
	for i, prefix := range []string{"omni", "", "omni:staging", "a*[b]"} {
		sent := 0
		c := Checker{Layout: Layout{prefix}}
		d := &daemon{Rand: rand.New(rand.NewPCG(*legalSeed, uint64(i))), layout: c.Layout, send: func(args ...string) {
			sent++
			if found, unchecked := c.Check(words(args)); len(found) > 0 || unchecked {
				t.Fatalf("seed %d: %q: unchecked %v, %+v", *legalSeed, args, unchecked, found)
			}
		}}
		for sent < *legalWrites/4 {
			[]func(){d.registers, d.saves, d.measures, d.publishes, d.configures, d.tidies}[d.IntN(6)]()
		}
	}
}

func TestWhatOmniDaemonLeavesBreaksNoRule(t *testing.T) {
	for seed := range uint64(20) {
		s := newStore(t)
		d := &daemon{Rand: rand.New(rand.NewPCG(*legalSeed, seed)), layout: s.layout, send: func(args ...string) { s.do(words(args)) }}
		for range 50 {
			[]func(){d.registers, d.saves, d.measures}[d.IntN(3)]()
		}
		for _, f := range s.audit() {
			switch f.Rule {
			case AmbiguousName, SharedKey, GlobInTopic, ResultNoTTL: // that is what its users asked for
			default:
				t.Fatalf("seed %d: %+v", seed, f)
			}
		}
	}
}
