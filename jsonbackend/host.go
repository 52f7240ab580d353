package jsonbackend

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// host answers the engine's questions about the server: what is on the disk, and who is connected. But for clients it is
// guarded by the engine's lock.
type host struct {
	b       *Backend
	clients atomic.Pointer[func() (now int, ever int64)]

	changes  int64 // keys written since the last save
	lastSave time.Time
	saving   bool // BGSAVE is under way
	saveErr  error
}

// Clients implements [engine.Host].
func (h *host) Clients() (now int, ever int64) {
	if count := h.clients.Load(); count != nil {
		return (*count)()
	}
	return 0, 0
}

// Info implements [engine.Host].
func (h *host) Info() []engine.Section {
	o := h.b.opts
	lines := []string{
		"backend:json",
		"dir:" + o.Dir,
		"prefix:" + o.Prefix,
		fmt.Sprint("db:", o.DB),
		fmt.Sprint("read_only:", flag(o.ReadOnly)),
		fmt.Sprint("ephemeral:", flag(o.Ephemeral)),
	}
	for _, f := range h.b.files {
		lines = append(lines, f.status.Load().lines(f.File())...)
	}
	return []engine.Section{
		{Name: "Server", Lines: []string{fmt.Sprint("process_id:", os.Getpid())}},
		{Name: "Persistence", Lines: h.persistence()},
		{Name: "omniproxy", Lines: lines},
	}
}

// lines are those of INFO: "file_results.json:status=ok,hidden=0,last_published=0", and what is wrong.
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
	lines := []string{fmt.Sprintf("file_%s:status=%s,hidden=%d,last_published=%d", file, status, s.hidden, published)}
	if err != nil {
		lines = append(lines, "file_error_"+file+":"+err.Error())
	}
	return lines
}

func (h *host) persistence() []string {
	lines := []string{
		fmt.Sprint("rdb_changes_since_last_save:", h.changes),
		fmt.Sprint("rdb_bgsave_in_progress:", flag(h.saving)),
		fmt.Sprint("rdb_last_save_time:", h.lastSave.Unix()),
		"rdb_last_bgsave_status:" + state(h.saveErr),
	}
	if h.b.log == nil {
		return append(lines, "aof_enabled:0")
	}
	s := h.b.log.Stats()
	rewriting, took := int64(-1), int64(-1)
	if !s.Rewriting.IsZero() {
		rewriting = int64(time.Since(s.Rewriting).Seconds())
	}
	if s.LastRewrite >= 0 {
		took = int64(s.LastRewrite.Seconds())
	}
	rewritten := "ok"
	if s.RewriteFailures > 0 {
		rewritten = "err"
	}
	return append(lines,
		"aof_enabled:1",
		fmt.Sprint("aof_rewrite_in_progress:", flag(h.b.rewriting.Load())),
		"aof_rewrite_scheduled:0",
		fmt.Sprint("aof_last_rewrite_time_sec:", took),
		fmt.Sprint("aof_current_rewrite_time_sec:", rewriting),
		"aof_last_bgrewrite_status:"+rewritten,
		"aof_last_write_status:"+state(s.Err),
		fmt.Sprint("aof_current_size:", s.Size),
		fmt.Sprint("aof_base_size:", s.BaseSize),
		fmt.Sprint("aof_buffer_length:", s.Buffered),
	)
}

func state(err error) string {
	if err != nil {
		return "err"
	}
	return "ok"
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// Config implements [engine.Host].
func (h *host) Config() map[string]string {
	appendonly := "yes"
	if h.b.log == nil {
		appendonly = "no"
	}
	return map[string]string{
		"dir":                         h.b.opts.Dir,
		"appendonly":                  appendonly,
		"appendfsync":                 h.b.opts.Fsync.String(),
		"appenddirname":               "aof",
		"appendfilename":              "appendonly.aof",
		"auto-aof-rewrite-percentage": fmt.Sprint(rewritePercentage),
		"auto-aof-rewrite-min-size":   fmt.Sprint(rewriteMinSize),
	}
}

var (
	errNothingKept = wire.Error("ERR nothing is kept on disk: omniproxy runs with --read-only or --ephemeral")
	errSave        = wire.Error("ERR") // all that Redis says
	errSaving      = wire.Error("ERR Background save already in progress")
	errRewriting   = wire.Error("ERR Background append only file rewriting already in progress")
)

// Save implements [engine.Host]: the append-only file is the data, so syncing it saves everything.
func (h *host) Save() error {
	if h.b.log == nil {
		return errNothingKept
	}
	if h.saving {
		return errSaving
	}
	h.saved(h.b.log.Sync(), h.changes)
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
	if h.saving {
		return errSaving
	}
	h.saving = true
	changes := h.changes
	h.b.closed.Add(1)
	go func() {
		defer h.b.closed.Done()
		err := h.b.log.Sync()
		h.b.Locked(func() {
			h.saving = false
			h.saved(err, changes)
		})
	}()
	return nil
}

// saved notes how a save of so many changes ended.
func (h *host) saved(err error, changes int64) {
	if h.saveErr = err; err == nil {
		h.changes -= changes
		h.lastSave = time.Now()
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
