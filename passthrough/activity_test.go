package passthrough

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// inPools runs a test in each pool.
func inPools(t *testing.T, test func(t *testing.T, pool Pool)) {
	for name, pool := range map[string]Pool{"session": Session, "shared": Shared} {
		t.Run(name, func(t *testing.T) { test(t, pool) })
	}
}

func TestCommandsAndErrorsAreCounted(t *testing.T) {
	inPools(t, func(t *testing.T, pool Pool) {
		var b *Backend
		addr, v := serve(t, redistest.Start(t), func(o *Options, v *resp.Server) {
			o.Pool = pool
			v.Filters = append(v.Filters, func(_ *resp.Session, c *resp.Command) {
				if c.Spec.Name == "FLUSHALL" {
					c.Refused = wire.Error("NO flushing")
				}
			})
		})
		b = v.Backend.(*Backend)
		c := connect(t, addr)
		lines := []string{"SET a 1", "SET a 1", "GET a", "LPUSH a 1", "GET", "NOSUCH a", "EVAL return{err='Made_up} 0", "FLUSHALL", "CONFIG GET port",
			"MULTI", "LPUSH a 1", "EXEC"}
		c.send(lines...)
		for range lines {
			c.reply()
		}
		got := map[string]string{}
		for _, c := range b.Activity().Commands {
			name := "other"
			if c.Spec != nil {
				name = c.Spec.FullName
			}
			got[name] = fmt.Sprint(c.Calls, c.Rejected)
		}
		want := map[string]string{"set": "2 0", "get": "2 0", "lpush": "2 0", "other": "1 0", "eval": "1 0", "flushall": "0 1", "config|get": "1 0",
			"multi": "1 0", "exec": "1 0"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("calls and rejected (-want +got)\n%s", diff)
		}
		errors := b.Activity().Errors
		if errors["WRONGTYPE"] != 1 || errors["ERR"] != 3 || errors["NO"] != 1 {
			t.Errorf("errors: %v", errors)
		}
	})
}

func TestErrorsThatScriptsMakeUpAreFew(t *testing.T) {
	var tally errorTally
	for i := range 10 * mostCodes {
		tally.count(fmt.Appendf(nil, "-%c%c text\r\n", 'A'+i%26, 'A'+i/26))
	}
	for _, odd := range []string{"-\r\n", "- x\r\n", "-Err x\r\n", "-" + strings.Repeat("A", 100) + " x\r\n"} {
		tally.count([]byte(odd))
	}
	all := tally.all()
	if len(all) != mostCodes+1 || all[otherCodes] != 9*mostCodes+4 {
		t.Errorf("%d codes, %d others", len(all), all[otherCodes])
	}
	tally.count([]byte("-LONE\r\n"))
	if tally.all()[otherCodes] != 9*mostCodes+5 {
		t.Error("a code without a text")
	}
}

// heard are times that were told of.
type heard struct {
	mu    sync.Mutex
	times []time.Duration
}

func (h *heard) add(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.times = append(h.times, d)
}

func (h *heard) all() []time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.times)
}

func TestRoundTripsAreMeasuredButNotWhatBlocks(t *testing.T) {
	inPools(t, func(t *testing.T, pool Pool) {
		var answered, waited heard
		addr, _ := serve(t, redistest.Start(t), func(o *Options, _ *resp.Server) {
			o.Pool = pool
			o.Events.Answered, o.Events.Waited = answered.add, waited.add
		})
		c := connect(t, addr)
		c.do("PING", "+PONG") // it has waited for the connection
		if n := len(waited.all()); n == 0 {
			t.Error("nobody has waited for the first connection")
		}
		c.do("PING", "+PONG")
		before := answered.all()
		if len(before) != 1 {
			t.Errorf("of two commands, one of which waited, were measured: %v", before)
		}
		c.do("BLPOP none 0.05", "*-1")
		c.do("PING", "+PONG")
		if after := answered.all(); len(after) != len(before)+1 {
			t.Errorf("of BLPOP and PING were measured: %v", after[len(before):])
		}
	})
}

func TestAddingIsToldOfWhatRedisConfirms(t *testing.T) {
	inPools(t, func(t *testing.T, pool Pool) {
		var mu sync.Mutex
		var told []string
		addr, _ := serve(t, redistest.Start(t), func(o *Options, _ *resp.Server) {
			o.Pool = pool
			o.Adding = func(key []byte, pairs [][]byte) func() {
				if string(key) != "s" {
					return nil
				}
				text := fmt.Sprintf("%s", pairs)
				return func() {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, text)
				}
			}
		})
		c := connect(t, addr)
		for _, batch := range [][]string{
			{"XADD s MAXLEN ~ 10 LIMIT 5 * data plain"}, {"XADD s 0-1 data refused"}, {"XADD other * data other"}, {"XADD s *"}, {"XADD none NOMKSTREAM * a b"},
			{"MULTI"}, {"XADD s * data discarded"}, {"DISCARD"},
			{"MULTI"}, {"XADD s NOMKSTREAM MINID = 1 * data done n 2"}, {"GET a"}, {"XADD s 0-1 data failed"}, {"EXEC"},
			{"MULTI", "SET a 1", "XADD s * data whole", "EXEC"},
			{"MULTI", "XADD s * data aborted", "GET", "EXEC"},
			{"CLIENT REPLY SKIP", "XADD s * data silent", "PING"},
		} {
			c.send(batch...)
			replies := len(batch)
			if strings.HasPrefix(batch[0], "CLIENT") {
				replies = 1
			}
			for range replies {
				c.reply()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff([]string{"[data plain]", "[data done n 2]", "[data whole]"}, told); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestINFOPoolsShowsTheLanes(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), shared)
	c := connect(t, addr)
	c.do("SET a 1", "+OK")
	c.send("INFO pools", "info POOLS")
	for range 2 {
		info, err := c.reply()
		for _, line := range []string{"# Pools", "pool:shared", "upstream_up:1", "lanes:1", "upstream_lost_for_sec:0",
			"lane0:kind=home,proto=2,db=0,code=0,clients=1,connected=1,held_up=0,waiting_bytes=0"} {
			if err != nil || !strings.Contains(info, line+"\r\n") {
				t.Errorf("%q, %v lacks %s", info, err, line)
			}
		}
	}
}
