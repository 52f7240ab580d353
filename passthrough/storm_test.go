package passthrough

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

var (
	stormCommands = flag.Int("commands", 6000, "how many commands clients send through networks that fail, in each pool")
	stormSeed     = flag.Uint64("seed", 0, "of what they send and how networks fail; 0 = any")
)

// storm is a hundred clients, of whom half reach the proxy through a network that fails, and the proxy Redis through
// another one.
type storm struct {
	testing.TB
	addr   string
	redis  string
	guests []*guest

	mu     sync.Mutex
	number map[string]map[int]bool // what shared numbers were raised to
}

// Over many faults of networks no reply reaches a wrong client or comes out of order, no command is done twice, what is
// said not to be done is not, each command is answered in time, and no client is closed but in the documented cases.
func TestNoFaultMixesUpRepliesOrRepeatsCommands(t *testing.T) {
	seed := *stormSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for name, pool := range map[string]Pool{"session": Session, "shared": Shared} {
		t.Run(name, func(t *testing.T) { ride(t, pool, seed) })
	}
}

func ride(t *testing.T, pool Pool, seed uint64) {
	t.Logf("seed %d", seed)
	begun := time.Now()
	redis := redistest.Start(t, "--maxclients", "5000")
	upstream := newWeather(t, redis, seed, patience) // so it is for the proxy to give up
	addr, _ := serve(t, upstream.addr, func(o *Options, v *resp.Server) {
		v.Events.Dropped = func(client string, err error) { t.Errorf("%s is dropped: %v", client, err) }
		o.Pool, o.QueueTimeout, o.DialTimeout, o.ReadTimeout = pool, 2*time.Second, 500*time.Millisecond, 500*time.Millisecond
	})
	clients := newWeather(t, addr, seed+1, 100*time.Millisecond)
	s := &storm{TB: t, addr: addr, redis: redis, number: map[string]map[int]bool{}}
	for id := range 100 {
		g := &guest{storm: s, id: id, proto: 2 + id%2, hears: id%4 == 1, rand: rand.New(rand.NewPCG(seed, uint64(id))),
			traces: map[string]map[int]deed{}, heard: map[int]bool{}, popped: map[string]bool{}}
		if id%4 >= 2 {
			g.weather = clients
		}
		s.guests = append(s.guests, g)
	}
	s.prepare()
	listeners := s.listen()
	var all sync.WaitGroup
	for _, g := range s.guests {
		all.Go(func() {
			if err := g.visit(*stormCommands / len(s.guests)); err != nil {
				t.Errorf("client %d, RESP%d: %v", g.id, g.proto, err)
			}
		})
	}
	all.Wait()
	listeners()
	upstream.fine.Store(true)
	clients.fine.Store(true)
	clients.stop()
	upstream.stop()
	s.settled()
	commands, slowest := 0, time.Duration(0)
	for _, g := range s.guests {
		commands, slowest = commands+g.commands, max(slowest, g.slowest)
	}
	t.Logf("%d commands, %d connections to Redis and %d of clients failed, the slowest batch took %v; %v in all",
		commands, upstream.broken.Load(), clients.broken.Load(), slowest.Round(time.Millisecond), time.Since(begun).Round(time.Second))
}

// prepare writes what the guests only read.
func (s *storm) prepare() {
	c := connect(s, s.redis)
	defer c.Close()
	for _, g := range s.guests {
		id := strconv.Itoa(g.id)
		c.send("HSET "+g.name("hash")+" owner "+id, "XGROUP CREATE "+g.name("stream")+" g $ MKSTREAM")
		c.anything(2)
	}
	for db := range 4 {
		c.send(fmt.Sprint("SELECT ", db), fmt.Sprint("SET db ", db))
		c.anything(2)
	}
}

