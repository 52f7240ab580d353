// Package lens shows parts of the keyspace as JSON files, and reads people's edits of those files back as commands.
//
// A [View] holds one document, byte for byte, and knows which of its records stands for which key. Update changes the
// records whose keys changed and leaves every other byte as it was; Edits says what somebody else changed in the
// document, as the commands that OmniDaemon's own store would have sent. [Views] are the files, [IndexOf] says which
// key belongs to which: agents.json, results.json, metrics.json and config.json as OmniDaemon's JSON store writes them,
// bus.json for the event bus, other.json for everything else (docs/format).
//
// The package must never know where documents are kept (no files) nor when they are published.
//
// Its invariant: a record whose text still says what its key holds keeps its text.
package lens
