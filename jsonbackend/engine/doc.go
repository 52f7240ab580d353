// Package engine is an in-memory Redis: commands in, replies and effects out.
//
// One mutex gives one order. A command, or a whole EXEC, is a unit of work under it; its effects are deterministic
// Redis commands, handed to a [Log]; running the effects again gives the same state (the replay law). The law leans on
// one habit of every handler: check, edit, reply. A handler that returns an error has edited nothing.
//
// The package must never know what makes units durable or visible: it imports neither os nor encoding/json.
//
// Its invariant: what a client is told of a write leaves only after the log has released the unit.
package engine
