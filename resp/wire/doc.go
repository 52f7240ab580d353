// Package wire is the Redis protocol as bytes: [Reader] cuts what a client sends into commands, [Writer] builds replies in
// RESP2 and RESP3 from the same calls, and [Error] holds the error texts that Redis clients match on.
//
// It must never know where bytes come from or go to, what a command means, or who the client is: no sockets, no command
// names, no keys. Limits and the protocol version are given by the caller.
//
// Its invariant: what the Reader returns depends on the stream and the limits alone, never on how the stream was cut into
// reads, and it cuts commands exactly where Redis 7.0 cuts them. Raw bytes forwarded to a Redis therefore are, to that
// Redis, the commands that were seen here.
package wire
