package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp"
)

const (
	loadGCPercent = 20 // GOGC while a directory is opened
	// One stop may come as two signals: timeout(1) and terminals signal a process, then its group.
	sameStop     = 250 * time.Millisecond
	syncTime     = time.Second      // a disk that does not answer is waited for so long when there is no time
	shutdownTime = 30 * time.Second // everything is on disk before it is over, or the exit code says not
)

// serve runs until SIGINT or SIGTERM and returns the exit code.
func serve(s Settings) int {
	log, err := newLogger(s.LogLevel)
	if err == nil {
		err = protectedMode(s.Listen.String(), s.Password != "" || s.UsersFile != "" || s.redisChecks())
	}
	if err != nil && s.Backend == "redis" {
		err = fmt.Errorf("%w\n  4) let Redis check passwords:            --auth passthrough", err)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "omniproxy:", err)
		return exitUsage
	}
	defer log.Sync()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if s.Backend == "redis" {
		return serveProxy(s, log, signals)
	}
	return serveJSON(s, log, signals)
}

// serveJSON serves a data directory until SIGINT or SIGTERM and returns the exit code.
func serveJSON(s Settings, log *zap.Logger, signals <-chan os.Signal) int {
	v, err := open(s, log, signals)
	if errors.Is(err, errInterrupted) {
		log.Info("stopped while the directory was loaded")
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "omniproxy:", err)
		return exitFailed
	}
	switch err := v.run(s, log, signals); {
	case errors.Is(err, errForced):
		log.Error("stopped", zap.Error(err))
		return exitForced
	case err != nil:
		log.Error("stopped", zap.Error(err))
		return exitFailed
	}
	log.Info("stopped")
	return exitOK
}

// errForced means that a second signal, or the clock, ended the shutdown.
var errForced = errors.New("shutdown was cut short; the next start replays the append-only file")

// service is a directory that is open and an address that is bound.
type service struct {
	listener net.Listener
	bound    Address
	backend  *jsonbackend.Backend
	resp     *resp.Server
	failed   chan error    // listening came to an end
	asked    chan struct{} // a client asked for the end

	drainTime time.Duration // clients that send nothing are cut after it
}

// errInterrupted ends a load. The directory is as it was.
var errInterrupted = errors.New("interrupted")

// open binds the address and loads the directory. Clients that connect meanwhile are told -LOADING.
func open(s Settings, log *zap.Logger, signals <-chan os.Signal) (*service, error) {
	listener, err := listen(s.Listen)
	if err != nil {
		if busy := jsonbackend.Busy(s.Dir); busy != nil {
			return nil, busy // the address is taken by whom this names
		}
		return nil, err
	}
	v := &service{
		listener: listener, bound: Address{s.Listen.Network, listener.Addr().String()},
		failed: make(chan error, 1), asked: make(chan struct{}, 1), drainTime: s.Drain,
	}
	if v.backend, err = newJSON(s, log, v.bound, v.stop); err != nil {
		listener.Close()
		return nil, err
	}
	v.resp = newServer(s, v.backend, log)
	v.backend.ServedBy(v.resp)
	go func() { v.failed <- v.resp.Serve(v.listener) }()
	if err := v.load(signals); err != nil {
		v.drain()
		return nil, err
	}
	return v, nil
}

// load loads the directory, unless somebody asks for the end first. That leaves a lot of garbage behind, and what a large
// directory takes at its peak decides what fits into a machine: memory counts more than time here.
func (v *service) load(signals <-chan os.Signal) error {
	defer debug.FreeOSMemory()
	defer debug.SetGCPercent(debug.SetGCPercent(loadGCPercent))
	loaded := make(chan error, 1)
	go func() { loaded <- v.backend.Load() }()
	select {
	case err := <-loaded:
		if err != nil {
			return err
		}
	case <-signals:
		return errInterrupted
	case <-v.asked:
		return errInterrupted
	}
	if err := v.backend.Announce(v.bound.String()); err != nil {
		return errors.Join(err, v.backend.Shutdown(context.Background()))
	}
	return nil
}

// drain lets clients go.
func (v *service) drain() {
	drain, cancel := context.WithTimeout(context.Background(), v.drainTime)
	defer cancel()
	v.resp.Drain(drain)
}

// stop ends run, sooner or later.
func (v *service) stop() {
	select {
	case v.asked <- struct{}{}:
	default:
	}
}

// run serves until a signal or SHUTDOWN comes, then lets clients go and makes everything durable.
func (v *service) run(s Settings, log *zap.Logger, signals <-chan os.Signal) error {
	defer v.listener.Close()
	log.Info(startLine(s, v.backend.Counts(), v.bound))
	if s.Note != "" {
		log.Info(s.Note)
	}
	announceReady(s, log, v.bound)
	var err error
	select {
	case sig := <-signals:
		log.Info("stopping; a second signal stops at once", zap.Stringer("signal", sig))
	case <-v.asked:
		log.Info("stopping, as a client asked by SHUTDOWN; a signal stops at once")
	case err = <-v.failed:
	}
	notify(log, stateStopping)
	return errors.Join(err, v.shutdown(signals))
}

