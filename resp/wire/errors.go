package wire

import (
	"bytes"
	"fmt"
)

// Error is an error reply: the text after "-", beginning with its code, such as "ERR syntax error". The texts of this file
// are those of Redis 7.0.15 unless they say otherwise; clients compare them, so they never change.
type Error string

// Error returns the text, code included.
func (e Error) Error() string { return string(e) }

// Errorf formats an Error; format begins with the code.
func Errorf(format string, a ...any) Error { return Error(fmt.Sprintf(format, a...)) }

// text is b as Redis prints it with %s: up to a NUL byte.
func text(b []byte) []byte {
	b, _, _ = bytes.Cut(b, []byte{0})
	return b
}

// clip is text(b), at most n bytes of it.
func clip(b []byte, n int) []byte {
	b = text(b)
	return b[:min(len(b), n)]
}

// Any command.
const (
	// ErrSyntax: the arguments do not fit the command's grammar.
	ErrSyntax Error = "ERR syntax error"
	// ErrWrongType: the key holds another type than the command works on.
	ErrWrongType Error = "WRONGTYPE Operation against a key holding the wrong kind of value"
	// ErrNotInteger: an argument or a stored value is not a signed 64-bit decimal.
	ErrNotInteger Error = "ERR value is not an integer or out of range"
	// ErrNotFloat: an argument or a stored value is not a floating-point number.
	ErrNotFloat Error = "ERR value is not a valid float"
	// ErrValueRange: an integer argument is beyond what the option takes.
	ErrValueRange Error = "ERR value is out of range"
	// ErrNotPositive: a count argument is negative.
	ErrNotPositive Error = "ERR value is out of range, must be positive"
	// ErrNumKeys: a numkeys argument is below 1 or not an integer.
	ErrNumKeys Error = "ERR numkeys should be greater than 0"
	// ErrNumKeysArgs: numkeys announces more keys than there are arguments.
	ErrNumKeysArgs Error = "ERR Number of keys can't be greater than number of args"
	// ErrCount: the COUNT of LMPOP, ZMPOP and their blocking forms is below 1.
	ErrCount Error = "ERR count should be greater than 0"
	// ErrLimit: the LIMIT of SINTERCARD or ZINTERCARD is negative.
	ErrLimit Error = "ERR LIMIT can't be negative"
)

// WrongArity answers a command with too few or too many arguments; name is lower case, "client|kill" for a subcommand.
func WrongArity(name string) Error {
	return Errorf("ERR wrong number of arguments for '%s' command", name)
}

// UnknownCommand answers a command that does not exist; args is the whole command, name first. Redis shows 128 bytes of
// the name and about 128 of the arguments.
func UnknownCommand(args [][]byte) Error {
	var shown []byte
	for _, a := range args[1:] {
		if len(shown) >= 128 {
			break
		}
		shown = fmt.Appendf(shown, "'%s' ", clip(a, 128-len(shown)))
	}
	return Errorf("ERR unknown command '%s', with args beginning with: %s", clip(args[0], 128), shown)
}

// UnknownSubcommand answers a subcommand that container, as the client wrote it, does not have.
func UnknownSubcommand(container, sub []byte) Error {
	return Errorf("ERR unknown subcommand '%s'. Try %s HELP.", clip(sub, 128), bytes.ToUpper(text(container)))
}

// BadSubcommand answers a subcommand whose own arguments do not fit, where Redis does not tell which is wrong.
func BadSubcommand(container, sub []byte) Error {
	return Errorf("ERR unknown subcommand or wrong number of arguments for '%s'. Try %s HELP.",
		clip(sub, 128), bytes.ToUpper(text(container)))
}

// OutsideRange answers an integer argument that is not within lo to hi, both included.
func OutsideRange(lo, hi int64) Error {
	return Errorf("ERR value is out of range, value must between %d and %d", lo, hi)
}

