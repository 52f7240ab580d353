package tool

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Filter chooses what is shown.
type Filter struct {
	Topic string // "" = all
	Agent string // "" = all
	Task  string // "" = all
	Limit int    // how many are shown, or looked at, the latest first
	Now   time.Time
}

// Listing is what an inspection found: for people and for programs.
type Listing struct {
	Table   Table
	Summary string
	Objects []Object
}

// has reports whether a value is chosen.
func has(chosen, value string) bool { return chosen == "" || chosen == value }

// InspectAgents lists agents by topic and name.
func InspectAgents(ctx context.Context, s *source.Source, f Filter) (l Listing, err error) {
	var agents []*source.Entry
	for e, err := range s.Entries(ctx, source.Families{keyspace.Agent}) {
		if err != nil {
			return l, err
		}
		topic, name := agentOf(s, e)
		if e.Type == keyspace.Hash && e.First && has(f.Topic, topic) && has(f.Agent, name) {
			agents = append(agents, e)
		}
	}
	slices.SortFunc(agents, func(a, b *source.Entry) int {
		topicA, nameA := agentOf(s, a)
		topicB, nameB := agentOf(s, b)
		return cmp.Or(strings.Compare(topicA, topicB), strings.Compare(nameA, nameB), strings.Compare(a.Key, b.Key))
	})
	agents = slices.CompactFunc(agents, func(a, b *source.Entry) bool { return a.Key == b.Key })
	l.Table.Columns = []Column{{Title: "TOPIC", Cut: true}, {Title: "AGENT", Cut: true}, {Title: "CALLBACK", Cut: true}, {Title: "TOOLS", Cut: true},
		{Title: "REGISTERED"}, {Title: "SUBSCRIBED"}, {Title: "DESCRIPTION", Cut: true}}
	topics := map[string]bool{}
	for _, e := range agents {
		topic, name := agentOf(s, e)
		topics[topic] = true
		subscribed, err := isSubscribed(ctx, s, "group:"+topic+":"+name)
		if err != nil {
			return l, err
		}
		yes := Cell{"no", dim}
		if subscribed {
			yes = Cell{"yes", Green}
		}
		l.Table.Rows = append(l.Table.Rows, []Cell{{Text: topic}, {Text: name}, {Text: field(e, "callback_name")}, {Text: names(field(e, "tools"))},
			{Text: ago(f.Now, number(field(e, "created_at")))}, yes, {Text: field(e, "description")}})
		o := Object{{"key", e.Key}, {"topic", topic}, {"name", name}}
		for _, name := range []string{"callback_name", "description", "tools", "config", "created_at"} {
			value := any(nil)
			switch text := field(e, name); {
			case name == "tools" || name == "config" || name == "created_at":
				value = jsonOf(text)
			case text != "":
				value = text
			}
			o = append(o, Property{name, value})
		}
		l.Objects = append(l.Objects, append(o, Property{"subscription_active", subscribed}))
	}
	l.Summary = fmt.Sprintf("%s in %s", plural(len(agents), "agent"), plural(len(topics), "topic"))
	return l, nil
}

// agentOf is whose hash it is: the hash's own fields say, for the key may be read in several ways.
func agentOf(s *source.Source, e *source.Entry) (topic, name string) {
	topic, name, _ = strings.Cut(s.Layout.Parse(e.Key).Rest, ":")
	return cmp.Or(field(e, "topic"), topic), cmp.Or(field(e, "name"), name)
}

