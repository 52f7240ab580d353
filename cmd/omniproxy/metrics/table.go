package metrics

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one that omniproxy exports.
type metric struct {
	name   string // without "omniproxy_"
	kind   kind
	help   string
	labels []string // besides backend
	of     side
}

type kind int

const (
	counter kind = iota
	gauge
	histogram
)

func (k kind) String() string { return [...]string{"counter", "gauge", "histogram"}[k] }

// side is which backend a metric is about.
type side int

const (
	either side = iota
	onJSON
	onRedis
)

func (s side) String() string { return [...]string{"both", "json", "redis"}[s] }

// Clients, and what they send.
var (
	buildInfo        = metric{"build_info", gauge, "1; the labels say what runs.", []string{"version", "goversion"}, either}
	logLines         = metric{"log_lines_total", counter, "Warnings and errors, logged or left out. What has no metric of its own shows here: settings, certificates or users that cannot be used or saved.", []string{"level"}, either}
	ready            = metric{"ready", gauge, "Whether /readyz says so: 1 or 0.", nil, either}
	clientsNow       = metric{"clients", gauge, "Clients that are connected.", nil, either}
	clientsMax       = metric{"clients_max", gauge, "Clients that may be.", nil, either}
	clientsBlocked   = metric{"clients_blocked", gauge, "Clients that wait for a command that blocks.", nil, either}
	clientsAccepted  = metric{"clients_accepted_total", counter, "Clients that were let in.", nil, either}
	clientsRejected  = metric{"clients_rejected_total", counter, "Clients that were not, for there were too many.", nil, either}
	protocolErrors   = metric{"protocol_errors_total", counter, "Clients that were closed for what is not Redis' protocol.", nil, either}
	receivedBytes    = metric{"received_bytes_total", counter, "Bytes from clients.", nil, either}
	sentBytes        = metric{"sent_bytes_total", counter, "Bytes to clients.", nil, either}
	clientBuffers    = metric{"client_buffers_bytes", gauge, "Memory for what clients sent and have not read.", nil, either}
	commandsTotal    = metric{"commands_total", counter, "Commands that were done (json) or sent to Redis; a subcommand by its full name.", []string{"command"}, either}
	commandsRejected = metric{"commands_rejected_total", counter, "Commands that were refused before they were done.", []string{"command"}, either}
	commandsFailed   = metric{"commands_failed_total", counter, "Commands that were done and answered with an error.", []string{"command"}, onJSON}
	commandDuration  = metric{"command_duration_seconds", histogram, "How long commands took to be done, without waiting.", []string{"command"}, onJSON}
	errorReplies     = metric{"error_replies_total", counter, "Error replies by their first word.", []string{"code"}, either}
	denials          = metric{"denials_total", counter, "What users were not allowed, by the reason in ACL LOG: command, key, channel, or auth for a login.", []string{"reason"}, either}
	findings         = metric{"validation_findings_total", counter, "Rules of OmniDaemon's key layout that writes broke.", []string{"rule"}, either}
	findingsRefused  = metric{"validation_refused_total", counter, "Writes that were refused for it.", nil, either}
	findingsUnknown  = metric{"validation_unchecked_total", counter, "Writes that could not be judged.", nil, either}
)

