package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/metrics"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
)

const (
	// One stop may come as two signals: timeout(1) and terminals signal a process, then its group.
	sameStop     = 250 * time.Millisecond
	syncTime     = time.Second      // a disk that does not answer is waited for so long when there is no time
	shutdownTime = 30 * time.Second // everything is on disk before it is over, or the exit code says not
)

// serve serves all listeners until SIGINT, SIGTERM or SHUTDOWN and returns the exit code.
func serve(inv invocation) int {
	log, level, err := newLogger(inv.Listeners[0].LogLevel, inv.Listeners[0].LogFormat)
	for _, s := range inv.Listeners {
		if err == nil {
			err = s.protected()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "omniproxy:", err)
		return exitUsage
	}
	defer log.Sync()
	for _, warning := range inv.Warnings {
		log.Warn(warning)
	}
	inherited, err := inherit(log)
	if err != nil {
		fmt.Fprintln(os.Stderr, "omniproxy:", err)
		return exitFailed
	}
	signals, restarts, reloads := make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan os.Signal, 1)
	for {
		// As well after a restart that failed: it has given them up.
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		signal.Notify(reloads, syscall.SIGHUP)
		restartSignal(restarts)
		p := newProcess(inv.Listeners, log, level, signals)
		p.source, p.restarts, p.reloads, p.inherited = inv.source, restarts, reloads, inherited
		code := p.run()
		if inherited = p.heirs; inherited == nil {
			return code
		}
		inv.Listeners = p.current()
	}
}

// protected refuses a listener that leads everybody to the data.
func (s Settings) protected() error {
	err := protectedMode(s.Listen.String(), s.Password != "" || s.Users != "" || s.redisChecks())
	if err != nil && s.Backend == "redis" {
		err = fmt.Errorf("%w\n  4) let Redis check passwords:            --auth passthrough", err)
	}
	return err
}

// process is all that serve runs: some services, one log, and one end for all of them. What a signal asks of the process
// is asked in its method wait, and nowhere else.
type process struct {
	settings Settings // those that concern the process are the same for every listener
	source   *settingsSource
	log      *zap.Logger
	level    zap.AtomicLevel   // of log
	exporter *metrics.Exporter // nil without --metrics-listen
	services []*service
	signals  <-chan os.Signal
	restarts <-chan os.Signal // each asks for a restart
	reloads  <-chan os.Signal // each asks for a reload, or tells that the terminal is closed
	terminal bool             // there was one at the start

	inherited *inheritance
	handOver  func() *inheritance // once a restart has been asked for
	heirs     *inheritance        // what is left where that failed

	asked  chan struct{} // a client asked for the end by SHUTDOWN
	failed chan error    // a listener came to an end by itself
}

func newProcess(listeners []Settings, log *zap.Logger, level zap.AtomicLevel, signals <-chan os.Signal) *process {
	p := &process{
		settings: listeners[0], log: log, level: level, signals: signals,
		terminal: onTerminal(), asked: make(chan struct{}, 1), failed: make(chan error, len(listeners)),
	}
	for _, s := range listeners {
		i := slices.IndexFunc(p.services, func(v *service) bool { return v.settings.served() == s.served() })
		if i < 0 {
			i = len(p.services)
			p.services = append(p.services, &service{settings: s, log: log, level: &redisLevel{at: level}})
		}
		p.services[i].doors = append(p.services[i].doors, &door{settings: s})
	}
	return p
}

// run returns the exit code when all is over.
func (p *process) run() int {
	defer p.close()
	switch err := p.open(); {
	case errors.Is(err, errInterrupted):
		if p.stop() == nil {
			p.log.Info("stopped while the directory was loaded")
			return exitOK
		}
		return exitForced
	case err != nil:
		fmt.Fprintln(os.Stderr, "omniproxy:", err)
		p.stop()
		return exitCode(err)
	}
	for _, v := range p.services {
		v.backend.announce()
		for _, d := range v.doors[1:] {
			p.log.Info(doorLine(d.settings, d.bound))
		}
	}
	announceReady(p.settings, p.log, p.bound())
	err := p.wait()
	if errors.Is(err, errRestart) {
		p.heirs = p.handOver()
		return exitFailed
	}
	notify(p.log, stateStopping)
	if err = errors.Join(err, p.stop()); err != nil {
		p.log.Error("stopped", zap.Error(err))
		return exitCode(err)
	}
	p.log.Info("stopped")
	return exitOK
}

// onTerminal reports whether somebody sits at a terminal from which this process was started: its end comes as the same
// signal as the wish for a reload.
func onTerminal() bool { return tool.ScreenOf(os.Stdin).Terminal }

