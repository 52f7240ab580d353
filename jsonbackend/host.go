package jsonbackend

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// host answers the engine's questions about the server: what is on the disk, and who is connected. But for clients it is
// guarded by the engine's lock.
type host struct {
	b      *Backend
	server atomic.Pointer[resp.Server]

	rewritePercentage, rewriteMinSize atomic.Int64 // Redis' auto-aof-rewrite-percentage and -min-size (bytes)

	changes  int64 // keys written since the last save
	lastSave time.Time
	saving   time.Time // when the BGSAVE began that is under way; zero: there is none
	saveTook time.Duration
	saves    int64 // that succeeded
	saveErr  error
}

// Process implements [engine.Host].
func (h *host) Process() engine.Process {
	p := usage()
	p.ID = os.Getpid()
	p.Executable, _ = os.Executable()
	return p
}

// Traffic implements [engine.Host].
func (h *host) Traffic() resp.Traffic {
	if v := h.server.Load(); v != nil {
		return v.Traffic()
	}
	return resp.Traffic{}
}

// Buffers implements [engine.Host].
func (h *host) Buffers() resp.Buffers {
	if v := h.server.Load(); v != nil {
		return v.Buffers()
	}
	return resp.Buffers{}
}

// Sections implements [engine.Host].
func (h *host) Sections() []engine.Section {
	o := h.b.opts
	lines := []string{
		"backend:json",
		"dir:" + o.Dir,
		"prefix:" + o.Prefix,
		fmt.Sprint("db:", o.DB),
		fmt.Sprint("read_only:", flag(o.ReadOnly)),
		fmt.Sprint("ephemeral:", flag(o.Ephemeral)),
		fmt.Sprint("another_writer:", flag(h.b.stranger.known())),
	}
	for _, f := range h.b.files {
		if status := f.status.Load(); status != nil { // else it is still to be loaded
			lines = append(lines, status.lines(f.File())...)
		}
	}
	if h.b.log != nil {
		s := h.b.log.Stats()
		lines = append(lines, fmt.Sprint("aof_fsyncs:", s.Syncs), fmt.Sprint("aof_fsync_waiters:", s.Waited))
	}
	return []engine.Section{{Name: "omniproxy", Lines: lines}}
}

// lines are those of INFO: "file_results.json:status=ok,hidden=0,unkeyed=0,last_published=0", and what is wrong.
func (s *fileStatus) lines(file string) []string {
	status, err := "ok", error(nil)
	switch {
	case s.broken != nil:
		status, err = "broken", s.broken
	case s.unpublished != nil:
		status, err = "unpublished", s.unpublished
	}
	published := int64(0)
	if !s.published.IsZero() {
		published = s.published.Unix()
	}
	lines := []string{fmt.Sprintf("file_%s:status=%s,hidden=%d,unkeyed=%d,last_published=%d", file, status, s.hidden, s.unkeyed, published)}
	if err != nil {
		lines = append(lines, "file_error_"+file+":"+err.Error())
	}
	return lines
}

