// Package passthrough answers clients by asking a real Redis: it is the proxy behind --backend redis.
//
// It forwards bytes. A request is what the client sent, a reply what Redis sent; only where a reply ends is looked for. A
// wire is one connection to Redis; in the pool "session" each client has one of its own, in the pool "shared" clients share
// wires of the same protocol, database and user (lanes) and lease one for as long as they have state there (pins). What goes
// where stands in route.go, on one page.
//
// It must never know what a key holds, and nothing of files and flags.
//
// Its invariant: a client's replies arrive in the order of its commands, each exactly once and from Redis, or as one of the
// two errors of this package; a command that was written is never written again.
package passthrough