// Keys.
const (
	// ErrNoSuchKey: the command needs an existing key.
	ErrNoSuchKey Error = "ERR no such key"
	// ErrSameObject: source and destination are one key in one database.
	ErrSameObject Error = "ERR source and destination objects are the same"
	// ErrDBIndex: a database number outside the configured ones.
	ErrDBIndex Error = "ERR DB index is out of range"
	// ErrSwapFirst: the first argument of SWAPDB is not an integer.
	ErrSwapFirst Error = "ERR invalid first DB index"
	// ErrSwapSecond: the second argument of SWAPDB is not an integer.
	ErrSwapSecond Error = "ERR invalid second DB index"
	// ErrCursor: a SCAN cursor is not an unsigned integer.
	ErrCursor Error = "ERR invalid cursor"
	// ErrExpireNX: NX of EXPIRE together with XX, GT or LT.
	ErrExpireNX Error = "ERR NX and XX, GT or LT options at the same time are not compatible"
	// ErrExpireGTLT: GT and LT of EXPIRE together.
	ErrExpireGTLT Error = "ERR GT and LT options at the same time are not compatible"
	// ErrObjectFreq: OBJECT FREQ without an LFU policy.
	ErrObjectFreq Error = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. " +
		"Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	// ErrObjectIdle: OBJECT IDLETIME with an LFU policy.
	ErrObjectIdle Error = "ERR An LFU maxmemory policy is selected, idle time not tracked. " +
		"Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	// ErrNoKeysInCommand: COMMAND GETKEYS of a command that takes no keys.
	ErrNoKeysInCommand Error = "ERR The command has no key arguments"
	// ErrGetKeysCommand: COMMAND GETKEYS of an unknown command.
	ErrGetKeysCommand Error = "ERR Invalid command specified"
	// ErrGetKeysArity: COMMAND GETKEYS with too few or too many arguments for the command.
	ErrGetKeysArity Error = "ERR Invalid number of arguments specified for command"
	// ErrGetKeysArgs: COMMAND GETKEYS with arguments that hide where the keys are.
	ErrGetKeysArgs Error = "ERR Invalid arguments specified for command"
)

// InvalidExpire answers a TTL or a time that is not positive or overflows; name is the command, lower case.
func InvalidExpire(name string) Error {
	return Errorf("ERR invalid expire time in '%s' command", name)
}

// UnsupportedOption answers an option of EXPIRE that is none of NX, XX, GT, LT.
func UnsupportedOption(option []byte) Error {
	return Errorf("ERR Unsupported option %s", text(option))
}

// Strings.
const (
	// ErrStringTooLong: the result would exceed proto-max-bulk-len.
	ErrStringTooLong Error = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	// ErrOffset: the offset of SETRANGE is negative.
	ErrOffset Error = "ERR offset is out of range"
	// ErrOverflow: an increment leaves the signed 64-bit range.
	ErrOverflow Error = "ERR increment or decrement would overflow"
	// ErrDecrOverflow: the decrement of DECRBY has no negative.
	ErrDecrOverflow Error = "ERR decrement would overflow"
	// ErrIncrNaN: a floating-point increment leaves the finite numbers.
	ErrIncrNaN Error = "ERR increment would produce NaN or Infinity"
	// ErrLCSType: a key of LCS holds no string.
	ErrLCSType Error = "ERR The specified keys must contain string values"
	// ErrLCSMemory: LCS would need more memory than proto-max-bulk-len, as Redis does it.
	ErrLCSMemory Error = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
	// ErrLCSBoth: LCS with LEN and IDX.
	ErrLCSBoth Error = "ERR If you want both the length and indexes, please just use IDX."
)

// Hashes.
const (
	// ErrHashNotInteger: HINCRBY on a field that is not an integer.
	ErrHashNotInteger Error = "ERR hash value is not an integer"
	// ErrHashNotFloat: HINCRBYFLOAT on a field that is not a number.
	ErrHashNotFloat Error = "ERR hash value is not a float"
	// ErrHashNaN: the increment of HINCRBYFLOAT is not finite.
	ErrHashNaN Error = "ERR value is NaN or Infinity"
)