// Persistence implements [engine.Host].
func (h *host) Persistence() engine.Persistence {
	p := engine.Persistence{
		Changes:    h.changes,
		LastSave:   h.lastSave,
		SaveFailed: h.saveErr != nil,
		SaveTook:   h.saveTook,
		Saving:     h.saving,
		Saves:      h.saves,
	}
	if l := h.b.loading.Load(); l != nil {
		p.Loading = &engine.Loading{Began: l.began, Done: l.done.Load(), Total: l.total.Load()}
	}
	if h.b.log == nil {
		return p
	}
	s := h.b.log.Stats()
	p.Log = &engine.LogState{
		Size:            s.Size,
		BaseSize:        s.BaseSize,
		Buffered:        s.Buffered,
		Unsynced:        s.Unsynced,
		Failed:          s.Err != nil,
		Rewriting:       h.b.rewriting.Load(),
		RewriteBegan:    s.Rewriting,
		RewriteKeys:     h.b.rewrittenKeys.Load(),
		RewriteKeysAll:  h.b.keysToRewrite.Load(),
		RewriteBytes:    s.RewriteBytes,
		RewriteTook:     s.LastRewrite,
		RewriteFailures: int64(s.RewriteFailures),
		Rewrites:        int64(s.Rewrites),
	}
	return p
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// Config implements [engine.Host].
func (h *host) Config() map[string]string {
	appendonly, fsync := "no", h.b.opts.Fsync
	if h.b.log != nil {
		appendonly, fsync = "yes", h.b.log.Policy()
	}
	known := map[string]string{
		"dir":                         h.b.opts.Dir,
		"appendonly":                  appendonly,
		"appendfsync":                 fsync.String(),
		"appenddirname":               own + "/aof", // below dir
		"appendfilename":              "appendonly.aof",
		"auto-aof-rewrite-percentage": fmt.Sprint(h.rewritePercentage.Load()),
		"auto-aof-rewrite-min-size":   fmt.Sprint(h.rewriteMinSize.Load()),
	}
	if l := h.b.opts.LogLevel; l != nil {
		known["loglevel"] = l.Get()
	}
	return known
}

// Configure implements [engine.Host].
func (h *host) Configure(name, text string) error {
	if name == "loglevel" {
		h.b.opts.LogLevel.Set(text)
		return nil
	}
	if h.b.Loading() {
		return errors.New("the directory is being loaded")
	}
	if h.b.log == nil {
		return errors.New("nothing is kept on disk: omniproxy runs with --read-only or --ephemeral")
	}
	switch name {
	case "appendfsync":
		var policy aof.Policy
		if err := policy.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		h.b.log.SetPolicy(policy)
	case "auto-aof-rewrite-percentage", "auto-aof-rewrite-min-size":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		if name == "auto-aof-rewrite-percentage" {
			h.rewritePercentage.Store(n)
		} else {
			h.rewriteMinSize.Store(n)
		}
	default:
		return errors.New("the append-only file is the data; a server that keeps nothing is started with --ephemeral")
	}
	return nil
}

var (
	errNothingKept = wire.Error("ERR nothing is kept on disk: omniproxy runs with --read-only or --ephemeral")
	errSave        = wire.Error("ERR") // all that Redis says
	errSaving      = wire.Error("ERR Background save already in progress")
	errRewriting   = wire.Error("ERR Background append only file rewriting already in progress")
)

// Shutdown implements [engine.Host].
func (h *host) Shutdown() error {
	if h.b.opts.Stop == nil {
		return wire.ErrShutdown
	}
	h.b.opts.Stop()
	return nil
}

// Save implements [engine.Host]: the append-only file is the data, so syncing it saves everything.
func (h *host) Save() error {
	if h.b.log == nil {
		return errNothingKept
	}
	if !h.saving.IsZero() {
		return errSaving
	}
	begun := time.Now()
	h.saved(h.b.log.Sync(), h.changes, begun)
	if h.saveErr != nil {
		return errSave
	}
	return nil
}

// BackgroundSave implements [engine.Host].
func (h *host) BackgroundSave() error {
	if h.b.log == nil {
		return errNothingKept
	}
	if !h.saving.IsZero() {
		return errSaving
	}
	begun, changes := time.Now(), h.changes
	h.saving = begun
	h.b.closed.Add(1)
	go func() {
		defer h.b.closed.Done()
		err := h.b.log.Sync()
		h.b.Locked(func() {
			h.saving = time.Time{}
			h.saved(err, changes, begun)
		})
	}()
	return nil
}

// saved notes how a save of so many changes ended.
func (h *host) saved(err error, changes int64, begun time.Time) {
	if h.saveErr = err; err == nil {
		h.changes -= changes
		h.lastSave = time.Now()
		h.saveTook = h.lastSave.Sub(begun)
		h.saves++
	}
}

// BackgroundRewrite implements [engine.Host].
func (h *host) BackgroundRewrite() error {
	if h.b.log == nil {
		return errNothingKept
	}
	if !h.b.rewriteLater() {
		return errRewriting
	}
	return nil
}

// LastSave implements [engine.Host].
func (h *host) LastSave() time.Time { return h.lastSave }
