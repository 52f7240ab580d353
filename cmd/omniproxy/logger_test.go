package main

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// standing is a clock that stands.
type standing struct{ time.Time }

func (s standing) Now() time.Time                         { return s.Time }
func (s standing) NewTicker(d time.Duration) *time.Ticker { return time.NewTicker(d) }

func TestWarningsThatSayTheSameAreSampledAndTheRestIsCounted(t *testing.T) {
	core, lines := observer.New(zap.DebugLevel)
	log := zap.New(sampled(core), zap.WithClock(standing{time.Now()}))
	for i := range 25 {
		log.Warn("dropped a client", zap.Int("client", i))
		log.With(zap.Int("n", i)).Error("cannot accept a client; trying again")
		log.Info("read an edit")
	}
	log.Warn("another one")
	if err := log.Sync(); err != nil {
		t.Error(err)
	}
	if c := linesOf(log); c.warnings.Load() != 26 || c.errors.Load() != 25 {
		t.Errorf("%d warnings and %d errors are counted, of 26 and 25", c.warnings.Load(), c.errors.Load())
	}
	count := map[string]int{}
	for _, line := range lines.All() {
		text := fmt.Sprint(line.Level, " ", line.Message)
		if line.Message == "left out lines that say the same" {
			text = fmt.Sprint(text, ": ", line.ContextMap()["line"], " ", line.ContextMap()["lines"])
		}
		count[text]++
	}
	for text, want := range map[string]int{
		"warn dropped a client":                                      sampleFirst,
		"error cannot accept a client; trying again":                 sampleFirst,
		"info read an edit":                                          25,
		"warn another one":                                           1,
		"warn left out lines that say the same: dropped a client 15": 1,
		"error left out lines that say the same: cannot accept a client; trying again 15": 1,
	} {
		if count[text] != want {
			t.Errorf("%d lines %q, want %d", count[text], text, want)
		}
		delete(count, text)
	}
	if len(count) > 0 {
		t.Errorf("more lines: %v", count)
	}
}

func TestTheLogLevelHasRedisNames(t *testing.T) {
	l := redisLevel{at: zap.NewAtomicLevel()}
	for _, tt := range []struct {
		set  string
		get  string
		want zapcore.Level
	}{{"debug", "debug", zap.DebugLevel}, {"verbose", "verbose", zap.DebugLevel}, {"notice", "notice", zap.InfoLevel},
		{"warning", "warning", zap.WarnLevel}, {"nothing", "warning", zap.WarnLevel}} {
		l.Set(tt.set)
		if got := l.Get(); got != tt.get || l.at.Level() != tt.want {
			t.Errorf("after %s: %s, %v", tt.set, got, l.at.Level())
		}
	}
	l.at.SetLevel(zap.ErrorLevel) // which Redis does not have
	if got := l.Get(); got != "warning" {
		t.Error(got)
	}
	l.at.SetLevel(zap.DebugLevel)
	if got := l.Get(); got != "debug" {
		t.Error(got)
	}
}
