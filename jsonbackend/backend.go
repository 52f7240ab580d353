package jsonbackend

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp"
)

// Backend serves one directory. It is a [resp.Backend].
type Backend struct {
	*engine.Engine
	opts   Options
	layout keyspace.Layout
	lock   *lock    // nil if nothing is written
	log    *aof.Log // nil if nothing is written

	disk      disk.Disk
	files     []*file
	stranger  stranger
	copied    bool // the directory is a copy that is served for the first time
	host      *host
	loading   atomic.Pointer[loading] // nil once the directory is open
	rewriting atomic.Bool
	// of the rewrite under way
	rewrittenKeys, keysToRewrite atomic.Int64
	stop                         chan struct{}
	closed                       sync.WaitGroup // what runs in the background
}

// Open is New and Load.
func Open(opts Options) (*Backend, error) {
	b, err := open(opts)
	if err == nil {
		b.start()
	}
	return b, err
}

// open does what Open does, except that nothing runs in the background yet.
func open(opts Options) (*Backend, error) {
	b, err := New(opts)
	if err == nil {
		err = b.load()
	}
	return b, err
}

// New returns a backend of a directory that it has not looked at yet. Until Load has returned clients may do only what
// [Backend.Loading] lets them.
func New(opts Options) (*Backend, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	opts.Dir = dir
	b := &Backend{opts: opts, layout: keyspace.Layout{Prefix: opts.Prefix}, stop: make(chan struct{})}
	b.host = &host{b: b, lastSave: time.Now(), saveTook: -1}
	b.host.rewritePercentage.Store(rewritePercentage)
	b.host.rewriteMinSize.Store(rewriteMinSize)
	b.loading.Store(&loading{began: time.Now()})
	b.disk = opts.disk
	if b.disk == nil {
		b.disk = disk.OS{}
	}
	if opts.Snapshot {
		b.disk = readOnly{b.disk}
	}
	for i, view := range lens.Views(b.layout, opts.DB) {
		b.files = append(b.files, &file{View: view, index: i, disk: b.disk, path: filepath.Join(dir, view.File()),
			seen: &seen.History{}, pace: pace{stop: b.stop}})
	}
	b.Engine = engine.New(engine.Options{
		Added:     opts.added(),
		ReadOnly:  opts.ReadOnly || opts.Snapshot,
		Changed:   b.changed,
		Flushed:   b.flushed,
		StreamCap: b.streamCap,
		Host:      b.host,
	})
	return b, nil
}

// Load makes the directory ready to be served: it replays the append-only file, or loads the JSON files if there is none,
// and reads what was edited meanwhile. A file that cannot be read stops a first load with its position, and nothing has
// been touched. After an error the backend is of no use.
func (b *Backend) Load() error {
	err := b.load()
	if err == nil {
		b.start()
	}
	return err
}

func (b *Backend) load() error {
	open := b.openDurable
	switch {
	case b.opts.Snapshot:
		open = b.openSnapshot
	case b.transient():
		open = b.openTransient
	}
	if err := open(); err != nil {
		b.abandon()
		return err
	}
	b.Locked(func() { b.host.changes = 0 })
	b.loading.Store(nil)
	return nil
}

// start begins the work in the background: publishing and reading files, expiring keys, rewriting the log.
func (b *Backend) start() {
	if b.opts.Snapshot {
		return
	}
	for _, work := range []func(){b.publisher, b.housekeeper} {
		b.closed.Add(1)
		go func() {
			defer b.closed.Done()
			work()
		}()
	}
}

// Announce tells who meets the lock at which address this process answers.
func (b *Backend) Announce(address string) error {
	if b.lock == nil {
		return nil
	}
	return b.lock.announce(address)
}

// ServedBy tells INFO whose clients ask.
func (b *Backend) ServedBy(v *resp.Server) { b.host.server.Store(v) }

// Counts is how much a directory holds, as the start line says it.
type Counts struct{ Agents, Results, Metrics, Streams, Other int }

// Counts counts the keys of OmniDaemon's families.
func (b *Backend) Counts() (c Counts) {
	now := b.Freeze(nil)
	for db := range engine.Databases {
		if db != b.opts.DB {
			c.Other += now.Len(db)
		}
	}
	for e := range now.All(b.opts.DB) {
		switch b.layout.Family(e.Key) {
		case keyspace.Agent:
			c.Agents++
		case keyspace.Result:
			c.Results++
		case keyspace.MetricsStream:
			if s, ok := e.Value.(*value.Stream); ok {
				c.Metrics = s.Len()
			}
		case keyspace.BusStream:
			c.Streams++
		default:
			c.Other++
		}
	}
	return c
}

// streamCap is the length that --metrics-cap trims a stream to.
func (b *Backend) streamCap(db int, key []byte) (maxLen int64, capped bool) {
	if b.opts.MetricsCap == 0 || db != b.opts.DB || string(key) != b.layout.MetricsStream() {
		return 0, false
	}
	return int64(b.opts.MetricsCap), true
}

// added is what the engine tells of entries of any database.
func (o Options) added() func(db int, key []byte, pairs [][]byte) {
	if o.Added == nil {
		return nil
	}
	return func(db int, key []byte, pairs [][]byte) {
		if db == o.DB {
			o.Added(key, pairs)
		}
	}
}

// Sync makes durable what was acknowledged, and nothing more: for who has no time for Shutdown.
func (b *Backend) Sync() error {
	if b.log == nil {
		return nil
	}
	return b.log.Sync()
}

// Shutdown publishes what is not published, syncs the append-only file and gives the directory back. It is called once.
func (b *Backend) Shutdown(context.Context) error {
	close(b.stop)
	b.closed.Wait()
	return b.abandon()
}

// abandon gives back what Open took.
func (b *Backend) abandon() error {
	var err error
	if b.log != nil {
		err = b.log.Close()
	}
	for _, f := range b.files {
		err = errors.Join(err, f.seen.Close())
	}
	if b.lock != nil {
		err = errors.Join(err, b.lock.release())
	}
	return err
}
