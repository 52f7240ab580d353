package engine

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
)

// stats is what INFO tells of the past. The engine's lock guards it.
type stats struct {
	counters

	started time.Time
	clock   time.Duration // since then, when the clock was last read: it costs as much as all the counting
	runID   string        // 40 hexadecimal digits that no other run has
	replID  string        // likewise

	histograms  bool      // latency-tracking
	percentiles []float64 // latency-tracking-info-percentiles

	memoryAtStart, memoryPeak uint64

	elsewhere elsewhere // what was counted when CONFIG RESETSTAT came last
}

func newStats() stats {
	return stats{
		counters: newCounters(), started: time.Now(), runID: newRunID(), replID: newRunID(), memoryAtStart: readMemory().objects,
		histograms: true, percentiles: []float64{50, 99, 99.9},
	}
}

// newRunID returns 40 random hexadecimal digits.
func newRunID() string {
	return fmt.Sprintf("%016x%016x%08x", rand.Uint64(), rand.Uint64(), rand.Uint32())
}

// counters are what CONFIG RESETSTAT sets to zero.
type counters struct {
	calls, hits, misses, expiredKeys int64
	expiring                         time.Duration // spent by active expiry

	commands []commandStats   // by [command.Spec.Index]
	errors   map[string]int64 // error replies by their code
	failed   int64            // error replies

	ops, input, output rate
}

func newCounters() counters {
	return counters{commands: make([]commandStats, command.Len()), errors: map[string]int64{}}
}

// elsewhere are counters that others keep, and that never begin anew.
type elsewhere struct {
	traffic         resp.Traffic
	saves, rewrites int64
}

// commandStats is what is known about the calls of one command, which may be a subcommand.
type commandStats struct {
	calls    int64 // that were done
	rejected int64 // that were not, with an error
	failed   int64 // that were done and answered with an error
	spent    time.Duration
	latency  *histogram // nil before the first duration
}

// now reads the clock.
func (s *stats) now() time.Time {
	now := time.Now()
	s.clock = now.Sub(s.started)
	return now
}

// read is now for who measures: it costs half as much.
func (s *stats) read() time.Duration {
	s.clock = time.Since(s.started)
	return s.clock
}

// reject counts a command that was not done; spec is nil if there is none of its name.
func (s *stats) reject(spec *command.Spec, err error) {
	if spec != nil {
		s.commands[spec.Index].rejected++
	}
	s.fail(err)
}

// fail counts an error reply.
func (s *stats) fail(err error) {
	s.failed++
	s.errors[errorCode(err.Error())]++
}

// errorCode is the first word of an error reply, which is "ERR" unless others follow.
func errorCode(text string) string {
	code, _, found := strings.Cut(text, " ")
	if !found {
		return "ERR"
	}
	return code
}

// did counts a command of c that was done since begin. One that is outstanding now is measured to its end by [unblocked].
func (e *Engine) did(c *Conn, spec *command.Spec, args [][]byte, begin time.Duration, err error) {
	took := e.stats.read() - begin
	s := &e.stats.commands[spec.Index]
	s.calls++
	s.spent += took
	e.stats.calls++
	if err != nil {
		s.failed++
		e.stats.fail(err)
	}
	if e.latency.threshold > 0 {
		e.latency.command(spec, took)
	}
	if c.wait != nil {
		c.wait.took = took
		return
	}
	e.measured(c, spec, args, took)
}

// unblocked counts how a command ended that was outstanding: answering it took so long.
func (e *Engine) unblocked(p *waiter, answering time.Duration, failed bool) {
	s := &e.stats.commands[p.spec.Index]
	s.spent += answering
	if failed {
		s.failed++
	}
	e.latency.observe("command-unblocking", answering)
	e.measured(p.conn, p.spec, p.args, p.took+answering)
}

// measured notes how long a command took.
func (e *Engine) measured(c *Conn, spec *command.Spec, args [][]byte, took time.Duration) {
	if e.stats.histograms {
		s := &e.stats.commands[spec.Index]
		if s.latency == nil {
			s.latency = new(histogram)
		}
		s.latency.record(took)
	}
	if e.slowlog.wants(took) && spec.Flags&command.SkipSlowlog == 0 {
		e.slowlog.add(c, args, took)
	}
}

// expired notes how long a pass of active expiry took that began then.
func (e *Engine) expired(begin time.Duration) {
	took := e.stats.read() - begin
	e.stats.expiring += took
	e.latency.observe("expire-cycle", took)
}

// resetStat answers CONFIG RESETSTAT.
func resetStat(c *Call) error {
	s := &c.engine.stats
	s.counters = newCounters()
	s.elsewhere = c.engine.elsewhere()
	c.Reply.OK()
	return nil
}

// setPercentiles is the effect of latency-tracking-info-percentiles.
func setPercentiles(c *Call, text string) error {
	var list []float64
	for word := range strings.FieldsSeq(text) {
		p, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return err
		}
		list = append(list, p)
	}
	c.engine.stats.percentiles = list
	return nil
}

// elsewhere returns what others have counted.
func (e *Engine) elsewhere() elsewhere {
	p := e.opts.Host.Persistence()
	n := elsewhere{traffic: e.opts.Host.Traffic(), saves: p.Saves}
	if p.Log != nil {
		n.rewrites = p.Log.Rewrites
	}
	return n
}

// since returns what was counted since before.
func (n elsewhere) since(before elsewhere) elsewhere {
	return elsewhere{traffic: n.traffic.Since(before.traffic), saves: n.saves - before.saves, rewrites: n.rewrites - before.rewrites}
}

// Sample looks at what INFO tells of the last second and a half, and of a peak. It is called about ten times a second.
func (e *Engine) Sample() {
	heap := readMemory().objects
	traffic := e.opts.Host.Traffic()
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &e.stats
	s.memoryPeak = max(s.memoryPeak, heap)
	s.ops.sample(now, s.calls)
	s.input.sample(now, traffic.Input)
	s.output.sample(now, traffic.Output)
}

// rate is how fast a count grew lately.
type rate struct {
	samples [16]int64 // per second, each since the one before
	next    int
	at      time.Time
	count   int64
}

func (r *rate) sample(now time.Time, count int64) {
	if since := now.Sub(r.at); !r.at.IsZero() && since > 0 {
		r.samples[r.next] = int64(float64(count-r.count) / since.Seconds())
		r.next = (r.next + 1) % len(r.samples)
	}
	r.at, r.count = now, count
}

// perSecond is the mean of the samples.
func (r *rate) perSecond() int64 {
	sum := int64(0)
	for _, n := range r.samples {
		sum += n
	}
	return sum / int64(len(r.samples))
}