func field(e *source.Entry, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// InspectResults lists the latest results, those that the index has.
func InspectResults(ctx context.Context, s *source.Source, f Filter) (l Listing, err error) {
	l.Table.Columns = []Column{{Title: "TASK", Cut: true}, {Title: "SAVED"}, {Title: "EXPIRES"}, {Title: "SIZE", Right: true}, {Title: "RESULT", Cut: true}}
	gone := 0
	for start := int64(0); len(l.Objects) < f.Limit; start += batchEntries {
		ids, err := taskIDs(ctx, s, f, start)
		if err != nil || len(ids) == 0 {
			return l.sum(gone, f), failed(s, err)
		}
		keys := make([]string, len(ids))
		for i, id := range ids {
			keys[i] = s.Layout.Result(id)
		}
		found := 0
		for e, err := range s.Load(ctx, keys...) {
			if err != nil {
				return l, err
			}
			found++
			if e.Type == keyspace.String && len(l.Objects) < f.Limit {
				l.addResult(s, e, f)
			}
		}
		gone += len(ids) - found
	}
	return l.sum(gone, f), nil
}

// sum says how many results there are. Of a task that was asked for by name nobody knows whether the index has it.
func (l Listing) sum(gone int, f Filter) Listing {
	l.Summary = plural(len(l.Objects), "result")
	switch {
	case f.Task != "":
		l.Summary += " of the task " + f.Task
	case gone > 0:
		l.Summary += fmt.Sprintf("; of %s in the index the result is gone", plural(gone, "task"))
	}
	return l
}

// taskIDs are the next ones of the index, the latest first; or the one that was asked for.
func taskIDs(ctx context.Context, s *source.Source, f Filter, start int64) ([]string, error) {
	if f.Task == "" {
		return s.Redis.ZRangeArgs(ctx, redis.ZRangeArgs{Key: s.Layout.ResultsIndex(), Start: start, Stop: start + batchEntries - 1, Rev: true}).Result()
	}
	if start > 0 {
		return nil, nil
	}
	return []string{f.Task}, nil
}

func (l *Listing) addResult(s *source.Source, e *source.Entry, f Filter) {
	text := e.Text
	result := member(text, "result")
	if !has(f.Topic, textOf(member(result, "topic"))) || !has(f.Agent, textOf(member(result, "agent"))) {
		return
	}
	id := s.Layout.Parse(e.Key).Rest
	expires, expiresAt := "never", any(nil)
	if e.Expires != 0 {
		expires = "in " + duration(time.UnixMilli(e.Expires).Sub(f.Now))
		expiresAt = float64(e.Expires) / 1000
	}
	shown := cmp.Or(result, text)
	l.Table.Rows = append(l.Table.Rows, []Cell{{Text: id}, {Text: ago(f.Now, number(member(text, "saved_at")))}, {Text: expires},
		{Text: size(len(text))}, {Text: brief(shown)}})
	l.Objects = append(l.Objects, Object{{"task_id", id}, {"result", jsonOf(result)}, {"saved_at", jsonOf(member(text, "saved_at"))},
		{"expires_at", expiresAt}, {"bytes", int64(len(text))}})
}

// stats is what metrics say of an agent.
type stats struct {
	topic, agent                string
	received, processed, failed int64
	seconds                     float64 // of those that were processed
	last                        float64
	lastError                   string
}

// InspectMetrics sums up the latest metrics by topic and agent.
func InspectMetrics(ctx context.Context, s *source.Source, f Filter) (l Listing, err error) {
	byAgent := map[[2]string]*stats{}
	looked := 0
	for text, err := range latestMetrics(ctx, s, f.Limit) {
		if err != nil {
			return l, err
		}
		looked++
		topic, agent := textOf(member(text, "topic")), textOf(member(text, "agent"))
		if !has(f.Topic, topic) || !has(f.Agent, agent) {
			continue
		}
		st := byAgent[[2]string{topic, agent}]
		if st == nil {
			st = &stats{topic: topic, agent: agent}
			byAgent[[2]string{topic, agent}] = st
		}
		st.add(text)
	}
	all := make([]*stats, 0, len(byAgent))
	for _, st := range byAgent {
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b *stats) int {
		return cmp.Or(cmp.Compare(b.received, a.received), strings.Compare(a.topic, b.topic), strings.Compare(a.agent, b.agent))
	})
	l.Table.Columns = []Column{{Title: "TOPIC", Cut: true}, {Title: "AGENT", Cut: true}, {Title: "RECEIVED", Right: true}, {Title: "PROCESSED", Right: true},
		{Title: "FAILED", Right: true}, {Title: "AVG TIME", Right: true}, {Title: "LAST"}, {Title: "LAST ERROR", Cut: true}}
	for _, st := range all {
		average, mean := "", any(nil)
		if st.processed > 0 {
			seconds := st.seconds / float64(st.processed)
			average, mean = duration(time.Duration(seconds*float64(time.Second))), seconds
		}
		wrong := Cell{strconv.FormatInt(st.failed, 10), dim}
		if st.failed > 0 {
			wrong.Color = Red
		}
		l.Table.Rows = append(l.Table.Rows, []Cell{{Text: st.topic}, {Text: st.agent}, {Text: strconv.FormatInt(st.received, 10)},
			{Text: strconv.FormatInt(st.processed, 10)}, wrong, {Text: average}, {Text: ago(f.Now, st.last)}, {Text: st.lastError, Color: Red}})
		l.Objects = append(l.Objects, Object{{"topic", st.topic}, {"agent", st.agent}, {"tasks_received", st.received}, {"tasks_processed", st.processed},
			{"tasks_failed", st.failed}, {"avg_processing_time_sec", mean}, {"last", st.last}, {"last_error", orNil(st.lastError)}})
	}
	l.Summary = fmt.Sprintf("the latest %s", plural(looked, "metric"))
	return l, nil
}

