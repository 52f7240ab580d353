package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

var attackWhole = flag.Bool("attack", false, "attack with all force, and print how long a good client waited meanwhile")

// force is how hard an attack is.
type force struct {
	lasts       time.Duration
	clients     int    // that keep at it
	beyond      int    // connections beyond the limit
	claims      int    // clients that announce a long argument,
	claimed     int    // so many bytes,
	sent        int    // and send so many of them
	memory      string // --client-memory,
	goMemory    string // GOMEMLIMIT,
	mostMemory  int    // and KB that the process may take
	slow        int    // connections of a slowloris
	maxClients  int
	authTimeout string
}

func attackForce() force {
	if *attackWhole {
		return force{8 * time.Second, 50, 10000, 200, 400 << 20, 64 << 20, "256mb", "512MiB", 640 << 10, 2000, 500, "2s"}
	}
	return force{300 * time.Millisecond, 10, 300, 30, 400 << 20, 8 << 20, "48mb", "256MiB", 384 << 10, 60, 60, "1s"}
}

// attackPassword is what the good client knows.
const attackPassword = "geheim"

// victim is a server with a good client, whose commands never fail.
type victim struct {
	t     *testing.T
	force force
	addr  string
	pid   int
	good  *goodClient
	fds   int // that were open before the attacks

	overTLS bool
	redis   bool // it is redis-server: measured for comparison only
}

// redisServer is what stands for a redis-server in place of a backend.
const redisServer = "redis-server"

// attacked starts what is to be attacked: omniproxy with a backend, or redis-server.
func attacked(t *testing.T, what string, args ...string) *victim {
	v := &victim{t: t, force: attackForce(), redis: what == redisServer, overTLS: slices.Contains(args, "--tls-cert")}
	if v.redis {
		v.addr = redistest.Start(t, "--requirepass", attackPassword, "--maxclients", strconv.Itoa(v.force.maxClients), "--maxmemory-clients", v.force.memory)
		v.pid = processOf(t, goodClientOptions(v.addr, false))
	} else {
		o := v.omniproxy(what, args)
		v.addr, v.pid = o.Addr, o.cmd.Process.Pid
		t.Cleanup(func() {
			if log := o.log.String(); strings.Contains(log, "panic") {
				t.Errorf("it panicked:\n%s", log)
			}
		})
	}
	v.good = startGoodClient(t, v.addr, v.overTLS)
	v.good.waits() // it is connected
	v.fds = v.descriptors()
	return v
}

func (v *victim) omniproxy(backend string, args []string) *omniproxy {
	v.t.Setenv("GOMEMLIMIT", v.force.goMemory)
	args = append([]string{
		"--requirepass", attackPassword, "--max-clients", strconv.Itoa(v.force.maxClients), "--auth-timeout", v.force.authTimeout,
		"--client-memory", v.force.memory, "--unauthenticated-memory", "8mb", "--log-level", "warn",
	}, args...)
	if backend == "redis" {
		return proxy(v.t, "redis://"+redistest.Start(v.t), args...)
	}
	return serve(v.t, v.t.TempDir(), args...)
}

// processOf asks a redis-server for its process.
func processOf(t *testing.T, o *redis.Options) int {
	c := redis.NewClient(o)
	defer c.Close()
	info, err := c.Info(t.Context(), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "process_id:")
	pid, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// memory is the most that the process has ever taken, in KB.
func (v *victim) memory() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.pid))
	if err != nil {
		v.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		v.t.Fatal(err)
	}
	return kb
}

func (v *victim) descriptors() int {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", v.pid))
	if err != nil {
		v.t.Fatal(err)
	}
	return len(open)
}

// endure runs an attack by so many at once and looks what it has left behind.
func (v *victim) endure(name string, attackers int, attack func(ctx context.Context, i int)) {
	v.t.Helper()
	time.Sleep(v.force.lasts / 4)
	before := v.good.waits()
	ctx, cancel := context.WithTimeout(context.Background(), v.force.lasts)
	var all sync.WaitGroup
	for i := range attackers {
		all.Go(func() { attack(ctx, i) })
	}
	all.Wait()
	cancel()
	during := v.good.waits()
	if *attackWhole {
		v.t.Logf("%-22s before %-70s during %-70s memory %d MB", name, before, during, v.memory()>>10)
	}
	if v.redis {
		return
	}
	newcomer := redis.NewClient(goodClientOptions(v.addr, v.overTLS))
	if err := newcomer.Ping(context.Background()).Err(); err != nil {
		v.t.Errorf("%s: a newcomer got %v", name, err)
	}
	newcomer.Close()
	const slack = 8 // connections of the good client and to Redis
	for over := time.Now().Add(time.Minute); v.descriptors() > v.fds+slack; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(over) {
			v.t.Errorf("%s: %d descriptors are open, before it were %d", name, v.descriptors(), v.fds)
			break
		}
	}
	if got := v.memory(); got > v.force.mostMemory {
		v.t.Errorf("%s: %d KB of memory, more than %d", name, got, v.force.mostMemory)
	}
}