// Lists and blocking commands.
const (
	// ErrOutOfRange: the index of LSET is outside the list.
	ErrOutOfRange Error = "ERR index out of range"
	// ErrRankZero: LPOS with RANK 0.
	ErrRankZero Error = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
		"or use negative to start from the end of the list"
	// ErrLPosCount: LPOS with a negative COUNT.
	ErrLPosCount Error = "ERR COUNT can't be negative"
	// ErrLPosMaxLen: LPOS with a negative MAXLEN.
	ErrLPosMaxLen Error = "ERR MAXLEN can't be negative"
	// ErrTimeoutNotFloat: a timeout in seconds is not a number.
	ErrTimeoutNotFloat Error = "ERR timeout is not a float or out of range"
	// ErrTimeoutNotInteger: a timeout in milliseconds is not an integer.
	ErrTimeoutNotInteger Error = "ERR timeout is not an integer or out of range"
	// ErrTimeoutNegative: a timeout is below zero.
	ErrTimeoutNegative Error = "ERR timeout is negative"
	// ErrUnblocked: the answer to a blocked client that CLIENT UNBLOCK ... ERROR woke.
	ErrUnblocked Error = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
)

// Sorted sets.
const (
	// ErrScoreNaN: an increment makes the score NaN.
	ErrScoreNaN Error = "ERR resulting score is not a number (NaN)"
	// ErrMinMaxFloat: a bound of a score range is not a number.
	ErrMinMaxFloat Error = "ERR min or max is not a float"
	// ErrMinMaxLex: a bound of a lexical range does not begin with ( or [ and is neither - nor +.
	ErrMinMaxLex Error = "ERR min or max not valid string range item"
	// ErrZAddNXXX: NX and XX of ZADD together.
	ErrZAddNXXX Error = "ERR XX and NX options at the same time are not compatible"
	// ErrZAddGTLT: more than one of NX, GT, LT of ZADD.
	ErrZAddGTLT Error = "ERR GT, LT, and/or NX options at the same time are not compatible"
	// ErrZAddIncr: ZADD INCR with several members.
	ErrZAddIncr Error = "ERR INCR option supports a single increment-element pair"
	// ErrWeight: a WEIGHTS argument is not a number.
	ErrWeight Error = "ERR weight value is not a float"
	// ErrRangeLimit: ZRANGE with LIMIT but neither BYSCORE nor BYLEX.
	ErrRangeLimit Error = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
	// ErrRangeWithScores: ZRANGE with WITHSCORES and BYLEX.
	ErrRangeWithScores Error = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
)

// NoInputKey answers numkeys below 1 in the commands that combine sorted sets; name is the command, lower case.
func NoInputKey(name string) Error {
	return Errorf("ERR at least 1 input key is needed for '%s' command", name)
}

