package wire

import (
	"fmt"
	"strings"
)

// Configuration.
const (
	// ErrConfigRewrite: CONFIG REWRITE of a server that was started without a file.
	ErrConfigRewrite Error = "ERR The server is running without a config file"
)

// UnknownConfig answers CONFIG SET of a parameter that does not exist.
func UnknownConfig(name []byte) Error {
	return Errorf("ERR Unknown option or number of arguments for CONFIG SET - '%s'", text(name))
}

// ConfigSetFailed answers CONFIG SET, perhaps of several parameters, when it cannot set the one that is named.
func ConfigSetFailed(name string, reason error) Error {
	return Errorf("ERR CONFIG SET failed (possibly related to argument '%s') - %v", text([]byte(name)), reason)
}

// Reason is why CONFIG SET refuses a parameter or its value: the end of the text of [ConfigSetFailed].
type Reason string

func (r Reason) Error() string { return string(r) }

// What CONFIG SET was told.
const (
	// ReasonNotYesNo: neither yes nor no.
	ReasonNotYesNo Reason = "argument must be 'yes' or 'no'"
	// ReasonNotInteger: not an integer.
	ReasonNotInteger Reason = "argument couldn't be parsed into an integer"
	// ReasonNotMemory: not a number of bytes, perhaps with a unit.
	ReasonNotMemory Reason = "argument must be a memory value"
	// ReasonNotMemoryOrPercent: neither that nor a percentage.
	ReasonNotMemoryOrPercent Reason = "argument must be a memory or percent value"
	// ReasonPercentage: a percentage above 100.
	ReasonPercentage Reason = "percentage argument must be less or equal to 100"
	// ReasonSaveAndNoSave: a shutdown that saves and does not.
	ReasonSaveAndNoSave Reason = "shutdown options SAVE and NOSAVE can't be used simultaneously"
	// ReasonHostnameLength: a host name that is too long.
	ReasonHostnameLength Reason = "Hostnames must be less than 256 characters"
	// ReasonHostname: a host name with other characters.
	ReasonHostname Reason = "Hostnames may only contain alphanumeric characters, hyphens or dots"
	// ReasonTemplate: a title of the process that is blank, or with unknown variables.
	ReasonTemplate Reason = "template format is invalid or contains unknown variables"
	// ReasonEventClass: a letter that is no class of keyspace events.
	ReasonEventClass Reason = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."
	// ReasonSavePoints: something else than pairs of seconds and changes.
	ReasonSavePoints Reason = "Invalid save parameters"
	// ReasonBufferLimitCount: not four words for each class of clients.
	ReasonBufferLimitCount Reason = "Wrong number of arguments in buffer limit configuration."
	// ReasonBufferLimitClass: a class of clients that has no limits.
	ReasonBufferLimitClass Reason = "Invalid client class specified in buffer limit configuration."
	// ReasonBufferLimit: limits of buffers that are no numbers.
	ReasonBufferLimit Reason = "Error in hard, soft or soft_seconds setting in buffer limit configuration."
	// ReasonCount: a list that is too long or too short.
	ReasonCount Reason = "wrong number of arguments"
	// ReasonScoreAdjustment: an adjustment of the OOM killer's score out of range.
	ReasonScoreAdjustment Reason = "Invalid oom-score-adj-values, elements must be between -2000 and 2000."
	// ReasonNotPercentile: something that is no number where percentiles are asked for.
	ReasonNotPercentile Reason = "Invalid latency-tracking-info-percentiles parameters"
	// ReasonPercentile: a percentile out of range.
	ReasonPercentile Reason = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
	// ReasonNoDefragmentation: activedefrag, as Redis says it without jemalloc.
	ReasonNoDefragmentation Reason = "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc " +
		"like the one shipped by default with the Redis source distribution"
	// ReasonImmutable: a parameter that only the start sets.
	ReasonImmutable Reason = "can't set immutable config"
	// ReasonProtected: a parameter that enable-protected-configs protects.
	ReasonProtected Reason = "can't set protected config"
	// ReasonTwice: a parameter that one CONFIG SET names twice.
	ReasonTwice Reason = "duplicate parameter"
	// ReasonPasswordNeeded: omniproxy's own, no password where other machines can connect.
	ReasonPasswordNeeded Reason = "other machines can connect: without a password, listen on 127.0.0.1"
	// ReasonNoReplicas: omniproxy's own, min-replicas-to-write.
	ReasonNoReplicas Reason = "there are no replicas"
	// ReasonPort: another port, with omniproxy's own advice.
	ReasonPort Reason = "Unable to listen on this port: the address is that of --listen, until the next start"
	// ReasonBind: other addresses, with omniproxy's own advice.
	ReasonBind Reason = "Failed to bind to specified addresses: the address is that of --listen, until the next start"
	// ReasonTLS: TLS, which there is not.
	ReasonTLS Reason = "Unable to update TLS configuration. Check server logs."
)

// ReasonRange is a number that is not from least to most.
func ReasonRange[N int64 | uint64](least, most N) Reason {
	return Reason(fmt.Sprintf("argument must be between %d and %d inclusive", least, most))
}

// ReasonNotOneOf is none of the words that a parameter takes.
func ReasonNotOneOf(words []string) Reason {
	return Reason("argument(s) must be one of the following: " + strings.Join(words, ", "))
}
