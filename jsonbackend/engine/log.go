package engine

// Log makes units durable: an append-only file here, a table in another backend.
type Log interface {
	// Append takes a unit: n effects, encoded as RESP, that happened at one instant in database db. An effect may be
	// a SELECT; the last one then leads back to db. It is called under the engine's lock and only buffers. note is
	// kept with the unit; it is empty for what clients do.
	Append(db int, effects []byte, n int, note string) (seq uint64)
	// Synced calls r.Release(seq) when the unit is as durable as the policy asks, now or later, from any goroutine.
	Synced(seq uint64, r Releaser)
	// Err says why nothing is kept at present; nil = all is well. Writes are refused meanwhile. What is appended
	// nevertheless is kept when the cause is gone.
	Err() error
}

// Releaser learns what became of a unit.
type Releaser = interface {
	Release(seq uint64)
	Fail(seq uint64, err error) // the unit may be lost: nobody may be told that it happened
}

// NoLog forgets every unit: for what lives in memory only.
type NoLog struct{}

// Append does nothing.
func (NoLog) Append(int, []byte, int, string) uint64 { return 0 }

// Synced releases at once.
func (NoLog) Synced(seq uint64, r Releaser) { r.Release(seq) }

// Err returns nil.
func (NoLog) Err() error { return nil }