// dial connects from an address of loopback that is not the good client's. It returns nil where that fails, as it may.
func (v *victim) dial(ctx context.Context) net.Conn {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}, Timeout: 10 * time.Second}
	nc, err := d.DialContext(ctx, "tcp", v.addr)
	if err != nil {
		return nil
	}
	nc.(*net.TCPConn).SetLinger(0) // or ports run out
	deadline, _ := ctx.Deadline()
	nc.SetDeadline(deadline.Add(10 * time.Second))
	return nc
}

// again calls do with a new connection, over and over. The connection is closed behind it.
func (v *victim) again(do func(ctx context.Context, nc net.Conn)) func(context.Context, int) {
	return func(ctx context.Context, _ int) {
		for ctx.Err() == nil {
			nc := v.dial(ctx)
			if nc == nil {
				time.Sleep(time.Millisecond)
				continue
			}
			do(ctx, nc)
			nc.Close()
		}
	}
}

func guessPasswords(_ context.Context, nc net.Conn) {
	for i := range 20 {
		fmt.Fprintf(nc, "AUTH wrong%d\r\n", i)
	}
	io.Copy(io.Discard, nc)
}

func floodUnauthenticated(ctx context.Context, nc net.Conn) {
	line := bytes.Repeat([]byte("GET a\r\n"), 1000)
	for ctx.Err() == nil {
		if _, err := nc.Write(line); err != nil { // and never reads
			return
		}
	}
}

func floodIncomplete(ctx context.Context, nc net.Conn) {
	nc.Write([]byte("*10\r\n$16000\r\n" + strings.Repeat("x", 15<<10)))
	<-ctx.Done()
}

