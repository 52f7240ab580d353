package wire

// Statistics.
const (
	// ErrSlowlogCount: the count of SLOWLOG GET is not an integer from -1 on.
	ErrSlowlogCount Error = "ERR count should be greater than or equal to -1"
)

// NoLatencySamples answers LATENCY GRAPH of an event that never was slow.
func NoLatencySamples(event []byte) Error {
	return Errorf("ERR No samples available for event '%s'", text(event))
}