// shutdown lets clients go and publishes everything, unless a second signal says that there is no time: then it only
// makes durable what clients were told.
func (v *service) shutdown(signals <-chan os.Signal) error {
	done := make(chan error, 1)
	go func() {
		v.drain()
		done <- v.backend.Shutdown(context.Background())
	}()
	for begun, over := time.Now(), time.After(shutdownTime); ; {
		select {
		case err := <-done:
			return err
		case <-signals:
			if time.Since(begun) < sameStop {
				continue
			}
		case <-over:
		}
		break
	}
	synced := make(chan struct{})
	go func() { v.backend.Sync(); close(synced) }()
	select {
	case <-synced:
	case <-time.After(syncTime):
	}
	return errForced
}

// newJSON returns a backend of the directory, which it has not looked at yet.
func newJSON(s Settings, log *zap.Logger, bound Address, stop func()) (*jsonbackend.Backend, error) {
	var policy aof.Policy
	if err := policy.UnmarshalText([]byte(s.Fsync)); err != nil {
		return nil, err
	}
	return jsonbackend.New(jsonbackend.Options{
		Dir:        s.Dir,
		Prefix:     s.Prefix,
		DB:         s.DB,
		Fsync:      policy,
		MetricsCap: s.MetricsCap,
		ReadOnly:   s.ReadOnly,
		Ephemeral:  s.Ephemeral,
		Stop:       stop,
		Events:     storeEvents(log, omniDaemon(s, bound)),
	})
}

func newServer(s Settings, backend *jsonbackend.Backend, log *zap.Logger) *resp.Server {
	server := &resp.Server{Backend: backend, Events: serverEvents(log), Validation: s.validation(log)}
	server.Filters = append(server.Filters, resp.RefuseWhile(backend.Loading))
	server.Filters = append(server.Filters, s.filters(log)...)
	if s.Password != "" {
		server.SetPassword(string(s.Password))
	}
	return server
}

// filters are those that the settings ask for on any backend.
func (s Settings) filters(log *zap.Logger) (filters []resp.Filter) {
	if s.MaxBlock.Auto || s.MaxBlock.Limit > 0 {
		filters = append(filters, resp.CapBlock(s.MaxBlock.Limit, func(client string, asked, given time.Duration) {
			log.Info("BLOCK is capped, as --max-block says", zap.String("client", client), zap.Duration("asked", asked), zap.Duration("given", given))
		}))
	}
	return filters
}

// listen binds the address. A unix socket that a dead process left is taken over.
func listen(a Address) (net.Listener, error) {
	l, err := net.Listen(a.Network, a.Addr)
	if a.Network == "unix" && errors.Is(err, syscall.EADDRINUSE) && abandoned(a.Addr) && os.Remove(a.Addr) == nil {
		l, err = net.Listen(a.Network, a.Addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// abandoned reports whether path is a socket on which nobody listens.
func abandoned(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// startLine says what is served, where, and how to use it.
func startLine(s Settings, c jsonbackend.Counts, bound Address) string {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		dir = s.Dir
	}
	holds := fmt.Sprintf("%d agents, %d results, %d metrics, %d streams", c.Agents, c.Results, c.Metrics, c.Streams)
	if c == (jsonbackend.Counts{}) {
		holds = "new and empty; other directory? --dir"
	}
	line := fmt.Sprintf("serving %s (%s) on %s; %s; OmniDaemon: %s", dir, holds, bound, redisCLI(s, bound), omniDaemon(s, bound))
	if sources := s.Sources(); sources != "" {
		line += "; " + sources
	}
	return line
}

// omniDaemon is the environment with which OmniDaemon works here. A password stands there by its name only.
func omniDaemon(s Settings, bound Address) string {
	url := bound.URL()
	switch {
	case s.Password != "":
		url = strings.Replace(url, "://", "://:PASSWORD@", 1)
	case s.UsersFile != "":
		url = strings.Replace(url, "://", "://USER:PASSWORD@", 1)
	}
	switch {
	case s.DB == 0:
	case bound.Network == "unix":
		url += fmt.Sprint("?db=", s.DB)
	default:
		url += fmt.Sprint("/", s.DB)
	}
	env := "STORAGE_BACKEND=redis REDIS_URL=" + url
	if s.Prefix != keyspace.DefaultPrefix {
		env += " REDIS_KEY_PREFIX=" + s.Prefix
	}
	return env
}

// redisCLI is how to reach the shown database with redis-cli.
func redisCLI(s Settings, a Address) string {
	words := []string{"redis-cli"}
	if a.Network == "unix" {
		words = append(words, "-s", a.Addr)
	} else {
		host, port := a.hostPort()
		switch host {
		case "127.0.0.1", "0.0.0.0", "::", "": // where redis-cli looks anyway
		default:
			words = append(words, "-h", host)
		}
		words = append(words, "-p", port)
	}
	switch {
	case s.Password != "":
		words = append(words, "--askpass")
	case s.UsersFile != "":
		words = append(words, "--user", "USER", "--askpass")
	}
	if s.DB != 0 {
		words = append(words, "-n", strconv.Itoa(s.DB))
	}
	return strings.Join(words, " ")
}

// writeReadyFile tells a waiting program the bound address; the file is there whole or not at all.
func writeReadyFile(path string, bound Address) error {
	if path == "" {
		return nil
	}
	part := path + ".part"
	if err := os.WriteFile(part, []byte(bound.String()+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(part, path)
}