// usageError is an error of the user's: what was asked for makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var usage usageError
	switch {
	case errors.Is(err, errForced):
		return exitForced
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// current are the settings of all listeners, as the last reload left them.
func (p *process) current() (all []Settings) {
	for _, d := range p.doors() {
		all = append(all, d.settings)
	}
	return all
}

// errInterrupted means that the end was asked for before everything was loaded.
var errInterrupted = errors.New("interrupted")

// open binds every address, lets clients in, who are told -LOADING at first, and loads what has to be loaded, unless
// somebody asks for the end first.
func (p *process) open() error {
	// The files that settings name are read before anything is bound or opened: an error there has done nothing.
	for _, v := range p.services {
		if err := v.read(); err != nil {
			return usageError{err}
		}
	}
	for _, v := range p.services {
		if err := v.bind(p.inherited); err != nil {
			return err
		}
	}
	if err := p.inherited.leave(p.log); err != nil {
		return err
	}
	if err := p.export(); err != nil {
		return err
	}
	for _, v := range p.services {
		if err := v.open(p.shutdown); err != nil {
			return err
		}
		if !p.inherited.waits() {
			v.serve(p.failed)
		}
	}
	loaded := make(chan error, 1)
	go func() { loaded <- p.load() }()
	select {
	case err := <-loaded:
		return err
	case <-p.signals:
		return errInterrupted
	case <-p.asked:
		return errInterrupted
	}
}

// load loads one service after another: each takes more memory while it is loaded than afterwards.
func (p *process) load() error {
	for _, v := range p.services {
		if err := v.backend.load(); err != nil {
			return err
		}
		if p.inherited.waits() {
			p.inherited.adopt(v) // first, for newcomers get IDs of their own
			v.serve(p.failed)
		}
	}
	p.inherited.settle(p.log)
	return nil
}

// wait returns when the end has come: because of a signal, of SHUTDOWN, or of the error that it returns.
func (p *process) wait() error {
	if p.inherited.stopped() {
		p.log.Info("stopping, as was asked for during the restart; a signal stops at once")
		return nil
	}
	for {
		select {
		case sig := <-p.signals:
			p.log.Info("stopping; a second signal stops at once", zap.Stringer("signal", sig))
			return nil
		case <-p.asked:
			p.log.Info("stopping, as a client asked by SHUTDOWN; a signal stops at once")
			return nil
		case err := <-p.failed:
			return err
		case <-p.reloads:
			if p.terminal && !onTerminal() {
				p.log.Info("stopping, for the terminal is closed")
				return nil
			}
			p.reload()
		case <-p.restarts:
			var err error
			if p.handOver, err = p.prepare(); err == nil {
				return errRestart
			}
			p.log.Error("not restarted, and nothing has changed", zap.Error(err))
		}
	}
}

// shutdown ends wait, sooner or later.
func (p *process) shutdown() {
	select {
	case p.asked <- struct{}{}:
	default:
	}
}

// errForced means that a second signal, or the clock, ended the shutdown.
var errForced = errors.New("shutdown was cut short; the next start replays the append-only file")

// stop lets the clients of all services go and makes everything durable, unless a second signal says that there is no
// time: then only what clients were told is made durable.
func (p *process) stop() error {
	done := make(chan error, 1)
	go func() {
		p.exporter.Drain(p.settings.DrainDelay)
		done <- p.each((*service).end)
	}()
	for begun, over := time.Now(), time.After(p.settings.DrainDelay+p.settings.Drain+shutdownTime); ; {
		select {
		case err := <-done:
			return err
		case <-p.signals:
			if time.Since(begun) < sameStop {
				continue
			}
		case <-over:
		}
		break
	}
	synced := make(chan error, 1)
	go func() { synced <- p.each((*service).sync) }()
	select {
	case err := <-synced:
		return errors.Join(errForced, err)
	case <-time.After(syncTime):
		return errForced
	}
}

// each does something to all services at once and returns what went wrong.
func (p *process) each(do func(*service) error) error {
	results := make(chan error, len(p.services))
	for _, v := range p.services {
		go func() { results <- do(v) }()
	}
	var all []error
	for range p.services {
		all = append(all, <-results)
	}
	return errors.Join(all...)
}

// bound lists where clients can connect.
func (p *process) bound() (all []Address) {
	for _, v := range p.services {
		for _, d := range v.doors {
			all = append(all, d.bound)
		}
	}
	return all
}

// close closes what is still open of listeners.
func (p *process) close() {
	p.exporter.Close()
	for _, v := range p.services {
		for _, d := range v.doors {
			if d.listener != nil {
				d.listener.Close()
			}
		}
	}
}
