// Package metrics shows Prometheus, and whoever asks by HTTP, how omniproxy is doing.
//
// What is counted elsewhere anyway is read when somebody looks; only times come as events. OmniDaemon's own picture, tasks by
// topic and agent, is drawn from the entries that it adds to its streams of metrics.
//
// It must never know what clients send besides: it sees keys and entries of those streams alone. Nothing in it may hold up a
// client.
//
// Its invariant: how many series it exports is bounded by what is compiled in, whatever clients send. What is more counts under
// the label "other".
package metrics
