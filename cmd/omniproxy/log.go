package main

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/resp"
)

// mostKeysNamed is how many keys a log line names.
const mostKeysNamed = 20

// storeEvents turns what the json backend reports into log lines. They name files and keys, never values. env is the
// environment with which OmniDaemon works here.
func storeEvents(log *zap.Logger, env string) jsonbackend.Events {
	told := time.Now()
	return jsonbackend.Events{
		Loading: func(done, total int64) {
			if time.Since(told) > time.Second {
				told = time.Now()
				log.Info("loading", zap.Int64("bytes", done), zap.Int64("of", total), zap.Int64("percent", 100*done/max(total, 1)))
			}
		},
		Torn: func(file string, offset, bytes int64) {
			log.Warn("cut off the end of the append-only file, which was being written when the last process or the machine died",
				zap.String("file", file), zap.Int64("offset", offset), zap.Int64("bytes", bytes))
		},
		Copied: func() {
			log.Warn("this directory is a copy that was made while the original was served: it holds what was acknowledged before the copy began, and perhaps more")
		},
		Published: func(file string, bytes int64, took time.Duration) {
			log.Debug("published", zap.String("file", file), zap.Int64("bytes", bytes), zap.Duration("took", took))
		},
		Unpublished: func(file string, err error) {
			log.Error("cannot publish: the append-only file has everything, but the JSON file is old; remove the cause, it is tried again every few seconds",
				zap.String("file", file), zap.Error(err))
		},
		Edited: func(file string, commands int) {
			log.Info("read an edit", zap.String("file", file), zap.Int("commands", commands))
		},
		Refused: func(file string, err error) {
			log.Error("a part of an edit cannot be done and is published over", zap.String("file", file), zap.Error(err))
		},
		Ignored: func(file string) {
			log.Warn("an edit changes no key and is published over", zap.String("file", file))
		},
		Outrun: func(file, kept string) {
			log.Warn("the append-only file of this copy says more than a file that was published while the copy was made, or edited in it later; the file is published over and kept",
				zap.String("file", file), zap.String("kept", kept))
		},
		Replaced: func(file string, keys []string, kept string) {
			named := keys[:min(len(keys), mostKeysNamed)]
			log.Warn("an edit removes or overwrites values; the old ones are kept", zap.String("file", file),
				zap.Int("values", len(keys)), zap.Strings("keys", named), zap.String("kept", kept))
		},
		Stranger: func(dir string) {
			log.Warn(fmt.Sprintf("another program (OmniDaemon's JSON store?) writes %s; it never re-reads, so your writes here stay invisible to it: set %s for it, or run omniproxy --read-only", dir, env))
		},
		Broken: func(file string, err error) {
			log.Error("an edit cannot be read; the last good state is served and the file left alone: mend it, or remove it to have it written anew",
				zap.String("file", file), zap.Error(err))
		},
		Mended: func(file string) { log.Info("the file is in order again", zap.String("file", file)) },
		Rewritten: func(bytes int64, took time.Duration) {
			log.Info("rewrote the append-only file", zap.Int64("bytes", bytes), zap.Duration("took", took))
		},
		Unrewritten: func(err error) {
			log.Error("cannot rewrite the append-only file; it stays as it is, complete and growing: make room on the disk", zap.Error(err))
		},
		LogFailed: func(err error) {
			log.Error("cannot write the append-only file: writes are refused with -MISCONF, reads go on; make room on the disk or mend it, it is tried again by itself",
				zap.Error(err))
		},
		LogResumed: func(after time.Duration) {
			log.Info("the append-only file is written again; nothing that was acknowledged is missing", zap.Duration("after", after))
		},
	}
}

func serverEvents(log *zap.Logger) resp.Events {
	dropped, failed := sparsely(), sparsely()
	return resp.Events{
		Connected:    func(client string) { log.Debug("connected", zap.String("client", client)) },
		Disconnected: func(client string) { log.Debug("disconnected", zap.String("client", client)) },
		Dropped: func(client string, err error) {
			dropped.do(func(skipped int64) {
				log.Warn("dropped a client", zap.String("client", client), zap.Error(err), skippedLines(skipped))
			})
		},
		HandshakeFailed: func(client string, err error) {
			failed.do(func(skipped int64) {
				log.Warn("a TLS handshake failed", zap.String("client", client), zap.Error(err), skippedLines(skipped))
			})
		},
		AcceptFailed: func(err error) { log.Error("cannot accept a client; trying again", zap.Error(err)) },
		UsersUnsaved: func(err error) { log.Error("cannot save users", zap.Error(err)) },
	}
}
