// Package resp speaks Redis to clients: it reads commands, asks a [Backend] to do them, and writes the replies.
//
// A [Session] is one client, free of I/O: bytes in, batch, filters, do, bytes out. A transport (serve_net.go) feeds it
// from a socket. What concerns connections rather than data (CLIENT, HELLO, AUTH) is answered here, once, for every
// backend.
//
// The package must never know where data lives: neither files nor upstream servers.
//
// Its invariant: replies leave in the order of their commands, whole, and only when the backend has let them go.
package resp