// What is stored, on json.
var (
	loading         = metric{"loading", gauge, "Whether the directory is still being loaded.", nil, onJSON}
	keysStored      = metric{"keys", gauge, "Keys by database.", []string{"db"}, onJSON}
	keysExpiring    = metric{"keys_expiring", gauge, "Keys with a time to live.", []string{"db"}, onJSON}
	keyHits         = metric{"key_hits_total", counter, "Keys that were looked for and there.", nil, onJSON}
	keyMisses       = metric{"key_misses_total", counter, "Keys that were looked for and not there.", nil, onJSON}
	keysExpired     = metric{"keys_expired_total", counter, "Keys whose time was over.", nil, onJSON}
	aofSize         = metric{"aof_size_bytes", gauge, "Size of the append-only file.", nil, onJSON}
	aofBuffered     = metric{"aof_buffered_bytes", gauge, "What is still to be written to it.", nil, onJSON}
	aofFailed       = metric{"aof_failed", gauge, "Whether it cannot be written, and writes are refused.", nil, onJSON}
	aofWrites       = metric{"aof_writes_total", counter, "Writes to it.", nil, onJSON}
	aofFsync        = metric{"aof_fsync_seconds", histogram, "How long fsync of it took.", nil, onJSON}
	aofRewrites     = metric{"aof_rewrites_total", counter, "Rewrites of it that were begun.", nil, onJSON}
	aofRewriteFails = metric{"aof_rewrite_failures", gauge, "Rewrites that failed since the last that did not.", nil, onJSON}
	aofRewriteLast  = metric{"aof_last_rewrite_seconds", gauge, "How long the last one took; 0 before.", nil, onJSON}
	publication     = metric{"publication_seconds", histogram, "How long it took to publish a JSON file.", []string{"file"}, onJSON}
	publishedBytes  = metric{"published_bytes_total", counter, "Bytes of JSON files that were published.", []string{"file"}, onJSON}
	unpublished     = metric{"file_unpublished", gauge, "Whether a JSON file is old, for it cannot be written.", []string{"file"}, onJSON}
	broken          = metric{"file_broken", gauge, "Whether what another program wrote to a JSON file cannot be read.", []string{"file"}, onJSON}
	hiddenValues    = metric{"file_hidden_values", gauge, "Values that a JSON file does not show, for they have another shape.", []string{"file"}, onJSON}
	edits           = metric{"edits_total", counter, "What other programs wrote to JSON files: read, refused in part, ignored or broken.", []string{"file", "outcome"}, onJSON}
	valuesReplaced  = metric{"edit_values_replaced_total", counter, "Values that such edits removed or overwrote, and that are kept.", []string{"file"}, onJSON}
)

// Connections to Redis.
var (
	upstreamUp          = metric{"upstream_up", gauge, "Whether Redis was there when it was looked for last.", nil, onRedis}
	upstreamRoundTrip   = metric{"upstream_round_trip_seconds", histogram, "From the submission of a run of commands to its last reply; one at a time of each connection is measured, none that block.", nil, onRedis}
	upstreamWait        = metric{"upstream_wait_seconds", histogram, "How long runs of commands waited for a connection that was not there yet.", nil, onRedis}
	upstreamConns       = metric{"upstream_connections", gauge, "Connections to Redis.", nil, onRedis}
	upstreamConnects    = metric{"upstream_connects_total", counter, "Connections that were made for clients' commands.", nil, onRedis}
	upstreamLosses      = metric{"upstream_losses_total", counter, "Connections that were lost.", nil, onRedis}
	upstreamSilent      = metric{"upstream_silent_total", counter, "Connections that were given up for --read-timeout.", nil, onRedis}
	commandsUnanswered  = metric{"commands_unanswered_total", counter, "Commands that were lost with a connection; nobody knows whether they were done.", nil, onRedis}
	commandsUnavailable = metric{"commands_unavailable_total", counter, "Commands that waited for a connection in vain.", nil, onRedis}
	lanes               = metric{"lanes", gauge, "Connections that clients share.", nil, onRedis}
	pins                = metric{"pins", gauge, "Connections of clients with state, and those that wait for one.", nil, onRedis}
	pinsIdle            = metric{"pins_idle", gauge, "Those that wait for one.", nil, onRedis}
	pinsMax             = metric{"pins_max", gauge, "As many as --pins allows.", nil, onRedis}
	pinsRefused         = metric{"pins_refused_total", counter, "Commands that were refused for want of one.", nil, onRedis}
	pinsTakenBack       = metric{"pins_taken_back_total", counter, "Clients that lost theirs after --pin-time.", nil, onRedis}
	clientsWaiting      = metric{"clients_waiting", gauge, "Clients to whom Redis owes a reply.", nil, onRedis}
	repliesToCome       = metric{"replies_to_come", gauge, "Replies that Redis owes.", nil, onRedis}
	requestBytes        = metric{"request_bytes", gauge, "Bytes of requests under way.", nil, onRedis}
	requestBytesMax     = metric{"request_bytes_max", gauge, "As many as --buffers allows before the next one waits.", nil, onRedis}
)

