package keyspace

import "strings"

// misspelt tells what a key was probably meant to be: one that begins so, if the text ends in ':', else one that is just so.
// The first list is of what stands behind "{prefix}:".
var misspelt = [2][]struct {
	text  string
	meant Family
}{
	{
		{"agents:topics:", AgentsOfTopic}, {"topics:", AgentsOfTopic},
		{"agents:", Agent}, {"agent:", Agent},
		{"topic", Topics}, {"topic:", Topics},
		{"results:", Result}, {"task:", Result}, {"results", ResultsIndex}, {"result-index", ResultsIndex},
		{"metrics", MetricsStream}, {"metrics:", MetricsStream}, {"metric:", MetricsStream}, {"metric", MetricsStream},
		{"config", Config}, {"configs:", Config}, {"conf:", Config},
		{"omni-stream:", BusStream}, {"stream:", BusStream}, {"omni-dlq:", DeadLetters}, {"dlq:", DeadLetters},
		{"retry_counts:", RetryCounts}, {"omni-metrics", BusMetrics},
	},
	{
		{"omni-streams:", BusStream}, {"omni_stream:", BusStream}, {"omni-stream", BusStream},
		{"omni-dlqs:", DeadLetters}, {"omni_dlq:", DeadLetters}, {"dlq:", DeadLetters},
		{"retry_count:", RetryCounts}, {"retry-counts:", RetryCounts}, {"retry-count:", RetryCounts},
		{"omni-metric", BusMetrics}, {"omni_metrics", BusMetrics}, {"omni-metrics:", BusMetrics},
	},
}

// meant returns the pattern of the family that a key of family Other was probably meant to be of; "" if it is like none.
func (l Layout) meant(key string) string {
	list := misspelt[1]
	rest, prefixed := strings.CutPrefix(key, l.Prefix+":")
	if prefixed {
		list = misspelt[0]
	}
	for _, m := range list {
		if rest == m.text || strings.HasSuffix(m.text, ":") && strings.HasPrefix(rest, m.text) {
			return strings.Replace(families[m.meant].Pattern, "{prefix}", l.Prefix, 1)
		}
	}
	return ""
}
