package keyspace

// agentLine registers the agent of the examples.
const agentLine = `HSET omni:agent:orders:bot name bot callback_name run tools '[]' description '' config '{}' topic orders created_at 1763859213.5`

// indexed puts it where it is looked for.
const indexed = agentLine + "\nSADD omni:agents:topic:orders bot\nSADD omni:topics orders"

// resultLine saves the result of the examples.
const resultLine = `SETEX omni:result:42 86400 '{"task_id": "42", "result": {"sum": 7}, "saved_at": 1763859213.5}'`

// taskLine publishes the task of the examples, taskEnd is how it ends.
const (
	taskEnd  = `MAXLEN ~ 10000 * data '{"content": "hi", "topic": "orders", "task_id": "42", "delivery_attempts": 0}'`
	taskLine = `XADD omni-stream:orders ` + taskEnd
	dlqEnd   = `MAXLEN ~ 10000 * data '{"topic": "orders", "failed_message": {}, "error": "timeout"}'`
)

// rules is sorted by ID.
var rules = []Rule{
	{
		ID: UnknownFamily, Name: "unknown-family", Severity: Warning, Inline: true,
		Text: "A key begins with OmniDaemon's prefix and is of none of its families: nothing of OmniDaemon's reads or clears it.",
		Hint: "Rename the key, or declare it with --families.",
		Good: "SET omni:config:theme '\"dark\"'", Bad: "SET omni:settings:theme '\"dark\"'",
	},
	{
		ID: BadSegment, Name: "bad-segment", Severity: Error, Inline: true,
		Text: "A topic, name, id or configuration key is empty, has a control character or is no UTF-8. OmniDaemon refuses empty names, and its Redis client fails as a whole on a reply that is no UTF-8.",
		Good: "SADD omni:topics orders", Bad: "SADD omni:topics ''",
	},
	{
		ID: KeyType, Name: "key-type", Severity: Error, Inline: true,
		Text: "A key holds another type than its family: whoever reads it gets WRONGTYPE.",
		Good: "SADD omni:agents:topic:orders bot", Bad: "RPUSH omni:agents:topic:orders bot",
	},
	{
		ID: AmbiguousName, Name: "ambiguous-name", Severity: Warning,
		Text: "A topic or an agent's name has a ':', so its key can be read as another topic and name. Two such agents share one key, and the later overwrites the other.",
		Hint: "Use another separator in names, such as '.'.",
		Good: "HSET omni:agent:orders.new:bot name bot topic orders.new", Bad: "HSET omni:agent:orders:new:bot name bot topic orders:new",
	},
	{
		ID: ForeignPrefix, Name: "foreign-prefix", Severity: Info,
		Text: "The database also has the keys of another OmniDaemon, under another prefix.",
		Good: "SADD omni:topics orders", Bad: "SADD omni_staging:topics orders",
	},
	{
		ID: NearMissKey, Name: "near-miss-key", Severity: Warning, Inline: true,
		Text: "A key is nearly one of OmniDaemon's, and so probably misspelt: nothing reads it.",
		Hint: "The finding names the family that was probably meant.",
		Good: resultLine, Bad: `SET omni:results:42 '{"task_id": "42", "result": {}, "saved_at": 1763859213.5}'`,
	},
	{
		ID: GlobInTopic, Name: "glob-in-topic", Severity: Warning,
		Text: "A topic has one of the characters * ? [ ] \\. OmniDaemon's inspect_dlq uses the topic as a pattern of KEYS, so it shows the dead letters of other topics, or none.",
		Good: "SADD omni:topics orders", Bad: "SADD omni:topics 'orders.*'",
	},
	{
		ID: SharedKey, Name: "shared-key", Severity: Error,
		Text: "Two agents stand in the sets of their topics and have one key: one of them is gone, and reads as the other.",
		Hint: "Register one of them under a name without ':'.",
		Good: indexed, Bad: "HSET omni:agent:a:b:c name c topic a:b\nSADD omni:agents:topic:a b:c\nSADD omni:agents:topic:a:b c",
	},
	{
		ID: AgentFields, Name: "agent-fields", Severity: Error,
		Text: "An agent has no name, callback_name or topic. OmniDaemon always writes them, and lists the agent with None.",
		Hint: "Let the agent register again.",
		Good: agentLine, Bad: "HSET omni:agent:orders:bot name bot topic orders",
	},
	{
		ID: AgentJSON, Name: "agent-json-field", Severity: Error, Inline: true,
		Text: "The tools of an agent are no JSON array, or its config is no JSON object (null is either): every listing of its topic fails.",
		Good: `HSET omni:agent:orders:bot tools '["search"]'`, Bad: "HSET omni:agent:orders:bot tools search",
	},
	{
		ID: AgentKey, Name: "agent-key-mismatch", Severity: Error, Inline: true,
		Text: "The topic and name in an agent's hash are not those of its key.",
		Good: agentLine, Bad: "HSET omni:agent:orders:bot name other topic orders",
	},
	{
		ID: AgentNotIndexed, Name: "agent-not-indexed", Severity: Error, Fix: "SADD",
		Text: "An agent is missing from the set of its topic's agents: it is never listed.",
		Good: indexed, Bad: agentLine,
	},
	{
		ID: MemberOrphan, Name: "index-member-orphan", Severity: Warning, Fix: "SREM",
		Text: "The set of a topic's agents names an agent that is not there.",
		Good: indexed, Bad: indexed + "\nSADD omni:agents:topic:orders gone",
	},
	{
		ID: TopicNotListed, Name: "topic-not-listed", Severity: Error, Fix: "SADD",
		Text: "A topic has agents and is missing from the set of topics: none of them is ever listed.",
		Good: indexed, Bad: agentLine + "\nSADD omni:agents:topic:orders bot",
	},
	{
		ID: TopicOrphan, Name: "topic-orphan", Severity: Warning, Fix: "SREM",
		Text: "The set of topics names a topic without agents.",
		Good: indexed, Bad: "SADD omni:topics orders",
	},
	{
		ID: AgentCreatedAt, Name: "agent-created-at", Severity: Warning, Inline: true,
		Text: "An agent's created_at is missing, no number, in milliseconds, or in the future. OmniDaemon fails on what is no number and shows 1970 where it is missing, as it is in every file of its JSON store.",
		Good: agentLine, Bad: "HSET omni:agent:orders:bot created_at 1763859213500",
	},
	{
		ID: RegistryTTL, Name: "agent-has-ttl", Severity: Warning, Inline: true, Fix: "PERSIST",
		Text: "An agent or an index has a time to live. OmniDaemon sets none: when it is over the agent disappears, or all of them.",
		Good: agentLine, Bad: agentLine + "\nEXPIRE omni:agent:orders:bot 86400",
	},
	{
		ID: AgentOtherField, Name: "agent-other-fields", Severity: Info, Inline: true, Fix: "HSETNX of tools and config",
		Text: "An agent has no tools, config or description, or has a field that OmniDaemon's Redis store does not know and never shows.",
		Good: agentLine, Bad: agentLine + " owner alice",
	},
	{
		ID: ResultIndexOrphan, Name: "result-index-orphan", Severity: Warning, Fix: "ZREM",
		Text: "The index of results has the id of a result that is not there: it has expired, and nothing but a question about just this result takes the id away. list_results(100) looks at the 100 newest ids, and so returns less.",
		Good: resultLine + "\nZADD omni:results:index 1763859213.6 42", Bad: "ZADD omni:results:index 1763859213.6 42",
	},
	{
		ID: ResultNotIndexed, Name: "result-not-indexed", Severity: Warning, Fix: "ZADD",
		Text: "A result is missing from the index of results: it is never listed.",
		Good: resultLine + "\nZADD omni:results:index 1763859213.6 42", Bad: resultLine,
	},
	{
		ID: ResultShape, Name: "result-shape", Severity: Error, Inline: true,
		Text: "A result is no JSON object with the task_id of its key, a result and a saved_at in seconds: get_result fails on it or returns nothing.",
		Good: resultLine, Bad: `SETEX omni:result:42 86400 '{"task_id": "43", "result": {}, "saved_at": 1763859213.5}'`,
	},
	{
		ID: ResultNoTTL, Name: "result-no-ttl", Severity: Info,
		Text: "A result never expires. OmniDaemon's runner keeps results for a day; others may do as they like.",
		Hint: "EXPIRE omni:result:ID 86400",
		Good: resultLine, Bad: `SET omni:result:42 '{"task_id": "42", "result": {}, "saved_at": 1763859213.5}'`,
	},
	{
		ID: ResultTooLarge, Name: "result-too-large", Severity: Warning, Inline: true,
		Text: "A result has more than 1 MiB. OmniDaemon puts the whole message into it, and list_results reads a hundred of them at once.",
		Hint: "Keep large content elsewhere, and its address in the message.",
		Good: resultLine, Bad: `SETEX omni:result:42 86400 '{"task_id": "42", "result": "x# 1100000 times", "saved_at": 1763859213.5}'`,
	},
	{
		ID: IndexScoreDrift, Name: "index-score-drift", Severity: Info, Fix: "ZADD",
		Text: "The score of a result in the index is more than 5 seconds off its saved_at: it is listed in the wrong place.",
		Good: resultLine + "\nZADD omni:results:index 1763859213.6 42", Bad: resultLine + "\nZADD omni:results:index 1763859213600 42",
	},
	{
		ID: IndexBloat, Name: "index-bloat", Severity: Warning,
		Text: "The index of results has more than twice as many ids as there are results.",
		Hint: "The fix of OMN020 takes the others away.",
		Good: resultLine + "\nZADD omni:results:index 1763859213.6 42", Bad: resultLine + "\nZADD omni:results:index 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i 10 j 11 k 12 l 13 42",
	},
	{
		ID: ResultExpired, Name: "result-expired", Severity: Info,
		Text: "The expires_at of a result in results.json is over. OmniDaemon's JSON store lists it still, and removes it when just this result is asked for; omniproxy does not load it.",
		Good: "# results.json\n" + `{"42": {"task_id": "42", "result": {}, "saved_at": 1763859213.5}}`,
		Bad:  "# results.json\n" + `{"42": {"task_id": "42", "result": {}, "saved_at": 1763859213.5, "expires_at": 1763859214.5}}`,
	},
	{
		ID: ConfigJSON, Name: "config-json", Severity: Error, Inline: true,
		Text: "A configuration value is no JSON: get_config returns its default instead.",
		Good: "SET omni:config:theme '\"dark\"'", Bad: "SET omni:config:theme dark",
	},
	{
		ID: SubscriptionFlag, Name: "subscription-flag", Severity: Error, Inline: true,
		Text: "The flag of a subscription is neither true nor false. Consumers ask for it before every read, and stop for good where it is not true.",
		Good: "SET omni:config:_subscription_active:group:orders:bot true", Bad: "SET omni:config:_subscription_active:group:orders:bot 0",
	},
	{
		ID: SupervisorRegistry, Name: "supervisor-registry", Severity: Warning, Fix: "SET of the list",
		Text: "The list of supervisors is no array of names, names one that left no state, or lacks one that did. Two processes that register at a time overwrite each other's list.",
		Good: `SET omni:config:_supervisor_registry '["bot"]'` + "\n" + `SET omni:config:supervisor:bot '{"state": "RUNNING"}'`,
		Bad:  `SET omni:config:_supervisor_registry '["bot"]'`,
	},
	{
		ID: FlagWithoutGroup, Name: "flag-without-group", Severity: Warning,
		Text: "A subscription is marked active and its consumer group is not there: its consumers have stopped, with NOGROUP. Judged only where the event bus is.",
		Hint: "Start the agent again, which makes the group.",
		Good: "XGROUP CREATE omni-stream:orders group:orders:bot $ MKSTREAM\nSET omni:config:_subscription_active:group:orders:bot true",
		Bad:  "XGROUP CREATE omni-stream:orders group:orders:other $ MKSTREAM\nSET omni:config:_subscription_active:group:orders:bot true",
	},
	{
		ID: BusEnvelope, Name: "bus-envelope", Severity: Error, Inline: true,
		Text: "A task has no single field data with a JSON object that has topic, task_id and a number delivery_attempts, or a dead letter none with topic, failed_message and error. The reclaim loop fails on such a task, again and again.",
		Good: taskLine, Bad: "XADD omni-stream:orders * payload hi",
	},
	{
		ID: BusTopic, Name: "bus-topic-mismatch", Severity: Error, Inline: true,
		Text: "A task says another topic than that of its stream.",
		Good: taskLine, Bad: "XADD omni-stream:invoices " + taskEnd,
	},
	{
		ID: DLQName, Name: "dlq-name", Severity: Warning, Inline: true,
		Text: "A key has a name that the dead letters of a group never have: dlq:GROUP is read by OmniDaemon's statistics, and written by nobody; omni-dlq:NAME without group: is found by no reader.",
		Hint: "Dead letters stand in omni-dlq:group:TOPIC:AGENT.",
		Good: "XADD omni-dlq:group:orders:bot " + dlqEnd, Bad: "XADD dlq:group:orders:bot " + dlqEnd,
	},
	{
		ID: DLQGrowing, Name: "dlq-growing", Severity: Warning,
		Text: "Tasks have failed for good within the last hour, or a hundred of them wait for somebody to look.",
		Hint: "Look at them with omniproxy inspect dlq.",
		Good: "XADD omni-dlq:group:orders:bot " + dlqEnd + "\n# two hours later", Bad: "XADD omni-dlq:group:orders:bot " + dlqEnd,
	},
	{
		ID: StreamNearMaxlen, Name: "stream-near-maxlen", Severity: Warning,
		Text: "A stream of tasks is nearly as long as OmniDaemon lets it become, and a group has not read all of it: what is published next pushes tasks out that nobody has read.",
		Good: "XGROUP CREATE omni-stream:orders group:orders:bot $ MKSTREAM\n" + taskLine,
		Bad:  "XGROUP CREATE omni-stream:orders group:orders:bot $ MKSTREAM\n" + taskLine + " # 9500 times",
	},
	{
		ID: RetryCounterLost, Name: "retry-counter-lost", Severity: Warning,
		Text: "A task was delivered more than four times and has no count of its retries: the count has expired, which it does after an hour. Such a task is retried for ever and never becomes a dead letter.",
		Hint: "Set reclaim_idle_ms well below one hour.",
		Good: "XGROUP CREATE omni-stream:orders g 0 MKSTREAM\n" + taskLine + "\nXREADGROUP GROUP g c STREAMS omni-stream:orders >",
		Bad:  "XGROUP CREATE omni-stream:orders g 0 MKSTREAM\n" + taskLine + "\nXREADGROUP GROUP g c STREAMS omni-stream:orders >\n# delivered nine times",
	},
	{
		ID: StreamWithoutGroup, Name: "stream-without-group", Severity: Warning,
		Text: "A stream has tasks and no consumer group. OmniDaemon's groups begin at the end: what is there before the first agent subscribes is never delivered.",
		Hint: "XGROUP CREATE omni-stream:TOPIC group:TOPIC:AGENT 0, before the agent starts.",
		Good: "XGROUP CREATE omni-stream:orders group:orders:bot 0 MKSTREAM\n" + taskLine, Bad: taskLine,
	},
	{
		ID: DeadConsumer, Name: "dead-consumer", Severity: Warning,
		Text: "A consumer has asked for nothing in an hour and has tasks that it never acknowledged.",
		Hint: "The reclaim loop of another consumer takes them; XAUTOCLAIM does so by hand.",
		Good: "XGROUP CREATE omni-stream:orders g 0 MKSTREAM\n" + taskLine + "\nXREADGROUP GROUP g c STREAMS omni-stream:orders >",
		Bad:  "XGROUP CREATE omni-stream:orders g 0 MKSTREAM\n" + taskLine + "\nXREADGROUP GROUP g c STREAMS omni-stream:orders >\n# two hours later",
	},
	{
		ID: MetricsEntry, Name: "metrics-entry", Severity: Error, Inline: true,
		Text: "A metric has no single field data with a JSON object: with saved_at in omni:metrics:stream, with topic, event and timestamp in omni-metrics.",
		Good: `XADD omni:metrics:stream MAXLEN ~ 100000 * data '{"topic": "orders", "saved_at": 1763859213.5}'`,
		Bad:  "XADD omni:metrics:stream MAXLEN ~ 100000 * data received",
	},
	{
		ID: MetricsTrim, Name: "metrics-trim", Severity: Warning, Inline: true,
		Text: "A metric is written without MAXLEN, or there are a tenth more metrics than OmniDaemon keeps (100,000; of the bus 1,000,000).",
		Hint: "XTRIM omni:metrics:stream MAXLEN ~ 100000",
		Good: `XADD omni:metrics:stream MAXLEN ~ 100000 * data '{"topic": "orders", "saved_at": 1763859213.5}'`,
		Bad:  `XADD omni:metrics:stream * data '{"topic": "orders", "saved_at": 1763859213.5}' # 110001 times`,
	},
	{
		ID: MetricsDocFields, Name: "metrics-doc-fields", Severity: Info, Inline: true,
		Text: "A metric has the field names of OmniDaemon's documentation, event_type or processing_time_ms, which nothing writes or reads: the code says event and processing_time_sec.",
		Good: `XADD omni:metrics:stream MAXLEN ~ 100000 * data '{"event": "task_received", "saved_at": 1763859213.5}'`,
		Bad:  `XADD omni:metrics:stream MAXLEN ~ 100000 * data '{"event_type": "task_received", "saved_at": 1763859213.5}'`,
	},
	{
		ID: SharedBus, Name: "shared-bus", Severity: Warning,
		Text: "Two OmniDaemons with different prefixes use one database, and so one event bus, whose keys have no prefix: each consumes the other's tasks where topics have the same name.",
		Hint: "Give each its own database or server.",
		Good: taskLine + "\nSADD omni:topics orders", Bad: taskLine + "\nSADD omni:topics orders\nSADD omni_staging:topics orders",
	},
	{
		ID: FileShape, Name: "json-file-shape", Severity: Error,
		Text: "A JSON file of the data directory is no JSON, has a record of another shape than the documented one, a name twice, or a number beyond doubles. OmniDaemon's JSON store takes a file it cannot read for an empty one, and erases it at the next write.",
		Good: "# agents.json\n" + `{"orders": [{"name": "bot", "callback_name": "run", "tools": [], "description": "", "config": {}}]}`,
		Bad:  "# agents.json\n" + `{"orders": [{"callback_name": "run"}]}`,
	},
	{
		ID: AnotherWriter, Name: "another-writer", Severity: Warning,
		Text: "Another program, such as OmniDaemon's JSON store, writes the directory. It never reads again, so it does not see what is written through omniproxy.",
		Hint: "Set STORAGE_BACKEND=redis and REDIS_URL to omniproxy's address for it, or run omniproxy --read-only.",
		Good: "# results.json\n{}", Bad: "# .health_check\nok",
	},
	{
		ID: OwnFamily, Name: "own-family", Severity: Error,
		Text: "A key of a family that --families declares is not what the declaration says.",
		Good: "", Bad: "",
	},
}
