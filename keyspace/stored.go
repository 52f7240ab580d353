package keyspace

import "strings"

// Thresholds of what is stored.
const (
	hour = 3600_000 // in milliseconds
	day  = 86_400   // in seconds

	deadLettersToLook = 100       // dead letters that nobody has looked at
	busMaxlen         = 10_000    // MAXLEN of a bus stream (RedisStreamEventBus.publish)
	metricsMaxlen     = 100_000   // of the metrics (RedisStore.save_metric)
	busMetricsMaxlen  = 1_000_000 // of the bus' own (RedisStreamEventBus._emit_monitor)
	deliveries        = 4         // the first one and three retries: then a task becomes a dead letter
)

// agentSeen is what is known of the agent whose hash is being read.
type agentSeen struct {
	fields      map[string]bool
	topic, name string
}

// stored judges an entry by itself: all but what takes two keys to say.
func (a *Audit) stored(e *Entry) []Finding {
	j := judge{Checker: a.Checker}
	j.at(e.Key)
	if e.First {
		j.name()
		if j.k.Family == Other {
			return j.found
		}
		if e.Expires != 0 {
			j.lasting()
		}
	}
	if want := families[j.k.Family].Type; e.Type != want {
		if e.First {
			j.add(KeyType, Finding{}, "must be %s and is %s", article(want), article(e.Type))
		}
		return j.found
	}
	switch j.k.Family {
	case Agent:
		a.storedAgent(&j, e)
	case AgentsOfTopic, Topics, ResultsIndex:
		for _, m := range e.Members {
			j.member([]byte(m.Text))
			if j.k.Family == Topics && globbed(m.Text) {
				j.add(GlobInTopic, Finding{Member: m.Text}, "has a character of patterns")
			}
		}
	case Result:
		j.text([]byte(e.Text))
		if e.Expires == 0 {
			j.add(ResultNoTTL, Finding{}, "never expires")
		}
	case Config:
		j.text([]byte(e.Text))
		if j.k.Rest == registry && !isListOfNames([]byte(e.Text)) {
			j.add(SupervisorRegistry, Finding{}, "is not an array of names")
		}
	case MetricsStream, BusMetrics, BusStream, DeadLetters:
		a.storedStream(&j, e)
	}
	return j.found
}

func globbed(topic string) bool { return strings.ContainsAny(topic, `*?[]\`) }

// isListOfNames reports whether v is what list_all_supervisors reads; where it is no JSON another rule says so.
func isListOfNames(v []byte) bool {
	if !valid(v) {
		return true
	}
	if first(v) != '[' {
		return false
	}
	for e := range elements(v) {
		if e[0] != '"' {
			return false
		}
	}
	return true
}

// readAgent takes in which agent it is.
func (a *Audit) readAgent(e *Entry) {
	if e.First {
		a.agent = agentSeen{fields: map[string]bool{}}
	}
	for _, f := range e.Fields {
		switch f.Name {
		case "topic":
			a.agent.topic = f.Value
		case "name":
			a.agent.name = f.Value
		case "callback_name", "tools", "description", "config", "created_at":
		default:
			continue // of these there may be many
		}
		a.agent.fields[f.Name] = true
	}
}

func (a *Audit) storedAgent(j *judge, e *Entry) {
	a.readAgent(e)
	for _, f := range e.Fields {
		j.agentField([]byte(f.Name), []byte(f.Value))
		if at, ok := number([]byte(f.Value)); f.Name == "created_at" && ok && at < tooLate && at > float64(a.Now/1000+day) {
			j.add(AgentCreatedAt, Finding{Field: f.Name}, "is in the future")
		}
	}
	if !e.Last {
		return
	}
	var topic, name []byte
	if a.agent.fields["topic"] {
		topic = []byte(a.agent.topic)
	}
	if a.agent.fields["name"] {
		name = []byte(a.agent.name)
	}
	j.agentKey(topic, name)
	for _, field := range [...]string{"name", "callback_name", "topic"} {
		if !a.agent.fields[field] {
			j.add(AgentFields, Finding{Field: field}, "is missing")
		}
	}
	for _, field := range [...]string{"tools", "config", "description"} {
		if !a.agent.fields[field] {
			j.add(AgentOtherField, Finding{Field: field}, "is missing")
		}
	}
	if !a.agent.fields["created_at"] {
		j.add(AgentCreatedAt, Finding{Field: "created_at"}, "is missing")
	}
	if j.k.Ambiguous() {
		j.add(AmbiguousName, Finding{}, "can be read as more than one topic and name")
	}
}

func (a *Audit) storedStream(j *judge, e *Entry) {
	for _, item := range e.Items {
		words := make([][]byte, 0, 2*len(item.Fields))
		for _, f := range item.Fields {
			words = append(words, []byte(f.Name), []byte(f.Value))
		}
		j.entry(item.ID, words)
	}
	if e.Stream == nil {
		return
	}
	switch most := int64(metricsMaxlen); j.k.Family {
	case BusMetrics:
		most = busMetricsMaxlen
		fallthrough
	case MetricsStream:
		if e.Size > most+most/10 {
			j.add(MetricsTrim, Finding{}, "has %d entries; OmniDaemon keeps %d", e.Size, most)
		}
	case DeadLetters:
		if fresh := milliseconds(e.Stream.LastID) > a.Now-hour; e.Size >= deadLettersToLook || e.Size > 0 && fresh {
			j.add(DLQGrowing, Finding{}, "has %d tasks that failed for good%s", e.Size, map[bool]string{true: ", the last one within the hour"}[fresh])
		}
	case BusStream:
		a.storedBus(j, e)
	}
}

func (a *Audit) storedBus(j *judge, e *Entry) {
	if globbed(j.k.Rest) {
		j.add(GlobInTopic, Finding{}, "has a character of patterns in its topic")
	}
	if e.Size > 0 && len(e.Stream.Groups) == 0 {
		j.add(StreamWithoutGroup, Finding{}, "has %d tasks and no consumer group", e.Size)
	}
	for _, g := range e.Stream.Groups {
		if e.Size >= busMaxlen*9/10 && g.Lag > 0 {
			j.add(StreamNearMaxlen, Finding{Member: g.Name}, "has not read %d of %d tasks", g.Lag, e.Size)
		}
		for _, c := range g.Consumers {
			if c.Pending > 0 && c.Seen < a.Now-hour {
				j.add(DeadConsumer, Finding{Member: g.Name + " " + c.Name}, "has %d tasks pending and was silent for %d minutes", c.Pending, (a.Now-c.Seen)/60_000)
			}
		}
	}
}

// milliseconds is the time in a stream's ID; 0 if it has none.
func milliseconds(id string) (ms int64) {
	for i := 0; i < len(id) && i < 18 && '0' <= id[i] && id[i] <= '9'; i++ {
		ms = ms*10 + int64(id[i]-'0')
	}
	return ms
}