// OmniDaemon's own picture.
var (
	tasksTotal    = metric{"omnidaemon_tasks_total", counter, "What agents reported to the stream of metrics: task_received, task_processed, task_failed and others.", []string{"event", "topic", "agent"}, either}
	taskDuration  = metric{"omnidaemon_task_duration_seconds", histogram, "How long agents say that they worked on a task.", []string{"topic", "agent"}, either}
	busEvents     = metric{"omnidaemon_bus_events_total", counter, "What the event bus reported to omni-metrics: processed, reclaim_attempt, reclaimed, dlq_push.", []string{"event", "topic", "group"}, either}
	reportsLost   = metric{"omnidaemon_reports_lost_total", counter, "Reports that are not in the three above: too_long, or unreadable.", []string{"reason"}, either}
	busUp         = metric{"omnidaemon_bus_up", gauge, "Whether the last look at the event bus succeeded; if not, there are none of the following.", nil, either}
	streamLength  = metric{"omnidaemon_stream_length", gauge, "Entries of a topic's stream.", []string{"topic"}, either}
	groupLag      = metric{"omnidaemon_group_lag", gauge, "Entries that a consumer group has not been given; missing where Redis cannot tell.", []string{"topic", "group"}, either}
	groupPending  = metric{"omnidaemon_group_pending", gauge, "Entries that it was given and has not acknowledged.", []string{"topic", "group"}, either}
	groupMembers  = metric{"omnidaemon_group_consumers", gauge, "Its consumers.", []string{"topic", "group"}, either}
	deadLetters   = metric{"omnidaemon_dead_letters", gauge, "Tasks that it gave up: entries of omni-dlq.", []string{"topic", "group"}, either}
	groupRetrying = metric{"omnidaemon_group_retrying", gauge, "Entries that it tried again and has neither done nor given up: fields of retry_counts.", []string{"topic", "group"}, either}
)

// table is every metric, as the documentation lists them.
func table() []*metric {
	return []*metric{
		&buildInfo, &logLines, &ready,
		&clientsNow, &clientsMax, &clientsBlocked, &clientsWaiting, &clientsAccepted, &clientsRejected, &clientBuffers, &receivedBytes, &sentBytes,
		&protocolErrors, &commandsTotal, &commandsRejected, &commandsFailed, &commandDuration, &errorReplies, &denials, &findings, &findingsRefused,
		&findingsUnknown,
		&loading, &keysStored, &keysExpiring, &keyHits, &keyMisses, &keysExpired, &aofSize, &aofBuffered, &aofFailed, &aofWrites, &aofFsync,
		&aofRewrites, &aofRewriteFails, &aofRewriteLast, &publication, &publishedBytes, &unpublished, &broken, &hiddenValues, &edits,
		&valuesReplaced,
		&upstreamUp, &upstreamRoundTrip, &upstreamWait, &upstreamConns, &upstreamConnects, &upstreamLosses, &upstreamSilent,
		&commandsUnanswered, &commandsUnavailable, &lanes, &pins, &pinsIdle, &pinsMax, &pinsRefused, &pinsTakenBack, &repliesToCome,
		&requestBytes, &requestBytesMax,
		&tasksTotal, &taskDuration, &busEvents, &reportsLost, &busUp, &streamLength, &groupLag, &groupPending, &groupMembers, &deadLetters,
		&groupRetrying,
	}
}

const namespace = "omniproxy"

func (m *metric) fullName() string { return namespace + "_" + m.name }

// Markdown is the table of all metrics for the documentation.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | backend | what it says |\n|---|---|---|---|---|\n")
	for _, m := range table() {
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.fullName(), m.kind, labels, m.of, m.help)
	}
	return b.String()
}

// Names returns the full names of the metrics of a backend, json or redis, sorted.
func Names(backend string) (names []string) {
	for _, m := range table() {
		if m.of == either || m.of.String() == backend {
			names = append(names, m.fullName())
		}
	}
	slices.Sort(names)
	return names
}

func (m *metric) opts() prometheus.Opts {
	return prometheus.Opts{Namespace: namespace, Name: m.name, Help: m.help}
}

// counting is a counter that is kept elsewhere, with these labels.
func (m *metric) counting(count func() int64, labels ...string) prometheus.Collector {
	o := prometheus.CounterOpts(m.opts())
	o.ConstLabels = prometheus.Labels{}
	for i, name := range m.labels {
		o.ConstLabels[name] = labels[i]
	}
	return prometheus.NewCounterFunc(o, func() float64 { return float64(count()) })
}

func (m *metric) counters() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts(m.opts()), m.labels)
}

func (m *metric) histograms(limits []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: m.name, Help: m.help, Buckets: limits}, m.labels)
}
