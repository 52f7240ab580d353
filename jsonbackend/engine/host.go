package engine

import "time"

// Host is what commands ask for that concern the server rather than the keyspace. Its methods run under the engine's
// lock and must not call the engine.
type Host interface {
	// Info returns sections of INFO in the order to be shown. A section that the engine has too is added to it.
	Info() []Section
	// Config returns the parameters of CONFIG GET that the host knows, by name.
	Config() map[string]string
	// Clients returns how many clients are connected, and how many ever were.
	Clients() (now int, ever int64)

	Save() error              // SAVE: everything is on disk when it returns
	BackgroundSave() error    // BGSAVE: that begins
	BackgroundRewrite() error // BGREWRITEAOF: a rewrite of the log begins
	LastSave() time.Time      // LASTSAVE
}

// Section is one part of INFO: "# Name" and lines "key:value".
type Section struct {
	Name  string
	Lines []string
}

// NoHost serves an engine that stands alone: nothing is on disk.
type NoHost struct{}

// Info returns nothing.
func (NoHost) Info() []Section { return nil }

// Config returns nothing.
func (NoHost) Config() map[string]string { return nil }

// Clients returns nothing.
func (NoHost) Clients() (int, int64) { return 0, 0 }

// Save does nothing.
func (NoHost) Save() error { return nil }

// BackgroundSave does nothing.
func (NoHost) BackgroundSave() error { return nil }

// BackgroundRewrite does nothing.
func (NoHost) BackgroundRewrite() error { return nil }

// LastSave returns the beginning of time.
func (NoHost) LastSave() time.Time { return time.Unix(0, 0) }
