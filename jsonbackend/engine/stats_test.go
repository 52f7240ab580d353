package engine

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// pair is a Redis and an engine that are told the same by clients of the same names.
type pair struct {
	t       *testing.T
	addrs   [2]string // Redis first
	clients [2]map[string]*client
	ids     [2]string // of the clients named a
}

func newPair(t *testing.T) *pair {
	t.Helper()
	addr, stop := serve(t, New(Options{}))
	t.Cleanup(stop)
	return &pair{t: t, addrs: [2]string{redistest.Start(t, "--enable-debug-command", "yes"), addr}, clients: [2]map[string]*client{{}, {}}}
}

func (p *pair) client(server int, name string) *client {
	c := p.clients[server][name]
	if c == nil {
		c = dial(p.t, p.addrs[server])
		p.clients[server][name] = c
	}
	return c
}

// do tells both the same and returns what they answer.
func (p *pair) do(name string, words ...string) (replies [2]reply) {
	p.t.Helper()
	for server := range replies {
		replies[server] = p.client(server, name).do(words...)
	}
	return replies
}

// run plays lines such as "a> GET k". One that ends with "&" parks, and "a<" reads its answer; "$a" is a's ID.
func (p *pair) run(script string) {
	p.t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		line = strings.TrimSpace(line)
		if name, found := strings.CutSuffix(line, "<"); found {
			for server := range p.addrs {
				p.client(server, name).read()
			}
			continue
		}
		name, command, _ := strings.Cut(line, "> ")
		command, parks := strings.CutSuffix(command, " &")
		for server := range p.addrs {
			c := p.client(server, name)
			words := strings.Fields(command)
			for i, w := range words {
				if w == "$a" {
					words[i] = p.ids[server]
				}
			}
			if c.send(words...); !parks {
				c.read()
			} else {
				p.untilBlocked(server)
			}
		}
	}
}

// untilBlocked waits until one more client waits.
func (p *pair) untilBlocked(server int) {
	p.t.Helper()
	for {
		if strings.Contains(p.client(server, "watcher").do("CLIENT", "LIST").text, "flags=b ") {
			return
		}
	}
}

// section returns the lines of a section of INFO whose field matches.
func (p *pair) section(name, pattern string) (lines [2][]string) {
	p.t.Helper()
	for server, r := range p.do("observer", "INFO", name) {
		for line := range strings.SplitSeq(r.text, "\r\n") {
			if regexp.MustCompile(pattern).MatchString(line) {
				lines[server] = append(lines[server], line)
			}
		}
		slices.Sort(lines[server])
	}
	return lines
}

func (p *pair) same(what string, both [2][]string) {
	p.t.Helper()
	if diff := cmp.Diff(both[0], both[1]); diff != "" {
		p.t.Errorf("%s (-redis +engine):\n%s", what, diff)
	}
}

var timing = regexp.MustCompile(`usec=\d+,usec_per_call=[\d.]+,`)

func (p *pair) sameStatistics() {
	p.t.Helper()
	commands := p.section("commandstats", "^cmdstat_")
	for server := range commands {
		lines := slices.DeleteFunc(commands[server], func(l string) bool {
			return strings.HasPrefix(l, "cmdstat_client|list:") || // untilBlocked asks as often as it must
				strings.HasPrefix(l, "cmdstat_client|unblock:") // for Redis, it fails when it makes another command fail
		})
		for i, l := range lines {
			lines[i] = timing.ReplaceAllString(l, "")
		}
		commands[server] = lines
	}
	p.same("commands", commands)
	p.same("errors", p.section("errorstats", "^errorstat_"))
	p.same("counts", p.section("stats", "^(total_error_replies|keyspace_hits|keyspace_misses|expired_keys|rejected_connections):"))
	var measured [2][]string
	for server, r := range p.do("observer", "LATENCY", "HISTOGRAM") {
		for i := 0; i < len(r.items); i += 2 {
			measured[server] = append(measured[server], fmt.Sprint(r.items[i].text, " ", r.items[i+1].items[1].text))
		}
		measured[server] = slices.DeleteFunc(measured[server], func(l string) bool { return strings.HasPrefix(l, "client|list ") })
		slices.Sort(measured[server])
	}
	p.same("histograms", measured)
}

