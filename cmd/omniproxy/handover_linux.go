package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/omniproxy/omniproxy/resp"
)

// A restart is execve of the program that stands where this one stood, with sockets and clients inherited. What clients send
// meanwhile waits in their sockets.

// restartSignal has SIGUSR2 told.
func restartSignal(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR2) }

// checkTime is how long a new program may take to read its settings.
const checkTime = 10 * time.Second

// successor is where the program is that a restart starts: where the command line's first word leads now, or where the
// running one was.
func successor() (string, error) {
	if path, err := exec.LookPath(os.Args[0]); err == nil {
		return path, nil
	}
	return os.Executable()
}

// prepare makes sure that a restart will work, as far as that can be known while everything goes on, and returns what does
// it. That does not return if it works; else it returns what the next process would have inherited, nil if that is lost.
func (p *process) prepare() (handOver func() *inheritance, err error) {
	if err := p.checkSuccessor(); err != nil {
		return nil, err
	}
	e := &estate{}
	fronts, err := p.keepSockets(e)
	if err == nil {
		err = p.bindNew(e)
	}
	if err != nil {
		for _, s := range e.Sockets {
			unix.Close(s.FD)
		}
		return nil, err
	}
	return func() *inheritance { return p.succeed(e, fronts) }, nil
}

// bindNew binds the addresses that the new settings add: one that cannot be had would end the next process. Settings that this
// program does not understand are left to that one.
func (p *process) bindNew(e *estate) error {
	wanted, _, err := p.source.read()
	if err != nil {
		return nil
	}
	for _, s := range wanted {
		if slices.ContainsFunc(e.Sockets, func(had estateSocket) bool { return had.Network == s.Listen.Network && had.Addr == s.Listen.Addr }) {
			continue
		}
		l, err := listen("listen", s.Listen)
		if err != nil {
			return err
		}
		if err := e.keep(l, s.Listen, false); err != nil {
			return err
		}
		l.Close()
	}
	return nil
}

// keep has the next process inherit a socket that listens.
func (e *estate) keep(l net.Listener, asked Address, byOthers bool) error {
	fd, err := resp.Duplicate(l)
	if err != nil {
		return err
	}
	if l, ok := l.(*net.UnixListener); ok {
		l.SetUnlinkOnClose(false)
	}
	e.Sockets = append(e.Sockets, estateSocket{fd, asked.Network, asked.Addr, byOthers})
	return nil
}

// checkSuccessor has the new program read the settings that it would serve with. As long as nothing else is done a program
// or settings that are wrong change nothing.
func (p *process) checkSuccessor() error {
	path, err := successor()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	check := exec.CommandContext(ctx, path, os.Args[1:]...)
	check.Env = append(os.Environ(), varHandOver+"="+checkOnly)
	var said bytes.Buffer
	check.Stderr = &said
	check.WaitDelay = time.Second // what it has started may live on, and hold its standard error
	if err := check.Run(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("%s: %w: %s", path, err, strings.TrimPrefix(first, "omniproxy: "))
	}
	return nil
}

// estate is an inheritance as it is written down for the next process: with descriptors. It may hold secrets, and is never
// on a disk.
type estate struct {
	Sockets  []estateSocket `json:"sockets"`
	Clients  []estateClient `json:"clients"`
	Began    time.Time      `json:"began"`
	Stopping bool           `json:"stopping,omitempty"`
}

type estateSocket struct {
	FD       int    `json:"fd"`
	Network  string `json:"network"` // as --listen said it
	Addr     string `json:"addr"`
	ByOthers bool   `json:"by_others,omitempty"`
}

type estateClient struct {
	resp.Moved
	Socket int `json:"socket"`
}

// descriptors are those that the next process gets.
func (e *estate) descriptors() (all []int) {
	for _, s := range e.Sockets {
		all = append(all, s.FD)
	}
	for _, c := range e.Clients {
		all = append(all, c.FD)
	}
	return all
}

