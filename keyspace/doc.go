// Package keyspace says what OmniDaemon's Redis keys mean.
//
// # Layout
//
// Seven families stand under a prefix (REDIS_KEY_PREFIX, "omni" unless told). The event bus' four do not, and ignore it.
//
//	{prefix}:agent:{topic}:{name}    hash    an agent: name, callback_name, description, topic, tools, config, created_at
//	{prefix}:agents:topic:{topic}    set     names of the topic's agents
//	{prefix}:topics                  set     names of topics
//	{prefix}:result:{task_id}        string  JSON {"task_id", "result", "saved_at"}
//	{prefix}:results:index           zset    task ids, scored by the time they were saved
//	{prefix}:metrics:stream          stream  field data: JSON of one metric
//	{prefix}:config:{key}            string  JSON of any value
//	omni-stream:{topic}              stream  field data: JSON of one task
//	omni-dlq:{group}                 stream  field data: JSON of one task that failed too often
//	retry_counts:{group}             hash    message id, number of retries
//	omni-metrics                     stream  field data: JSON of one bus event
//
// [Families] is this table for programs. [Layout.Parse] takes a key apart, [Layout.Format] and the builders
// ([Layout.Agent], [Layout.Result], ...) put it together, and [Layout.Family] only asks where a key belongs.
//
// # Bytes
//
// Keys are byte strings. A prefix may be empty or hold ':', glob characters or bytes that are no UTF-8; none of them has
// a meaning here. Topics, names, ids and config keys may be empty and may hold ':', too, and OmniDaemon escapes nothing.
// So "omni:agent:a:b:c" may be agent "c" of topic "a:b" or agent "b:c" of topic "a". The key does not tell, and this
// package does not guess: see [Key.Ambiguous] and [Key.Splits]. (The hash's own topic and name fields tell.)
//
// A prefix such as "omni-stream" makes a key of the first seven look like one of the bus. Then the prefix wins.
//
// # Rules
//
// What can be wrong with keys is a table of [Rules], each with an example that breaks it. [Checker] judges one write by
// itself, before it is done; [Audit] judges what a store holds, given as [Entry] values from anywhere.
//
// # Walls
//
// The package imports the standard library alone, and must never know sockets and files, nor where entries come from.
// What it reports names keys and fields, never values.
//
// Its invariant: Format(Parse(k)) == k for every byte string k.
package keyspace