// What is counted about commands and errors is what Redis counts.
func TestStatisticsAreThoseOfRedis(t *testing.T) {
	for _, tt := range []struct{ name, script string }{
		{"calls", `
			a> SET k v
			a> GET k
			a> GET none
			a> CONFIG GET nothing
			a> config get nothing
			a> OBJECT ENCODING k
			a> XGROUP CREATE s g $ MKSTREAM
			a> MGET k none none
			a> SET gone v PX 1
			a> DEL k
			a> QUIT`},
		{"failed", `
			a> SET k v
			a> INCR k
			a> LPUSH k e
			a> SET k v NX XX
			a> OBJECT ENCODING none
			a> XGROUP CREATE none g $
			a> AUTH wrong
			a> XREADGROUP GROUP g c STREAMS none >
			a> CLIENT KILL ID x
			a> SELECT 99
			a> SLOWLOG GET -2`},
		{"refused", `
			a> NONE
			a> NONE arguments
			a> GET
			a> GET a b
			a> CONFIG
			a> CONFIG NONE
			a> CONFIG GET
			a> CLIENT SETINFO LIB-NAME x
			a> XGROUP CREATE s`},
		{"transaction", `
			a> MULTI
			a> SET k v
			a> INCR k
			a> LPUSH k e
			a> GET k
			a> EXEC
			a> MULTI
			a> GET
			a> SET k w
			a> EXEC
			a> EXEC
			a> MULTI
			a> NONE
			a> EXEC
			a> MULTI
			a> MULTI
			a> WATCH k
			a> EXEC
			a> MULTI
			a> EXEC x
			a> DISCARD
			a> MULTI
			a> GET k
			a> DISCARD
			a> MULTI
			a> BLPOP none 0
			a> CONFIG RESETSTAT
			a> PING
			a> EXEC`},
		{"watch", `
			a> WATCH k
			b> SET k v
			a> MULTI
			a> GET k
			a> EXEC`},
		{"blocking, served", `
			a> BLPOP q 0 &
			b> RPUSH q x
			a<
			a> BLPOP q 0 &
			b> MULTI
			b> RPUSH q x
			b> RPUSH q y
			b> EXEC
			a<
			a> BLPOP q 0
			a> BZPOPMIN z 0 &
			b> ZADD z 1 m
			a<
			a> XREAD BLOCK 0 STREAMS s $ &
			b> XADD s * f v
			a<
			a> BLMOVE q r LEFT LEFT 0 &
			b> RPUSH q x
			a<`},
		{"blocking, failed", `
			a> SET r text
			a> BRPOPLPUSH q r 0 &
			b> RPUSH q x
			a<
			a> XGROUP CREATE s g $ MKSTREAM
			a> XREADGROUP GROUP g c BLOCK 0 STREAMS s > &
			b> XGROUP DESTROY s g
			a<`},
		{"blocking, ended", `
			a> BLPOP q 0.01
			a> BLPOP q 0 &
			b> CLIENT UNBLOCK $a
			a<
			a> BLPOP q 0 &
			b> CLIENT UNBLOCK $a ERROR
			a<
			b> CLIENT UNBLOCK $a ERROR`},
		{"subscribed", `
			a> SUBSCRIBE c
			a> GET k
			a> PING`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			p.do("b", "PING")
			for server, id := range p.do("a", "CLIENT", "ID") {
				p.ids[server] = id.text
			}
			p.do("observer", "CONFIG", "RESETSTAT")
			p.run(tt.script)
			p.sameStatistics()
			p.do("observer", "CONFIG", "RESETSTAT")
			p.sameStatistics()
		})
	}
}

func TestStrangersAreCountedAsRefused(t *testing.T) {
	p := newPair(t)
	p.do("observer", "CONFIG", "SET", "requirepass", "secret")
	p.do("observer", "CONFIG", "RESETSTAT")
	p.run(`
		a> GET k
		a> PING
		a> MULTI
		a> EXEC
		a> NONE
		a> AUTH wrong
		a> HELLO 3
		a> AUTH secret
		a> GET k`)
	p.sameStatistics()
}