// add counts a metric; the latest comes first.
func (st *stats) add(text string) {
	switch textOf(member(text, "event")) {
	case "task_received":
		st.received++
	case "task_processed":
		st.processed++
		st.seconds += number(member(text, "processing_time_sec"))
	case "task_failed":
		st.failed++
		st.lastError = cmp.Or(st.lastError, failureOf(text))
	}
	st.last = max(st.last, number(cmp.Or(member(text, "timestamp"), member(text, "saved_at"))))
}

// failureOf is why a task failed, as its metric says.
func failureOf(metric string) string {
	kind, text := textOf(member(metric, "error_type")), textOf(member(metric, "error"))
	if kind != "" && text != "" {
		return kind + ": " + text
	}
	return kind + text
}

func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// latestMetrics iterates over the texts of the latest metrics, the latest first.
func latestMetrics(ctx context.Context, s *source.Source, limit int) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		const page = 1000
		for end := "+"; limit > 0; limit -= page {
			entries, err := s.Redis.XRevRangeN(ctx, s.Layout.MetricsStream(), end, "-", int64(min(page, limit))).Result()
			if err != nil {
				yield("", failed(s, err))
				return
			}
			for _, e := range entries {
				if text, ok := e.Values["data"].(string); ok && !yield(text, nil) {
					return
				}
			}
			if len(entries) < page {
				return
			}
			end = "(" + entries[len(entries)-1].ID
		}
	}
}

// member is a member of a JSON object, as JSON; "" if there is none.
func member(object, name string) string {
	value, ok := pyjson.Field([]byte(object), name)
	if !ok {
		return ""
	}
	return string(value)
}

// textOf is what a JSON string spells; other JSON stands for itself, null for nothing.
func textOf(value string) string {
	if value == "" || value == "null" {
		return ""
	}
	if text, err := pyjson.Unquote(nil, []byte(value)); err == nil && value[0] == '"' {
		return string(text)
	}
	return value
}

// number is a JSON number; 0 if it is none.
func number(value string) float64 {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0
	}
	return n
}

// names are the strings of a JSON array, or its text if it is none.
func names(array string) string {
	var all []string
	for _, v := range pyjson.Members([]byte(array)) {
		all = append(all, textOf(string(v)))
	}
	if all == nil && array != "[]" {
		return array
	}
	return strings.Join(all, ", ")
}

// brief is the beginning of a JSON text in one line.
func brief(text string) string {
	const most = 400
	if line, err := pyjson.Dumps(nil, []byte(text)); err == nil {
		text = unescaped(string(line))
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// unescaped shows the characters that json.dumps escapes since they are not ASCII.
func unescaped(text string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 || i+1 == len(text) {
			return b.String() + text
		}
		b.WriteString(text[:i])
		if text = text[i:]; text[1] != 'u' {
			b.WriteString(text[:2])
			text = text[2:]
			continue
		}
		n := len("\\u0000")
		if r, err := strconv.ParseUint(text[2:n], 16, 16); err == nil && utf16.IsSurrogate(rune(r)) {
			n = min(2*n, len(text))
		}
		word, err := pyjson.Unquote(nil, []byte(`"`+text[:n]+`"`))
		if err != nil || !utf8.Valid(word) || word[0] < ' ' {
			word = []byte(text[:n])
		}
		b.Write(word)
		text = text[n:]
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// ago says how long ago a time was, in Unix seconds; "" if there is none.
func ago(now time.Time, seconds float64) string {
	if !(seconds > 0 && seconds < 1e11) { // also NaN
		return ""
	}
	since := now.Sub(time.UnixMicro(int64(seconds * 1e6)))
	if since < 0 {
		return "in " + duration(-since)
	}
	return duration(since) + " ago"
}

// duration is a time in its largest unit, so exact that two digits remain.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func size(bytes int) string {
	switch {
	case bytes < 10_000:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 10_000_000:
		return fmt.Sprintf("%d kB", bytes/1000)
	}
	return fmt.Sprintf("%d MB", bytes/1_000_000)
}
