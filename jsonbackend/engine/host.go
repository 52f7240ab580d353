package engine

import (
	"errors"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Host is what commands ask for that concern the server rather than the keyspace. Its methods run under the engine's
// lock and must not call the engine.
type Host interface {
	// Process, Traffic, Buffers and Persistence return what INFO tells of the server; what is not known is zero.
	Process() Process
	Traffic() resp.Traffic
	Buffers() resp.Buffers
	Persistence() Persistence
	// Sections returns sections of INFO that Redis does not have, in the order to be shown.
	Sections() []Section
	// Config returns the parameters of CONFIG GET that the host knows, by name.
	Config() map[string]string
	// Configure changes a parameter that Config knows, or says why not. text is what CONFIG GET is to show.
	Configure(name, text string) error

	// Shutdown begins the stop of the server, as a signal would.
	Shutdown() error

	Save() error              // SAVE: everything is on disk when it returns
	BackgroundSave() error    // BGSAVE: that begins
	BackgroundRewrite() error // BGREWRITEAOF: a rewrite of the log begins
	LastSave() time.Time      // LASTSAVE
}

// NoHost serves an engine that stands alone: nothing is on disk.
type NoHost struct{}

// Process returns nothing.
func (NoHost) Process() Process { return Process{} }

// Traffic returns nothing.
func (NoHost) Traffic() resp.Traffic { return resp.Traffic{} }

// Buffers returns nothing.
func (NoHost) Buffers() resp.Buffers { return resp.Buffers{} }

// Persistence tells of no log.
func (NoHost) Persistence() Persistence { return Persistence{LastSave: time.Unix(0, 0), SaveTook: -1} }

// Sections returns nothing.
func (NoHost) Sections() []Section { return nil }

// Config returns nothing.
func (NoHost) Config() map[string]string { return nil }

// Configure refuses.
func (NoHost) Configure(string, string) error { return errors.New("there is no host") }

// Shutdown refuses.
func (NoHost) Shutdown() error { return wire.ErrShutdown }

// Save does nothing.
func (NoHost) Save() error { return nil }

// BackgroundSave does nothing.
func (NoHost) BackgroundSave() error { return nil }

// BackgroundRewrite does nothing.
func (NoHost) BackgroundRewrite() error { return nil }

// LastSave returns the beginning of time.
func (NoHost) LastSave() time.Time { return time.Unix(0, 0) }