// The fields of INFO are Redis', in its order, but for some that only a program in C could answer truly.
func TestInfoHasTheFieldsOfRedis(t *testing.T) {
	leftOut := []string{"atomicvar_api", "gcc_version", "used_cpu_sys_main_thread", "used_cpu_user_main_thread"}
	p := newPair(t)
	for _, section := range []string{"", "all", "everything", "default", "server", "COMMANDSTATS", "cpu latencystats", "none", "modules", "all none", "default commandstats"} {
		p.do("a", "CONFIG", "RESETSTAT")
		p.do("a", "SET", "k", "v")
		var names [2][]string
		for server, r := range p.do("a", strings.Fields("INFO "+section)...) {
			for line := range strings.SplitSeq(r.text, "\r\n") {
				name, _, _ := strings.Cut(line, ":")
				if !slices.Contains(leftOut, name) {
					names[server] = append(names[server], name)
				}
			}
			sortRuns(names[server], "cmdstat_")
			sortRuns(names[server], "latency_percentiles_usec_")
		}
		p.same("fields of "+section, names)
	}
}

// sortRuns sorts the names with a prefix, which stand together: Redis' order of commands is that of a hash table.
func sortRuns(names []string, prefix string) {
	is := func(name string) bool { return strings.HasPrefix(name, prefix) }
	begin := slices.IndexFunc(names, is)
	if begin < 0 {
		return
	}
	end := begin
	for end < len(names) && is(names[end]) {
		end++
	}
	slices.Sort(names[begin:end])
}

// Redis and the engine agree on how long DEBUG SLEEP and nothing took.
func TestLatencyHistogramsHaveTheLimitsOfRedis(t *testing.T) {
	t.Parallel()
	var h histogram
	limits := map[int64]bool{}
	for d := time.Duration(1); d <= time.Second; d = d*3/2 + 1 {
		h.record(d)
	}
	for limit := range h.cumulative() {
		limits[limit.Microseconds()] = true
	}
	c := dial(t, redistest.Start(t, "--enable-debug-command", "yes"))
	for _, sleep := range []string{"0", "0.0001", "0.0005", "0.001", "0.002", "0.004", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "0.6"} {
		c.do("DEBUG", "SLEEP", sleep)
	}
	histogram := c.do("LATENCY", "HISTOGRAM", "debug").items[1].items[3].items
	for i := 0; i < len(histogram); i += 2 {
		if n, _ := strconv.ParseInt(histogram[i].text, 10, 64); !limits[n] {
			t.Errorf("Redis has a limit of %d us, we have %v", n, limits)
		}
	}
}

func TestPercentilesAreConfigured(t *testing.T) {
	p := newPair(t)
	for _, words := range []string{"0.0 50.0 100.0", "99.999", "", "101", "a", "50 50"} {
		p.do("a", "CONFIG", "RESETSTAT")
		p.do("a", "CONFIG", "SET", "latency-tracking-info-percentiles", words)
		p.do("a", "GET", "k")
		lines := p.section("latencystats", "_get:")
		for server := range lines {
			for i, l := range lines[server] {
				lines[server][i] = regexp.MustCompile(`=[\d.]+`).ReplaceAllString(l, "=")
			}
		}
		p.same(words, lines)
	}
	p.do("a", "CONFIG", "SET", "latency-tracking", "no")
	p.do("a", "CONFIG", "RESETSTAT")
	p.do("a", "GET", "k")
	p.same("switched off", p.section("latencystats", "_get:"))
}

func TestRatesAreOfTheLastSamples(t *testing.T) {
	var r rate
	now := time.Unix(0, 0)
	for i := range 100 {
		r.sample(now.Add(time.Duration(i)*100*time.Millisecond), int64(i*7))
	}
	if n := r.perSecond(); n != 70 {
		t.Errorf("%d per second", n)
	}
	for i := range 20 {
		r.sample(now.Add(time.Duration(i+100)*100*time.Millisecond), 99*7)
	}
	if n := r.perSecond(); n != 0 {
		t.Errorf("%d per second, later", n)
	}
}
