package resp

import (
	"cmp"
	"net"
	"slices"
	"sync/atomic"
)

// Traffic is what a server has counted, as INFO shows it: since it began, but for the first three.
type Traffic struct {
	Clients    int // that are connected
	MaxClients int // that may be
	Port       int // where it listens; 0 if that is no TCP port

	Accepted       int64 // clients
	Rejected       int64 // clients, for there were too many
	Input, Output  int64 // bytes
	Reads, Writes  int64 // of sockets
	ProtocolErrors int64 // that were told to clients
}

// Since is t with counts from before on.
func (t Traffic) Since(before Traffic) Traffic {
	t.Accepted -= before.Accepted
	t.Rejected -= before.Rejected
	t.Input -= before.Input
	t.Output -= before.Output
	t.Reads -= before.Reads
	t.Writes -= before.Writes
	t.ProtocolErrors -= before.ProtocolErrors
	return t
}

// counters are those of [Traffic] that the transports move.
type counters struct {
	rejected, input, output, reads, writes, protocolErrors atomic.Int64

	denied [len(denialReasons)]atomic.Int64
}

// denialReasons are those of ACL LOG.
var denialReasons = [...]string{"command", "key", "channel", "auth"}

func (c *counters) deny(reason string) {
	if i := slices.Index(denialReasons[:], reason); i >= 0 {
		c.denied[i].Add(1)
	}
}

// Denials returns how often users were not allowed something, by the reason that ACL LOG gives: command, key, channel or auth,
// which is a login. It may be called by any goroutine.
func (v *Server) Denials() map[string]int64 {
	all := map[string]int64{}
	for i, reason := range denialReasons {
		all[reason] = v.counters.denied[i].Load()
	}
	return all
}

func (c *counters) read(n int) {
	c.reads.Add(1)
	c.input.Add(int64(n))
}

func (c *counters) wrote(n int) {
	c.writes.Add(1)
	c.output.Add(int64(n))
}

// Traffic returns the counts of now. It may be called by any goroutine.
func (v *Server) Traffic() Traffic {
	now, ever := v.registry.counts()
	return Traffic{
		Clients:        now,
		MaxClients:     int(cmp.Or(v.maxClients.Load(), defaultMaxClients)),
		Port:           v.port(),
		Accepted:       ever,
		Rejected:       v.counters.rejected.Load(),
		Input:          v.counters.input.Load(),
		Output:         v.counters.output.Load(),
		Reads:          v.counters.reads.Load(),
		Writes:         v.counters.writes.Load(),
		ProtocolErrors: v.counters.protocolErrors.Load(),
	}
}

func (v *Server) port() int {
	if a, ok := v.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// Buffers is what clients keep a server remembering, in bytes.
type Buffers struct {
	LongestInput, LongestOutput int // of one client
	Total                       int // of all
}

// Buffers looks at every client. It may be called by any goroutine.
func (v *Server) Buffers() (b Buffers) {
	for _, s := range v.registry.all() {
		input := int(s.Client.pending.Load())
		held, capacity, _ := s.Out.size()
		b.LongestInput = max(b.LongestInput, input)
		b.LongestOutput = max(b.LongestOutput, held)
		b.Total += input + capacity
	}
	return b
}
