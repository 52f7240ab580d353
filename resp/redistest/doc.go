// Package redistest starts real redis-servers for tests that compare against
// Redis, and for the tools that record facts and dialogs from one. It knows
// nothing of omniproxy, so every package's tests may import it; the server
// itself never does.
//
// Invariant: a server lives exactly as long as the test or tool that started
// it, on a port and in a directory of its own.
package redistest
