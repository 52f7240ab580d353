package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger writes lines to standard error: in the format text for people, in json for programs. The level can be changed
// while it is in use.
func newLogger(level, format string) (*zap.Logger, zap.AtomicLevel, error) {
	at, err := zap.ParseAtomicLevel(level)
	if err != nil {
		return nil, at, fmt.Errorf("log level: %w", err)
	}
	return zap.New(sampled(zapcore.NewCore(encoder(format), zapcore.Lock(os.Stderr), at))), at, nil
}

func encoder(format string) zapcore.Encoder {
	if format == "json" {
		config := zap.NewProductionEncoderConfig()
		config.TimeKey, config.MessageKey = "time", "message"
		config.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		return zapcore.NewJSONEncoder(config)
	}
	config := zap.NewDevelopmentEncoderConfig()
	config.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02 15:04:05.000")
	config.EncodeDuration = zapcore.StringDurationEncoder
	config.ConsoleSeparator = " "
	return zapcore.NewConsoleEncoder(config)
}

// Of warnings and errors that say the same, so many are logged in each period.
const (
	samplePeriod = 10 * time.Second
	sampleFirst  = 10
)

// sampling logs warnings and errors through the sampler, everything else through the Core itself, and says how many lines it
// left out.
type sampling struct {
	zapcore.Core
	sampler zapcore.Core
	left    *leftOut
	lines   *lineCounts
}

// lineCounts are how many warnings and errors there were, whether they were logged or left out.
type lineCounts struct{ warnings, errors atomic.Int64 }

func (c *lineCounts) count(level zapcore.Level) {
	if level == zap.WarnLevel {
		c.warnings.Add(1)
	} else {
		c.errors.Add(1)
	}
}

// linesOf returns the counts of a log that newLogger made; of others there are none.
func linesOf(log *zap.Logger) *lineCounts {
	if s, ok := log.Core().(sampling); ok {
		return s.lines
	}
	return &lineCounts{}
}

func sampled(core zapcore.Core) zapcore.Core {
	left, lines := &leftOut{to: core, lines: map[zapcore.Entry]int{}}, &lineCounts{}
	sampler := zapcore.NewSamplerWithOptions(core, samplePeriod, sampleFirst, 0, zapcore.SamplerHook(func(e zapcore.Entry, decision zapcore.SamplingDecision) {
		lines.count(e.Level)
		left.hear(e, decision)
	}))
	return sampling{core, sampler, left, lines}
}

// With implements [zapcore.Core].
func (s sampling) With(fields []zap.Field) zapcore.Core {
	return sampling{s.Core.With(fields), s.sampler.With(fields), s.left, s.lines}
}

// Check implements [zapcore.Core].
func (s sampling) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level < zapcore.WarnLevel {
		return s.Core.Check(e, checked)
	}
	return s.sampler.Check(e, checked)
}

// Sync implements [zapcore.Core].
func (s sampling) Sync() error {
	s.left.tell()
	return s.Core.Sync()
}

// leftOut counts lines that were not logged.
type leftOut struct {
	to zapcore.Core

	mu    sync.Mutex
	lines map[zapcore.Entry]int // by level and message
}

// hear is told of what the sampler decides.
func (l *leftOut) hear(e zapcore.Entry, decision zapcore.SamplingDecision) {
	if decision&zapcore.LogDropped == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		time.AfterFunc(samplePeriod, l.tell)
	}
	l.lines[zapcore.Entry{Level: e.Level, Message: e.Message}]++
}

func (l *leftOut) tell() {
	l.mu.Lock()
	lines := l.lines
	l.lines = map[zapcore.Entry]int{}
	l.mu.Unlock()
	for e, n := range lines {
		line := zapcore.Entry{Level: e.Level, Time: time.Now(), Message: "left out lines that say the same"}
		l.to.Write(line, []zap.Field{zap.String("line", e.Message), zap.Int("lines", n)})
	}
}

// redisLevels are Redis' names of log levels, from the one that logs most.
var redisLevels = []struct {
	name  string
	level zapcore.Level
}{{"debug", zap.DebugLevel}, {"verbose", zap.DebugLevel}, {"notice", zap.InfoLevel}, {"warning", zap.WarnLevel}}

// redisLevel is a log level as CONFIG GET and CONFIG SET loglevel know it.
type redisLevel struct {
	at zap.AtomicLevel

	mu   sync.Mutex
	name string // as it was set last
}

// Get returns Redis' name of the level in force.
func (l *redisLevel) Get() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := "warning"
	for _, r := range redisLevels {
		if r.level == l.at.Level() && (name == "warning" || r.name == l.name) {
			name = r.name
		}
	}
	return name
}

// Set changes the level; a name that Redis does not have changes nothing.
func (l *redisLevel) Set(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range redisLevels {
		if r.name == name {
			l.name = name
			l.at.SetLevel(r.level)
		}
	}
}
