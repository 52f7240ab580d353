package main

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// sparse is for log lines that a hostile client could cause by the thousand: some are written, then one in a while, which
// says how many were not.
type sparse struct {
	mu      sync.Mutex
	free    int       // lines that may be written at once
	next    time.Time // no line before, when free is 0
	skipped int64
}

const (
	sparseFirst = 10
	sparsePause = 10 * time.Second
)

func sparsely() *sparse { return &sparse{free: sparseFirst} }

// do calls line, unless it was called much of late.
func (s *sparse) do(line func(skipped int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.After(s.next) {
		s.free = sparseFirst
	}
	if s.free == 0 {
		s.skipped++
		return
	}
	if s.free--; s.free == 0 {
		s.next = now.Add(sparsePause)
	}
	line(s.skipped)
	s.skipped = 0
}

// skippedLines says how many lines were not written, if any.
func skippedLines(n int64) zap.Field {
	if n == 0 {
		return zap.Skip()
	}
	return zap.Int64("skipped", n)
}
