// Command omniproxy serves OmniDaemon's data to Redis clients: from its JSON files, or by proxying a real Redis.
//
// The package turns words into settings, events into log lines and errors into exit codes; what a word does is done by
// the packages below. Its invariant: no password is ever printed.
package main
