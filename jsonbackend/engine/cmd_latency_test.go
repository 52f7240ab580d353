package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// slow makes events of so many milliseconds, a second apart, the last a moment ago.
func (e *Engine) slow(event string, ms ...int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now().Unix()
	for i, n := range ms {
		e.latency.observe(event, time.Duration(n)*time.Millisecond)
		samples := e.latency.events[event].samples
		samples[len(samples)-1].at = now - int64(len(ms)-1-i)
	}
}

func TestEventsAreRememberedFromTheThresholdOn(t *testing.T) {
	m := newLatencyMonitor()
	m.observe("command", time.Hour)
	m.threshold = 100
	m.observe("command", 99*time.Millisecond)
	if len(m.events) > 0 {
		t.Errorf("%v", m.events)
	}
	m.observe("command", 100*time.Millisecond)
	if e := m.events["command"]; e == nil || e.longest != 100 || e.samples[0].ms != 100 {
		t.Errorf("%v", e)
	}
}

func TestAnEventHasOneSampleForASecondAndTheLatestOnes(t *testing.T) {
	e := New(Options{})
	e.latency.threshold = 1
	for i := range int64(latencySamples) {
		e.slow("command", i+1)
		event := e.latency.events["command"]
		for j := range event.samples {
			event.samples[j].at -= 10
		}
	}
	e.slow("command", 7)
	e.slow("command", 5)
	event := e.latency.events["command"]
	if n, first, last := len(event.samples), event.samples[0].ms, event.samples[latencySamples-1].ms; n != latencySamples || first != 2 || last != 7 {
		t.Errorf("%d samples from %d to %d", n, first, last)
	}
	if event.longest != latencySamples {
		t.Errorf("the longest was %d", event.longest)
	}
}

func TestLatencyCommands(t *testing.T) {
	e := New(Options{})
	e.latency.threshold = 1
	e.slow("command", 50, 100, 500, 200)
	e.slow("fast-command", 3)
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	var latest []string
	for _, event := range c.do("LATENCY", "LATEST").items {
		latest = append(latest, fmt.Sprint(event.items[0].text, " ", event.items[2].text, " ", event.items[3].text))
	}
	if diff := cmp.Diff([]string{"command 200 500", "fast-command 3 3"}, latest); diff != "" {
		t.Error(diff)
	}
	var history []string
	for _, s := range c.do("LATENCY", "HISTORY", "command").items {
		history = append(history, s.items[1].text)
	}
	if diff := cmp.Diff([]string{"50", "100", "500", "200"}, history); diff != "" {
		t.Error(diff)
	}
	if r := c.do("LATENCY", "HISTORY", "none"); len(r.items) != 0 {
		t.Errorf("%v", r)
	}
	if report := c.do("LATENCY", "DOCTOR").text; !strings.Contains(report, "1. command: 4 latency spikes (average 212ms, mean deviation 143ms") {
		t.Error(report)
	}
	for _, step := range []struct{ event, forgotten string }{{"none", "0"}, {"COMMAND", "1"}, {"", "1"}, {"", "0"}} {
		if r := c.do(append([]string{"LATENCY", "RESET"}, strings.Fields(step.event)...)...); r.text != step.forgotten {
			t.Errorf("%q: %s forgotten", step.event, r.text)
		}
	}
}

// The picture is the one that Redis drew of the same samples.
func TestAGraphOfLatency(t *testing.T) {
	e := New(Options{})
	e.latency.threshold = 1
	e.slow("command", 50, 100, 500, 200)
	samples := e.latency.events["command"].samples
	for i := range samples {
		samples[i].at = time.Now().Unix() - int64(len(samples)-i)*3600 - 60
	}
	addr, stop := serve(t, e)
	defer stop()
	want := "command - high 500 ms, low 50 ms (all time high 500 ms)\n" + strings.Repeat("-", 80) + `
  # 
  | 
  |o
_o||
    
4321
hhhh
`
	if diff := cmp.Diff(want, dial(t, addr).do("LATENCY", "GRAPH", "command").text); diff != "" {
		t.Error(diff)
	}
}

// What does not depend on the clock is answered as Redis does.
func TestLatencyRepliesAreThoseOfRedis(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	clients := [2]*client{dial(t, redistest.Start(t)), dial(t, addr)}
	for _, line := range []string{"LATENCY", "LATENCY NONE", "LATENCY GRAPH", "LATENCY GRAPH none", "LATENCY HISTORY", "LATENCY HISTORY none", "LATENCY LATEST", "LATENCY LATEST x",
		"LATENCY RESET", "LATENCY RESET a b", "LATENCY DOCTOR x", "LATENCY HISTOGRAM none", "LATENCY HISTOGRAM none CONFIG|NONE |", "LATENCY HELP x",
		"SLOWLOG", "SLOWLOG NONE", "SLOWLOG GET x", "SLOWLOG GET -2", "SLOWLOG GET 1 2", "SLOWLOG GET 0", "SLOWLOG GET", "SLOWLOG LEN", "SLOWLOG LEN x", "SLOWLOG RESET", "SLOWLOG RESET x", "SLOWLOG HELP x",
		"CONFIG RESETSTAT", "CONFIG RESETSTAT x"} {
		var replies [2]string
		for i, c := range clients {
			replies[i] = c.do(strings.Fields(line)...).canonical(exactly)
		}
		if replies[0] != replies[1] {
			t.Errorf("%s\nredis:  %s\nengine: %s", line, replies[0], replies[1])
		}
	}
}
