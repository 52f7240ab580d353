package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// BenchmarkPublish measures what the server spends on a PUBLISH, from the command to the last subscriber, beside Redis.
func BenchmarkPublish(b *testing.B) {
	o := serve(b, b.TempDir())
	redis := redistest.Start(b)
	for _, subscribers := range []int{1, 100, 1000} {
		for _, publishers := range []int{1, 10} {
			for _, s := range []struct {
				name, addr string
				pid        int
			}{{"redis", redis, pid(b, redis)}, {"omniproxy", o.Addr, o.cmd.Process.Pid}} {
				b.Run(fmt.Sprintf("subscribers=%d/publishers=%d/%s", subscribers, publishers, s.name), func(b *testing.B) {
					publish(b, s.addr, s.pid, subscribers, publishers)
				})
			}
		}
	}
}

// pid is the process of a redis-server.
func pid(b *testing.B, addr string) int {
	b.Helper()
	info, err := exec.Command("redis-cli", "-u", "redis://"+addr, "INFO", "server").Output()
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(info), "process_id:")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// publish ends when every subscriber has heard every message.
func publish(b *testing.B, addr string, pid, subscribers, publishers int) {
	var subscribe, said, heard wire.Writer
	command(&subscribe, "SUBSCRIBE", "news")
	message := strings.Repeat("x", 100)
	command(&said, "PUBLISH", "news", message)
	command(&heard, "message", "news", message)
	each := (b.N + publishers - 1) / publishers
	done := make(chan error)
	for range subscribers {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		c.Write(subscribe.Bytes())
		in := bufio.NewReaderSize(c, 64<<10)
		if err := skip(in); err != nil {
			b.Fatal(err)
		}
		go func() {
			defer c.Close()
			_, err := io.CopyN(io.Discard, in, int64(each*publishers*heard.Len()))
			done <- err
		}()
	}
	before := cpuMicros(b, pid)
	b.ResetTimer()
	for range publishers {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			defer c.Close()
			in := bufio.NewReader(c)
			for range each {
				c.Write(said.Bytes())
				if err := skip(in); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range subscribers + publishers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuMicros(b, pid)-before)/float64(each*publishers), "cpu-us/op")
}
