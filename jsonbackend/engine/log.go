package engine

// Log makes units durable: an append-only file here, a table in another backend.
type Log interface {
	// Append takes a unit: n effects, encoded as RESP, that happened at one instant in database db. An effect may be
	// a SELECT; the last one then leads back to db. It is called under the engine's lock and only buffers. note is
	// kept with the unit; it is empty for what clients do.
	Append(db int, effects []byte, n int, note string) (seq uint64)
	// Synced reports whether the unit is as durable as the policy asks. If it is not, r is told when it is, or that it may
	// be lost: at once or later, from any goroutine.
	Synced(seq uint64, r Releaser) bool
	// Err says why nothing is kept at present; nil = all is well. Writes are refused meanwhile. What is appended
	// nevertheless is kept when the cause is gone.
	Err() error
}

// Releaser learns what became of a unit.
type Releaser = interface {
	Release(seq uint64)
	Fail(seq uint64, err error) // the unit may be lost: nobody may be told that it is kept
}

// synced tells r what becomes of a unit, now or later.
func synced(log Log, seq uint64, r Releaser) {
	if log.Synced(seq, r) {
		r.Release(seq)
	}
}

// NoLog forgets every unit: for what lives in memory only.
type NoLog struct{}

// Append does nothing.
func (NoLog) Append(int, []byte, int, string) uint64 { return 0 }

// Synced returns true.
func (NoLog) Synced(uint64, Releaser) bool { return true }

// Err returns nil.
func (NoLog) Err() error { return nil }