// succeed brings every client to rest, makes everything durable and starts the next process in the place of this one.
func (p *process) succeed(e *estate, fronts map[*resp.Front]int) *inheritance {
	notify(p.log, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", stateReloading, monotonic().Microseconds()))
	e.Began = time.Now()
	kept := make(chan struct{})
	go func() { p.keepClients(e, fronts); close(kept) }()
	select {
	case <-kept:
	case <-time.After(2*p.settings.Drain + shutdownTime):
		p.log.Error("restart", zap.Error(errForced))
		return nil
	}
	err := p.exec(e)
	p.log.Error("cannot start the next process; this one goes on", zap.Error(err))
	h, err := e.inheritance(p.log)
	if err != nil {
		p.log.Error("restart", zap.Error(err))
	}
	return h
}

// monotonic is the time of the clock by which systemd measures.
func monotonic() time.Duration {
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // knows this clock
	return time.Duration(now.Nano())
}

// keepSockets duplicates the sockets that listen, and tells which door has which.
func (p *process) keepSockets(e *estate) (fronts map[*resp.Front]int, err error) {
	fronts = map[*resp.Front]int{}
	for _, v := range p.services {
		for _, d := range v.doors {
			fronts[d.front] = len(e.Sockets)
			if err := e.keep(d.listener, d.settings.Listen, p.inherited.byOthers(d.listener)); err != nil {
				return nil, err
			}
		}
	}
	return fronts, nil
}

// byOthers reports whether systemd bound a socket.
func (h *inheritance) byOthers(l net.Listener) bool {
	if h != nil {
		for _, s := range h.sockets {
			if s.listener == l {
				return s.byOthers
			}
		}
	}
	return false
}

// keepClients ends all services, and keeps their clients.
func (p *process) keepClients(e *estate, fronts map[*resp.Front]int) {
	var mu sync.Mutex
	err := p.each(func(v *service) error {
		v.server.Suspend(p.settings.Drain)
		clients := v.server.HandOver()
		mu.Lock()
		for _, c := range clients {
			e.Clients = append(e.Clients, estateClient{c, fronts[c.Front]})
		}
		mu.Unlock()
		return errors.Join(v.backend.shutdown(), v.audit.Close())
	})
	if err != nil { // the append-only file says what the next process knows
		p.log.Error("restart", zap.Error(err))
	}
}

// stopAsked reports whether a stop was asked for meanwhile. From now on one ends the process at once: everything is durable,
// and no client is in the middle of something.
func (p *process) stopAsked() bool {
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	select {
	case <-p.signals:
		return true
	default:
		return false
	}
}

// exec starts the next process. It returns only if that cannot be; this process has given up its signals then.
func (p *process) exec(e *estate) error {
	path, err := successor()
	if err != nil {
		return err
	}
	e.Stopping = p.stopAsked()
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate(memfdName, unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	will := os.NewFile(uintptr(fd), memfdName)
	defer will.Close()
	if _, err := will.Write(text); err != nil {
		return err
	}
	if _, err := will.Seek(0, io.SeekStart); err != nil {
		return err
	}
	all := append(e.descriptors(), fd)
	inheritable(all, true)
	defer inheritable(all, false)
	p.log.Sync()
	signal.Ignore(syscall.SIGUSR2, syscall.SIGHUP) // they would end the next process before it knows them
	err = syscall.Exec(path, os.Args, append(os.Environ(), fmt.Sprintf("%s=%d", varHandOver, fd)))
	return fmt.Errorf("%s: %w", path, err)
}

// memfdName is what the file is called of which the next process is told.
const memfdName = "omniproxy-handover"

// inheritable says whether the next process gets descriptors.
func inheritable(all []int, is bool) {
	flags := unix.FD_CLOEXEC
	if is {
		flags = 0
	}
	for _, fd := range all {
		unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags) // fails for what is no descriptor, and then nothing is inherited
	}
}

// inherit returns what this process was given when it started, nil if nothing.
func inherit(log *zap.Logger) (*inheritance, error) {
	defer os.Unsetenv(varHandOver)
	if given := os.Getenv(varHandOver); given != "" {
		return fromItself(given, log)
	}
	return fromSystemd()
}

// fromItself reads what the last process wrote down.
func fromItself(given string, log *zap.Logger) (*inheritance, error) {
	fd, err := strconv.Atoi(given)
	if err != nil {
		return nil, fmt.Errorf("%s=%s is no descriptor", varHandOver, given)
	}
	if link, _ := os.Readlink("/proc/self/fd/" + given); !strings.HasPrefix(link, "/memfd:"+memfdName) {
		return nil, nil // somebody else's process has left the variable
	}
	will := os.NewFile(uintptr(fd), memfdName)
	defer will.Close()
	var e estate
	if err := json.NewDecoder(will).Decode(&e); err != nil {
		return nil, fmt.Errorf("read the hand-over: %w", err)
	}
	inheritable(e.descriptors(), false)
	return e.inheritance(log)
}

// inheritance makes sockets of descriptors.
func (e *estate) inheritance(log *zap.Logger) (*inheritance, error) {
	h := &inheritance{began: e.Began, stopping: e.Stopping}
	for _, s := range e.Sockets {
		l, err := listenerOf(s.FD)
		if err != nil {
			return nil, err
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(!s.ByOthers)
		}
		h.sockets = append(h.sockets, &inheritedSocket{listener: l, asked: Address{s.Network, s.Addr}, byOthers: s.ByOthers})
	}
	for _, c := range e.Clients {
		f := os.NewFile(uintptr(c.FD), "client")
		nc, err := net.FileConn(f)
		f.Close()
		switch {
		case err != nil:
			log.Error("lost a client", zap.Error(err))
		case nc.RemoteAddr() == nil: // it has reset the connection
			nc.Close()
		default:
			h.clients = append(h.clients, inheritedClient{c.Moved, nc, c.Socket})
		}
	}
	return h, nil
}

func listenerOf(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("inherited descriptor %d: %w", fd, err)
	}
	return l, nil
}

// firstFromSystemd is the first descriptor that systemd hands over: sd_listen_fds(3).
const firstFromSystemd = 3

// fromSystemd takes the sockets of a socket unit.
func fromSystemd() (*inheritance, error) {
	pid, n := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name) // they are not for those that this process starts
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	count, err := strconv.Atoi(n)
	if err != nil || count < 1 {
		return nil, nil
	}
	h := &inheritance{}
	for fd := firstFromSystemd; fd < firstFromSystemd+count; fd++ {
		unix.CloseOnExec(fd)
		l, err := listenerOf(fd)
		if err != nil {
			return nil, err
		}
		h.sockets = append(h.sockets, &inheritedSocket{listener: l, byOthers: true})
	}
	return h, nil
}
