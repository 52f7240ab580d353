package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp"
)

// audit is what --audit asks for. The zero audit writes nothing.
type audit struct {
	*resp.Audit
	file *auditFile // nil for standard error
}

// openAudit opens it.
func (s Settings) openAudit(log *zap.Logger) (a audit, err error) {
	if s.Audit == "" {
		return a, nil
	}
	out := io.Writer(os.Stderr)
	if s.Audit != "-" {
		if a.file, err = openAuditFile(s.Audit); err != nil {
			return audit{}, err
		}
		out = a.file
	}
	unwritten := sparsely()
	a.Audit, err = resp.NewAudit(out, keyspace.Layout{Prefix: s.Prefix}, s.AuditCommands, func(err error) {
		unwritten.do(func(skipped int64) {
			log.Error("cannot write the audit; what cannot be written is lost", zap.Error(err), skippedLines(skipped))
		})
	})
	return a, err
}

// Reopen goes on in a new file if the old one was moved away, as logrotate does. On an error it goes on in the old one.
func (a audit) Reopen() error {
	if a.file == nil {
		return nil
	}
	return a.file.open()
}

// Close returns when everything is written.
func (a audit) Close() error {
	a.Audit.Close()
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// auditFile is the file of --audit. Only its owner may read it.
type auditFile struct {
	path string

	mu   sync.Mutex
	file *os.File
}

func openAuditFile(path string) (*auditFile, error) {
	f := &auditFile{path: path}
	return f, f.open()
}

// Write implements [io.Writer].
func (f *auditFile) Write(lines []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Write(lines)
}

// open opens the file that the path names now, in the place of the one that is open.
func (f *auditFile) open() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("--audit: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		f.file.Close()
	}
	f.file = file
	return nil
}

// Close closes the file.
func (f *auditFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