// Streams.
const (
	// ErrInvalidStreamID: an argument is not a stream ID.
	ErrInvalidStreamID Error = "ERR Invalid stream ID specified as stream command argument"
	// ErrXAddZero: XADD with the ID 0-0.
	ErrXAddZero Error = "ERR The ID specified in XADD must be greater than 0-0"
	// ErrXAddSmall: XADD with an ID that is not above the last one.
	ErrXAddSmall Error = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
	// ErrXAddExhausted: XADD * to a stream whose last ID is the greatest there is.
	ErrXAddExhausted Error = "ERR The stream has exhausted the last possible ID, unable to add more items"
	// ErrXStart: an exclusive start at the greatest ID.
	ErrXStart Error = "ERR invalid start ID for the interval"
	// ErrXEnd: an exclusive end at the smallest ID.
	ErrXEnd Error = "ERR invalid end ID for the interval"
	// ErrXTrimBoth: MAXLEN and MINID together.
	ErrXTrimBoth Error = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
	// ErrXMaxLen: a negative MAXLEN.
	ErrXMaxLen Error = "ERR The MAXLEN argument must be >= 0."
	// ErrXLimit: a negative LIMIT.
	ErrXLimit Error = "ERR The LIMIT argument must be >= 0."
	// ErrXLimitAlone: LIMIT without MAXLEN or MINID.
	ErrXLimitAlone Error = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
	// ErrXLimitExact: LIMIT with exact trimming.
	ErrXLimitExact Error = "ERR syntax error, LIMIT cannot be used without the special ~ option"
	// ErrXTrimNone: XTRIM with neither MAXLEN nor MINID.
	ErrXTrimNone Error = "ERR syntax error, XTRIM must be called with a trimming strategy"
	// ErrXReadUnbalanced: STREAMS is followed by an odd number of arguments.
	ErrXReadUnbalanced Error = "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."
	// ErrXReadGroup: XREAD with GROUP.
	ErrXReadGroup Error = "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."
	// ErrXReadNoAck: XREAD with NOACK.
	ErrXReadNoAck Error = "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."
	// ErrXReadNew: XREAD with the ID ">".
	ErrXReadNew Error = "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
	// ErrXGroupMissing: XREADGROUP without GROUP.
	ErrXGroupMissing Error = "ERR Missing GROUP option for XREADGROUP"
	// ErrXGroupLast: XREADGROUP with the ID "$".
	ErrXGroupLast Error = "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of " +
		"this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."
	// ErrXGroupNoKey: XGROUP on a key that does not exist.
	ErrXGroupNoKey Error = "ERR The XGROUP subcommand requires the key to exist. " +
		"Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically."
	// ErrBusyGroup: XGROUP CREATE of a group that exists.
	ErrBusyGroup Error = "BUSYGROUP Consumer Group name already exists"
	// ErrEntriesRead: an ENTRIESREAD below -1.
	ErrEntriesRead Error = "ERR value for ENTRIESREAD must be positive or -1"
	// ErrGroupGone: the answer to a blocked XREADGROUP whose group was destroyed.
	ErrGroupGone Error = "NOGROUP the consumer group this client was blocked on no longer exists"
	// ErrStreamGone: the answer to a blocked XREADGROUP whose key was deleted or changed its type.
	ErrStreamGone Error = "UNBLOCKED the stream key no longer exists"
	// ErrXSetIDAdded: a negative ENTRIESADDED of XSETID.
	ErrXSetIDAdded Error = "ERR entries_added must be positive"
	// ErrXSetIDDeleted: XSETID below its own MAXDELETEDID.
	ErrXSetIDDeleted Error = "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
	// ErrXSetIDTop: XSETID below the last entry.
	ErrXSetIDTop Error = "ERR The ID specified in XSETID is smaller than the target stream top item"
	// ErrXSetIDLength: ENTRIESADDED of XSETID below the number of entries.
	ErrXSetIDLength Error = "ERR The entries_added specified in XSETID is smaller than the target stream length"
	// ErrXClaimIdle: the min-idle-time of XCLAIM is not an integer.
	ErrXClaimIdle Error = "ERR Invalid min-idle-time argument for XCLAIM"
	// ErrXClaimOptIdle: IDLE of XCLAIM is not an integer.
	ErrXClaimOptIdle Error = "ERR Invalid IDLE option argument for XCLAIM"
	// ErrXClaimOptTime: TIME of XCLAIM is not an integer.
	ErrXClaimOptTime Error = "ERR Invalid TIME option argument for XCLAIM"
	// ErrXClaimOptRetry: RETRYCOUNT of XCLAIM is not an integer.
	ErrXClaimOptRetry Error = "ERR Invalid RETRYCOUNT option argument for XCLAIM"
	// ErrXAutoClaimIdle: the min-idle-time of XAUTOCLAIM is not an integer.
	ErrXAutoClaimIdle Error = "ERR Invalid min-idle-time argument for XAUTOCLAIM"
	// ErrXAutoClaimCount: COUNT of XAUTOCLAIM is below 1.
	ErrXAutoClaimCount Error = "ERR COUNT must be > 0"
)

