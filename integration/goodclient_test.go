package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// goodClient is a process that does commands all the time, on two connections, and measures how long it waits for each. It is
// not this process, where attackers would keep it waiting.
type goodClient struct {
	t       testing.TB
	cmd     *exec.Cmd
	ask     io.Closer
	asked   io.Writer
	answers *bufio.Reader
	wrong   bytes.Buffer
	ended   sync.Once
}

// goodClientVariable tells the test's own binary to be one: it holds the address.
const goodClientVariable = "OMNIPROXY_TEST_GOOD_CLIENT"

// startGoodClient starts one that knows attackPassword and ends with the test, which fails if a command did.
func startGoodClient(t testing.TB, addr string, overTLS bool) *goodClient {
	t.Helper()
	g := &goodClient{t: t, cmd: exec.Command(os.Args[0])}
	g.cmd.Env = append(os.Environ(), goodClientVariable+"="+addr)
	if overTLS {
		g.cmd.Env = append(g.cmd.Env, goodClientVariable+"_TLS=yes")
	}
	g.cmd.Stderr = &g.wrong
	in, err := g.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	g.ask, g.asked, g.answers = in, in, bufio.NewReader(out)
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.end)
	return g
}

func (g *goodClient) end() {
	g.ended.Do(func() {
		g.ask.Close()
		if err := g.cmd.Wait(); err != nil {
			g.t.Errorf("the good client: %v: %s", err, &g.wrong)
		}
	})
}

// waits tells how long it waited for its commands since it was last asked.
func (g *goodClient) waits() string {
	g.t.Helper()
	fmt.Fprintln(g.asked)
	line, err := g.answers.ReadString('\n')
	if err != nil {
		g.end()
		g.t.FailNow()
	}
	return line[:len(line)-1]
}

// goodClientOptions are how it connects: it tries nothing again.
func goodClientOptions(addr string, overTLS bool) *redis.Options {
	o := &redis.Options{
		Addr: addr, Password: attackPassword, PoolSize: 2, MaxRetries: -1, DisableIdentity: true,
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, PoolTimeout: time.Minute, DialTimeout: time.Minute,
	}
	if overTLS {
		o.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	}
	return o
}

// beGoodClient is what that process does: each line it reads asks for a line of what it measured.
func beGoodClient(addr string, overTLS bool) error {
	c := redis.NewClient(goodClientOptions(addr, overTLS))
	ctx := context.Background()
	if err := c.Set(ctx, "good", "yes", 0).Err(); err != nil {
		return err
	}
	var mu sync.Mutex
	var took []time.Duration
	for range 2 {
		go func() {
			for {
				begun := time.Now()
				if got, err := c.Get(ctx, "good").Result(); err != nil || got != "yes" {
					fmt.Fprintf(os.Stderr, "got %q, %v", got, err)
					os.Exit(1)
				}
				mu.Lock()
				took = append(took, time.Since(begun))
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		}()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		mu.Lock()
		slices.Sort(took)
		answer := "nothing done"
		if n := len(took); n > 0 {
			answer = fmt.Sprintf("p50 %v p99 %v longest %v of %d", took[n/2], took[n*99/100], took[n-1], n)
		}
		took = nil
		mu.Unlock()
		fmt.Println(answer)
	}
	return nil
}