// drip sends a byte now and then.
func drip(ctx context.Context, nc net.Conn) {
	for _, b := range []byte("*2\r\n$4\r\nAUTH\r\n$1000\r\n" + strings.Repeat("x", 1000)) {
		if _, err := nc.Write([]byte{b}); err != nil || ctx.Err() != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// stay opens connections far beyond the limit, and keeps those that it can.
func (v *victim) stay(ctx context.Context, _ int) {
	var all []net.Conn
	for range (v.force.maxClients + v.force.beyond) / v.force.clients {
		if nc := v.dial(context.WithoutCancel(ctx)); nc != nil {
			all = append(all, nc)
		}
	}
	<-ctx.Done()
	for _, nc := range all {
		nc.Close()
	}
}

// logIn makes nc a client that knows the password; it reports whether that went well.
func logIn(nc net.Conn) bool {
	fmt.Fprintf(nc, "AUTH %s\r\n", attackPassword)
	line, err := bufio.NewReader(nc).ReadString('\n')
	return err == nil && line == "+OK\r\n"
}

// claim announces an argument and sends the beginning of it.
func (v *victim) claim(ctx context.Context, _ int) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithDeadline(context.Background(), deadline.Add(time.Minute))
	defer cancel()
	nc := v.dial(ctx)
	if nc == nil {
		return
	}
	defer nc.Close()
	if !logIn(nc) {
		return
	}
	fmt.Fprintf(nc, "*3\r\n$3\r\nSET\r\n$5\r\nclaim\r\n$%d\r\n", v.force.claimed)
	piece := make([]byte, 1<<20)
	for range v.force.sent >> 20 {
		if _, err := nc.Write(piece); err != nil {
			return
		}
	}
	time.Sleep(v.force.lasts / 3)
}

// oversized are streams that are too large in one way or another, from a client that is logged in.
func oversized() [][]byte {
	x := func(n int) string { return strings.Repeat("x", n) }
	return [][]byte{
		[]byte("*2147483648\r\n"),
		[]byte("*2147483647\r\n" + strings.Repeat("$0\r\n\r\n", 100000)),
		[]byte("*1\r\n$536870913\r\n"),
		[]byte("*1\r\n$" + strings.Repeat("9", 100) + "\r\n"),
		[]byte("*" + strings.Repeat("1", 100<<10)),
		[]byte(x(1 << 20)),
		[]byte("*2\r\n$3\r\nGET\r\n$4194304\r\n" + x(4<<20) + "\r\n"),
		[]byte("*1\r\n$1048576\r\n" + x(1<<20) + "\r\n"),
		[]byte("MULTI\r\n" + strings.Repeat("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$65536\r\n"+x(65536)+"\r\n", 32)),
		[]byte(strings.Repeat("*2\r\n$4\r\nECHO\r\n$65536\r\n"+x(65536)+"\r\n", 200)), // whose replies nobody reads
		[]byte(strings.Repeat("PING "+x(60000)+"\r\n", 50)),
		{0, 0, 0, 0, '\r', '\n', '*', '-', '1', '\r', '\n', '$', '\r', '\n'},
	}
}

func sendOversized(streams [][]byte) func(ctx context.Context, nc net.Conn) {
	var mu sync.Mutex
	next := 0
	return func(_ context.Context, nc net.Conn) {
		mu.Lock()
		stream := streams[next%len(streams)]
		next++
		mu.Unlock()
		if logIn(nc) {
			nc.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			nc.Write(stream)
		}
	}
}

func TestAttacksDoNotReachTheOthers(t *testing.T) {
	servers := []string{"json", "redis"}
	if *attackWhole {
		servers = append(servers, redisServer)
	}
	for _, server := range servers {
		t.Run(server, func(t *testing.T) {
			v := attacked(t, server)
			n := v.force.clients
			v.endure("wrong passwords", n, v.again(guessPasswords))
			v.endure("unauthenticated flood", n, v.again(floodUnauthenticated))
			v.endure("incomplete logins", v.force.slow, v.again(floodIncomplete))
			v.endure("slowloris", v.force.slow, v.again(drip))
			v.endure("beyond the limit", n, v.stay)
			v.endure("oversized", n, v.again(sendOversized(oversized())))
			v.endure("claims", v.force.claims, v.claim)
		})
	}
}

// hostileHandshakes are what may come in place of a TLS handshake.
func hostileHandshakes() []func(ctx context.Context, nc net.Conn) {
	write := func(b []byte) func(context.Context, net.Conn) {
		return func(ctx context.Context, nc net.Conn) {
			nc.Write(b)
			waits, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			<-waits.Done()
			cancel()
		}
	}
	huge := []byte{22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff} // a ClientHello of 16 MB, in records of 16 KB
	huge = append(huge, make([]byte, 0x4000-4)...)
	for range 20 {
		huge = append(append(huge, 22, 3, 3, 0x40, 0), make([]byte, 0x4000)...)
	}
	return []func(ctx context.Context, nc net.Conn){
		write(nil), // half-open
		write([]byte("*1\r\n$4\r\nPING\r\n")),
		write(bytes.Repeat([]byte{0xff}, 64<<10)),
		write([]byte{22, 3, 1, 0xff, 0xff}),
		write(huge),
		func(_ context.Context, nc net.Conn) { // a hello, and the answer is not read
			tls.Client(&deafConn{nc}, &tls.Config{InsecureSkipVerify: true}).Handshake()
		},
		func(_ context.Context, nc net.Conn) { // handshakes without end
			tls.Client(nc, &tls.Config{InsecureSkipVerify: true}).Handshake()
		},
		func(_ context.Context, nc net.Conn) { // a second handshake, in plain text, within the first
			if tls.Client(nc, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake() == nil {
				tls.Client(nc, &tls.Config{InsecureSkipVerify: true}).Handshake()
			}
		},
		func(_ context.Context, nc net.Conn) { // garbage behind a good handshake
			if tls.Client(nc, &tls.Config{InsecureSkipVerify: true}).Handshake() == nil {
				nc.Write(bytes.Repeat([]byte{23, 3, 3, 0, 32}, 1000))
				io.Copy(io.Discard, nc)
			}
		},
	}
}

// deafConn reads nothing.
type deafConn struct{ net.Conn }

func (deafConn) Read([]byte) (int, error) { return 0, syscall.ECONNRESET }

func TestHostileHandshakesDoNotReachTheOthers(t *testing.T) {
	for _, backend := range []string{"json", "redis"} {
		t.Run(backend, func(t *testing.T) {
			dir := certificates(t)
			v := attacked(t, backend, "--tls-cert", dir+"/server.crt", "--tls-key", dir+"/server.key")
			all := hostileHandshakes()
			v.endure("hostile handshakes", 2*len(all), func(ctx context.Context, i int) { v.again(all[i%len(all)])(ctx, i) })
			v.endure("beyond the limit, TLS", v.force.clients, v.stay)
		})
	}
}