// visit does so many commands.
func (g *guest) visit(commands int) error {
	defer g.leave()
	if err := g.meet(); err != nil {
		return err
	}
	for g.commands < commands && !g.storm.Failed() {
		var err error
		switch n := g.rand.IntN(200); {
		case n < 60:
			err = g.pipeline(1)
		case n < 110:
			err = g.pipeline(20)
		case n < 140:
			err = g.transaction(true)
		case n < 155:
			err = g.transaction(false)
		case n < 175:
			err = g.raise()
		case n < 180:
			err = g.take()
		case n < 190:
			err = g.publish()
		case n < 198:
			err = g.move()
		default:
			err = g.large()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// raised notes that a shared number was raised: to each value once, or a step was lost.
func (s *storm) raised(key string, to int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.number[key] == nil {
		s.number[key] = map[int]bool{}
	}
	if s.number[key][to] {
		return fmt.Errorf("%s was raised to %d twice", key, to)
	}
	s.number[key][to] = true
	return nil
}

// listen has some clients in RESP2 subscribe to what guests publish, until the function that it returns is called.
func (s *storm) listen() (stop func()) {
	var all sync.WaitGroup
	over := make(chan struct{})
	for _, g := range s.guests {
		if g.id%10 != 3 {
			continue
		}
		l := &guest{storm: s, id: g.id, proto: 2, weather: g.weather, heard: map[int]bool{}, n: 1 << 40}
		all.Go(func() {
			for {
				if err := l.attend(over); err != nil {
					s.Errorf("a subscriber of client %d: %v", l.id, err)
					return
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	return func() { close(over); all.Wait() }
}

// attend listens on one connection.
func (g *guest) attend(over <-chan struct{}) error {
	if err := g.meet(); err != nil {
		return err
	}
	gone := make(chan struct{})
	defer func() { <-gone }()
	ended := make(chan struct{})
	defer close(ended)
	nc := g.nc
	go func() {
		defer close(gone)
		select {
		case <-over:
		case <-ended:
		}
		nc.Close()
	}()
	subscribed := false
	for {
		if !subscribed {
			if err := g.write([]string{"SUBSCRIBE", g.name("channel")}); err != nil {
				return g.parted(err, over)
			}
		}
		g.nc.SetDeadline(time.Time{})
		v, err := readValue(g.in)
		if err != nil {
			return g.parted(err, over)
		}
		switch {
		case v.kind == '-':
			if _, err := v.outcome(); err != nil || subscribed {
				return fmt.Errorf("%s, subscribed %v", v, subscribed)
			}
		case !subscribed:
			if len(v.list) != 3 || v.list[0].text != "subscribe" || v.list[1].text != g.name("channel") {
				return fmt.Errorf("SUBSCRIBE: %s", v)
			}
			subscribed = true
		default:
			if err := g.hear(v); err != nil {
				return err
			}
		}
	}
}

// parted is lost for who may have ended the connection itself.
func (g *guest) parted(err error, over <-chan struct{}) error {
	select {
	case <-over:
		return nil
	default:
		return g.lost(err, false)
	}
}

// settled looks at what Redis has when all that was under way has arrived.
func (s *storm) settled() {
	c := connect(s, s.redis)
	for deadline := time.Now().Add(patience); connected(s, c) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatal("Redis has clients still")
		}
	}
	in := bufio.NewReader(c)
	for _, g := range s.guests {
		c.send("LRANGE "+g.name("list")+" 0 -1", "XRANGE "+g.name("stream")+" - +", "GET "+g.name("count"))
		var replies [3]value
		for i := range replies {
			var err error
			if replies[i], err = readValue(in); err != nil {
				s.Fatal(err)
			}
		}
		var marks, entries []string
		for _, v := range replies[0].list {
			marks = append(marks, v.text)
		}
		for _, v := range replies[1].list {
			entries = append(entries, v.list[1].list[1].text)
		}
		g.traced(g.name("list"), marks)
		g.traced(g.name("stream"), entries)
		g.tallied(replies[2].text)
	}
}

// traced compares what stands at a key with what was done there.
func (g *guest) traced(key string, marks []string) {
	seen, last := map[int]bool{}, 0
	for _, mark := range marks {
		n, ok := g.own(mark)
		became, sent := g.traces[key][n]
		switch {
		case !ok || !sent:
			g.storm.Errorf("client %d: %s holds %s, which was never sent", g.id, key, mark)
		case seen[n]:
			g.storm.Errorf("client %d: %s holds %s twice", g.id, key, mark)
		case became == undone:
			g.storm.Errorf("client %d: %s holds %s, which was said not to be done", g.id, key, mark)
		case became == done && n < last:
			g.storm.Errorf("client %d: in %s is %s behind %d", g.id, key, mark, last)
		}
		seen[n] = true
		if became == done {
			last = n
		}
	}
	for n, became := range g.traces[key] {
		if became == done && !seen[n] {
			g.storm.Errorf("client %d: %s lacks %d, which was answered", g.id, key, n)
		}
	}
}

// tallied compares a counter with how often it was raised.
func (g *guest) tallied(text string) {
	least, most := 0, 0
	for _, became := range g.traces[g.name("count")] {
		if became == done {
			least++
		}
		if became != undone {
			most++
		}
	}
	n, _ := strconv.Atoi(strings.TrimSpace(text))
	if n < least || n > most {
		g.storm.Errorf("client %d: the counter is %d, not between %d and %d", g.id, n, least, most)
	}
}
