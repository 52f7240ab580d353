package resp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// instant is a backend that costs nothing: every command is answered with 64 bytes.
type instant struct{}

type instantConn struct {
	s *Session
	w wire.Writer
}

var value = bytes.Repeat([]byte{'x'}, 64)

func (instant) Connect(s *Session) Conn        { return &instantConn{s: s} }
func (instant) Drain()                         {}
func (instant) Shutdown(context.Context) error { return nil }
func (*instantConn) Commit()                   {}
func (*instantConn) Gone()                     {}
func (*instantConn) Close()                    {}

func (c *instantConn) Do(batch []Command) (int, Progress) {
	for range batch {
		c.w.Bulk(value)
	}
	c.s.Out.Append(c.w.Bytes())
	c.w.Reset()
	return len(batch), Done
}

// BenchmarkServerEcho is what a command costs apart from its backend: GET of 64 bytes over loopback.
func BenchmarkServerEcho(b *testing.B) {
	for _, clients := range []int{1, 50} {
		for _, pipeline := range []int{1, 16} {
			b.Run(fmt.Sprintf("clients=%d/pipeline=%d", clients, pipeline), func(b *testing.B) { benchmarkEcho(b, clients, pipeline) })
		}
	}
}

func benchmarkEcho(b *testing.B, clients, pipeline int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	v := &Server{Backend: instant{}}
	served := make(chan struct{})
	go func() { v.Serve(l); close(served) }()
	request := bytes.Repeat(request("GET", "omni:config:some-key"), pipeline)
	reply := pipeline * len(fmt.Sprintf("$%d\r\n%s\r\n", len(value), value))
	var users sync.WaitGroup
	b.ReportAllocs()
	for i := range clients {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		rounds := (b.N/pipeline + i) / clients
		users.Go(func() {
			defer nc.Close()
			in := bufio.NewReaderSize(nc, 32<<10)
			for range rounds {
				if _, err := nc.Write(request); err != nil {
					b.Error(err)
					return
				}
				if _, err := in.Discard(reply); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	users.Wait()
	b.StopTimer()
	v.Drain(b.Context())
	<-served
}

// BenchmarkSession is the same without sockets: what reading, judging and collecting replies costs.
func BenchmarkSession(b *testing.B) {
	for _, pipeline := range []int{1, 16} {
		b.Run(fmt.Sprintf("pipeline=%d", pipeline), func(b *testing.B) {
			s := newSession(&Server{Backend: instant{}}, plain, idle{}, peer{})
			request := bytes.Repeat(request("GET", "omni:config:some-key"), pipeline)
			b.ReportAllocs()
			for b.Loop() {
				s.feed(request)
				s.Out.take()
				s.Out.done()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*pipeline), "ns/command")
		})
	}
}

// idle is a transport that does nothing.
type idle struct{ immovable }

func (idle) wake() {}
func (idle) cut()  {}