// NoGroup answers XPENDING, XCLAIM and XAUTOCLAIM on a key or a group that does not exist.
func NoGroup(key, group []byte) Error {
	return Errorf("NOGROUP No such key '%s' or consumer group '%s'", text(key), text(group))
}

// NoGroupRead answers XREADGROUP on a key or a group that does not exist.
func NoGroupRead(key, group []byte) Error {
	return NoGroup(key, group) + " in XREADGROUP with GROUP option"
}

// NoGroupForKey answers XGROUP and XINFO on an existing stream without that group.
func NoGroupForKey(group, key []byte) Error {
	return Errorf("NOGROUP No such consumer group '%s' for key name '%s'", text(group), text(key))
}

// UnknownXClaimOption answers an option that XCLAIM does not have.
func UnknownXClaimOption(option []byte) Error {
	return Errorf("ERR Unrecognized XCLAIM option '%s'", text(option))
}

// Transactions.
const (
	// ErrNestedMulti: MULTI inside MULTI.
	ErrNestedMulti Error = "ERR MULTI calls can not be nested"
	// ErrWatchInMulti: WATCH inside MULTI.
	ErrWatchInMulti Error = "ERR WATCH inside MULTI is not allowed"
	// ErrNotInMulti: a command that cannot be queued.
	ErrNotInMulti Error = "ERR Command not allowed inside a transaction"
	// ErrExecWithoutMulti: EXEC outside MULTI.
	ErrExecWithoutMulti Error = "ERR EXEC without MULTI"
	// ErrDiscardWithoutMulti: DISCARD outside MULTI.
	ErrDiscardWithoutMulti Error = "ERR DISCARD without MULTI"
	// ErrSubscribeInExec: SSUBSCRIBE inside MULTI.
	ErrSubscribeInExec Error = "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"
	// ErrExecAbort: EXEC after a command that could not be queued.
	ErrExecAbort Error = "EXECABORT Transaction discarded because of previous errors."
)

// ExecAbort answers an EXEC that is itself refused, for instance by READONLY; the reason is shown with its code.
func ExecAbort(reason Error) Error {
	return "EXECABORT Transaction discarded because of: " + reason
}

// Connection.
const (
	// ErrNoAuth: the first command must be AUTH or HELLO ... AUTH.
	ErrNoAuth Error = "NOAUTH Authentication required."
	// ErrHelloNoAuth: HELLO without AUTH from a client that must authenticate.
	ErrHelloNoAuth Error = "NOAUTH HELLO must be called with the client already authenticated, otherwise the " +
		"HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
	// ErrWrongPass: AUTH with an unknown user or a wrong password.
	ErrWrongPass Error = "WRONGPASS invalid username-password pair or user is disabled."
	// ErrAuthNoPassword: AUTH password where no password is configured.
	ErrAuthNoPassword Error = "ERR AUTH <password> called without any password configured for the default user. " +
		"Are you sure your configuration is correct?"
	// ErrNoProto: HELLO with a version other than 2 or 3.
	ErrNoProto Error = "NOPROTO unsupported protocol version"
	// ErrProtoNotInteger: HELLO with a version that is not an integer.
	ErrProtoNotInteger Error = "ERR Protocol version is not an integer or out of range"
	// ErrClientName: a client name with a space, a newline or a byte that does not print.
	ErrClientName Error = "ERR Client names cannot contain spaces, newlines or special characters."
	// ErrClientNameLength: a client name that is longer than any that helps. Redis takes every length.
	ErrClientNameLength Error = "ERR Client names cannot have more than 1024 bytes"
	// ErrNoSuchClient: CLIENT KILL of an address nobody has.
	ErrNoSuchClient Error = "ERR No such client"
	// ErrClientID: CLIENT LIST ID with something that is not an ID.
	ErrClientID Error = "ERR Invalid client ID"
	// ErrKillID: CLIENT KILL ID with something that is not an ID.
	ErrKillID Error = "ERR client-id should be greater than 0"
	// ErrUnblockReason: CLIENT UNBLOCK with a reason other than TIMEOUT or ERROR.
	ErrUnblockReason Error = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
)

