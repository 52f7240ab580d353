package passthrough

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

func TestAnOutageIsToldOfEverMoreRarely(t *testing.T) {
	began := time.Now()
	o := outage{began: began, next: began}
	var told []time.Duration
	for since := time.Duration(0); since <= 4*time.Hour; since += time.Second {
		if o.due(began.Add(since)) {
			told = append(told, since)
		}
	}
	m := time.Minute
	want := []time.Duration{0, m, 2 * m, 4 * m, 8 * m, 16 * m, 32 * m, 64 * m, 124 * m, 184 * m}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

func TestTheLossOfRedisIsToldOnceAndItsReturn(t *testing.T) {
	k := newCutter(t, redistest.Start(t))
	k.down(false)
	type event struct {
		lost  bool
		since time.Duration
	}
	events := make(chan event, 1000)
	addr, _ := serve(t, k.addr, func(o *Options, _ *resp.Server) {
		o.QueueTimeout = time.Millisecond
		o.Events.Found = func(Found) { events <- event{} }
		o.Events.Lost = func(_ error, since time.Duration) { events <- event{true, since} }
	})
	for range 3 {
		c := connect(t, addr)
		for range 20 {
			c.do("GET a", unavailable)
		}
		told(t, c, "upstream_up:0")
		k.up(t)
		told(t, c, "upstream_up:1")
		if lost, found := <-events, <-events; lost != (event{true, 0}) || found != (event{}) || len(events) > 0 {
			t.Fatalf("%v, %v, and %d more", lost, found, len(events))
		}
		for got := ""; got != "$-1\r\n"; {
			c.send("GET a")
			got, _ = c.reply()
		}
		k.down(true)
	}
}

// A connection that could not be made before Redis came back says nothing of now.
func TestAnOldFailureIsNoOutage(t *testing.T) {
	found, lost := make(chan Found, 10), make(chan error, 10)
	b, err := Open(Options{URL: "redis://" + redistest.Start(t), Events: Events{
		Found: func(f Found) { found <- f },
		Lost:  func(err error, _ time.Duration) { lost <- err },
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Shutdown(t.Context())
	began := time.Now()
	<-found
	b.trouble(errors.New("old"), began)
	b.trouble(errors.New("new"), time.Now())
	if err := <-lost; err.Error() != "new" {
		t.Error(err)
	}
	<-found
}

// What Redis does not say is not taken for an outage.
func TestARedisThatDoesNotSayWhatItIs(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "secret")
	found := make(chan Found, 1)
	addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) { o.Events.Found = func(f Found) { found <- f } })
	if f := <-found; f.Refused != "NOAUTH Authentication required." {
		t.Errorf("%+v", f)
	}
	c := connect(t, addr)
	c.do("AUTH secret", "+OK")
	told(t, c, "upstream_up:1")
}