// HelloOption answers an option that HELLO does not have.
func HelloOption(option []byte) Error {
	return Errorf("ERR Syntax error in HELLO option '%s'", text(option))
}

// UnknownClientType answers a TYPE of CLIENT LIST or CLIENT KILL that does not exist.
func UnknownClientType(name []byte) Error {
	return Errorf("ERR Unknown client type '%s'", text(name))
}

// NoSuchUser answers CLIENT KILL USER of a user that does not exist.
func NoSuchUser(name []byte) Error {
	return Errorf("ERR No such user '%s'", text(name))
}

// SubscribedOnly answers a command that RESP2 does not allow on a subscribed connection; name is lower case.
func SubscribedOnly(name string) Error {
	return Errorf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", name)
}

// State of the server.
const (
	// ErrOOM: a command that may store something while more is live than maxmemory allows.
	ErrOOM Error = "OOM command not allowed when used memory > 'maxmemory'."
	// ErrLoading: what has to wait until the start has come to its end.
	ErrLoading Error = "LOADING Redis is loading the dataset in memory"
	// ErrRestarting: omniproxy's own, the last reply before a drained connection closes; clients know the code and reconnect.
	ErrRestarting Error = "LOADING omniproxy is restarting"
	// ErrReadOnly: a write where only reads are served.
	ErrReadOnly Error = "READONLY You can't write against a read only replica."
)

// Misconf answers writes while the journal cannot be written; cause is what the system said.
func Misconf(cause error) Error {
	return Errorf("MISCONF Errors writing to the AOF file: %v", cause)
}

// Unkept answers what was done before it was known that the journal cannot be written.
func Unkept(cause error) Error {
	return Misconf(cause) + "; what this command did can be seen, and is lost if the server ends before it can write it"
}

// Protocol errors: the reply, after which Redis closes the connection.
const (
	// ErrMultibulkLength: the number after "*" is not an integer or above the limit.
	ErrMultibulkLength Error = "ERR Protocol error: invalid multibulk length"
	// ErrMultibulkLine: the line of "*" does not end in time.
	ErrMultibulkLine Error = "ERR Protocol error: too big mbulk count string"
	// ErrMultibulkAuth: too many arguments from a client that must authenticate first.
	ErrMultibulkAuth Error = "ERR Protocol error: unauthenticated multibulk length"
	// ErrBulkLength: the number after "$" is not an integer, negative or above the limit.
	ErrBulkLength Error = "ERR Protocol error: invalid bulk length"
	// ErrBulkLine: the line of "$" does not end in time.
	ErrBulkLine Error = "ERR Protocol error: too big bulk count string"
	// ErrBulkAuth: too long an argument from a client that must authenticate first.
	ErrBulkAuth Error = "ERR Protocol error: unauthenticated bulk length"
	// ErrRoom: there is no memory for a command that has begun. Redis has no such bound.
	ErrRoom Error = "ERR clients hold too much memory, and this one the most: send less at a time, or later"
	// ErrInlineLine: an inline command does not end in time.
	ErrInlineLine Error = "ERR Protocol error: too big inline request"
	// ErrQuotes: an inline command leaves a quote open or puts text after a closing one.
	ErrQuotes Error = "ERR Protocol error: unbalanced quotes in request"
)

// expectedBulk answers a line inside a multibulk command that begins with got instead of "$".
func expectedBulk(got byte) Error {
	return Error("ERR Protocol error: expected '$', got '" + string([]byte{got}) + "'")
}
