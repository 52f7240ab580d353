package tool

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/keyspace"
)

// sorted are the keys of a family, each once.
func sorted(ctx context.Context, s *source.Source, family keyspace.Family) (keys []string, err error) {
	for key, err := range s.Keys(ctx, source.Families{family}) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// InspectBus lists the groups of all topics: how far they are behind, and what they have not finished.
func InspectBus(ctx context.Context, s *source.Source, f Filter) (l Listing, err error) {
	l.Table.Columns = []Column{{Title: "TOPIC", Cut: true}, {Title: "TASKS", Right: true}, {Title: "AGENT", Cut: true}, {Title: "CONSUMERS", Right: true}, {Title: "SEEN"},
		{Title: "LAG", Right: true}, {Title: "PENDING", Right: true}, {Title: "OLDEST"}, {Title: "RETRIED", Right: true}, {Title: "DEAD", Right: true}, {Title: "SUBSCRIBED"}}
	keys, err := sorted(ctx, s, keyspace.BusStream)
	if err != nil {
		return l, err
	}
	groups := 0
	for _, key := range keys {
		topic := s.Layout.Parse(key).Rest
		if !has(f.Topic, topic) {
			continue
		}
		length, err := s.Redis.XLen(ctx, key).Result()
		if err != nil && !isWrongType(err) {
			return l, failed(s, err)
		}
		about, err := s.Stream(ctx, key)
		if err != nil {
			return l, err
		}
		if about == nil {
			continue
		}
		n, err := l.addTopic(ctx, s, topic, length, about, f)
		if err != nil {
			return l, err
		}
		groups += n
	}
	l.Summary = fmt.Sprintf("%s, %s", plural(len(l.Objects), "topic"), plural(groups, "group"))
	return l, nil
}

// addTopic adds a topic and a row for each of its groups.
func (l *Listing) addTopic(ctx context.Context, s *source.Source, topic string, length int64, about *source.Stream, f Filter) (groups int, err error) {
	var list []Object
	for _, g := range about.Groups {
		agent, ours := strings.CutPrefix(g.Name, "group:"+topic+":")
		if !ours {
			agent = g.Name
		}
		if !has(f.Agent, agent) {
			continue
		}
		dead, err := s.Redis.XLen(ctx, s.Layout.DeadLetters(g.Name)).Result()
		if err != nil && !isWrongType(err) {
			return groups, failed(s, err)
		}
		subscribed, err := isSubscribed(ctx, s, g.Name)
		if err != nil {
			return groups, err
		}
		row := groupRow{topic, agent, length, dead, g, subscribed, groups == 0}
		l.Table.Rows = append(l.Table.Rows, row.cells(f.Now))
		list = append(list, row.object(f.Now))
		groups++
	}
	if groups == 0 && f.Agent != "" {
		return 0, nil
	}
	if groups == 0 { // tasks that nobody will read
		row := make([]Cell, len(l.Table.Columns))
		row[0], row[1], row[2] = Cell{Text: topic}, Cell{Text: strconv.FormatInt(length, 10)}, Cell{"no group", Yellow}
		l.Table.Rows = append(l.Table.Rows, row)
	}
	l.Objects = append(l.Objects, Object{{"topic", topic}, {"stream", s.Layout.BusStream(topic)}, {"length", length}, {"groups", list}})
	return groups, nil
}

// groupRow is what is shown of a consumer group.
type groupRow struct {
	topic, agent string
	length, dead int64
	group        source.Group
	subscribed   bool
	first        bool // of its topic
}

// pending sums up what was not acknowledged: how much, since when the oldest, and how much was delivered more than once.
func (r groupRow) pending() (n int64, oldest int64, retried int64) {
	for _, c := range r.group.Consumers {
		n += c.Pending
	}
	for i, p := range r.group.Pending {
		if i == 0 || p.Delivered < oldest {
			oldest = p.Delivered
		}
		if p.Count > 1 {
			retried++
		}
	}
	return n, oldest, retried
}

// seen is when the last of the consumers asked, in Unix milliseconds; 0 if there are none.
func (r groupRow) seen() (at int64) {
	for _, c := range r.group.Consumers {
		at = max(at, c.Seen)
	}
	return at
}

func (r groupRow) cells(now time.Time) []Cell {
	pending, oldest, retried := r.pending()
	count := func(n int64, color Color) Cell {
		if n == 0 {
			color = dim
		}
		return Cell{strconv.FormatInt(n, 10), color}
	}
	lag := count(r.group.Lag, Yellow)
	if r.group.Lag < 0 {
		lag = Cell{"?", Yellow}
	}
	cells := []Cell{{Text: r.topic}, {Text: strconv.FormatInt(r.length, 10)}, {Text: r.agent}, {Text: strconv.Itoa(len(r.group.Consumers))},
		{Text: ago(now, float64(r.seen())/1000)}, lag, count(pending, Yellow), {Text: ago(now, float64(oldest)/1000)}, count(retried, Yellow), count(r.dead, Red), {"no", dim}}
	if !r.first {
		cells[0], cells[1] = Cell{}, Cell{}
	}
	if r.subscribed {
		cells[len(cells)-1] = Cell{"yes", Green}
	}
	return cells
}

func (r groupRow) object(now time.Time) Object {
	pending, oldest, retried := r.pending()
	var consumers []Object
	for _, c := range r.group.Consumers {
		consumers = append(consumers, Object{{"name", c.Name}, {"pending", c.Pending}, {"idle_ms", max(0, now.UnixMilli()-c.Seen)}})
	}
	o := Object{{"name", r.group.Name}, {"agent", r.agent}, {"lag", any(nil)}, {"pending", pending}, {"oldest_pending_ms", any(nil)}, {"retried", retried},
		{"dead_letters", r.dead}, {"last_delivered_id", r.group.LastID}, {"subscription_active", r.subscribed}, {"consumers", consumers}}
	if r.group.Lag >= 0 {
		o[2].Value = r.group.Lag
	}
	if oldest > 0 {
		o[4].Value = max(0, now.UnixMilli()-oldest)
	}
	return o
}

// lookedForFailures is how many metrics are searched for why a task failed.
const lookedForFailures = 10_000

// InspectDeadLetters lists the latest tasks that were given up. OmniDaemon notes there that the retries were used up; why they
// failed its metrics say, as long as they are kept.
func InspectDeadLetters(ctx context.Context, s *source.Source, f Filter) (l Listing, err error) {
	keys, err := sorted(ctx, s, keyspace.DeadLetters)
	if err != nil {
		return l, err
	}
	var letters []letter
	all := int64(0)
	for _, key := range keys {
		group := s.Layout.Parse(key).Rest
		length, err := s.Redis.XLen(ctx, key).Result()
		if err != nil && !isWrongType(err) {
			return l, failed(s, err)
		}
		if length == 0 {
			continue
		}
		entries, err := s.Redis.XRevRangeN(ctx, key, "+", "-", int64(f.Limit)).Result()
		if err != nil {
			return l, failed(s, err)
		}
		all += length
		for _, e := range entries {
			text, _ := e.Values["data"].(string)
			d := letterOf(e.ID, group, text)
			if has(f.Topic, d.topic) && has(f.Agent, d.agent) && has(f.Task, d.task) {
				letters = append(letters, d)
			}
		}
	}
	slices.SortFunc(letters, func(a, b letter) int { return cmp.Or(compareIDs(b.id, a.id), strings.Compare(a.group, b.group)) })
	letters = letters[:min(len(letters), f.Limit)]
	if err := explain(ctx, s, letters); err != nil {
		return l, err
	}
	l.Table.Columns = []Column{{Title: "FAILED"}, {Title: "TOPIC", Cut: true}, {Title: "AGENT", Cut: true}, {Title: "TASK", Cut: true}, {Title: "RETRIES", Right: true},
		{Title: "ERROR", Cut: true}, {Title: "LAST FAILURE", Cut: true}}
	for _, d := range letters {
		l.Table.Rows = append(l.Table.Rows, []Cell{{Text: ago(f.Now, number(member(d.text, "failed_at")))}, {Text: d.topic}, {Text: d.agent}, {Text: d.task},
			{Text: member(d.text, "retry_count")}, {textOf(member(d.text, "error")), Red}, {d.failure, Red}})
		l.Objects = append(l.Objects, Object{{"id", d.id}, {"stream", s.Layout.DeadLetters(d.group)}, {"group", d.group}, {"topic", d.topic}, {"agent", d.agent},
			{"task_id", orNil(d.task)}, {"last_failure", orNil(d.failure)}, {"data", jsonOf(d.text)}})
	}
	l.Summary = fmt.Sprintf("%d of %s", len(letters), plural(int(all), "dead letter"))
	return l, nil
}

// letter is a task that was given up.
type letter struct {
	id, group, text    string
	topic, agent, task string
	failure            string
}

func letterOf(id, group, text string) letter {
	d := letter{id: id, group: group, text: text, topic: textOf(member(text, "topic")), task: textOf(member(member(text, "failed_message"), "task_id"))}
	d.agent = strings.TrimPrefix(strings.TrimPrefix(group, "group:"), d.topic+":")
	return d
}

// explain notes why tasks failed the last time.
func explain(ctx context.Context, s *source.Source, letters []letter) error {
	byTask := map[string][]*letter{}
	for i := range letters {
		if task := letters[i].task; task != "" {
			byTask[task] = append(byTask[task], &letters[i])
		}
	}
	if len(byTask) == 0 {
		return nil
	}
	for text, err := range latestMetrics(ctx, s, lookedForFailures) {
		if err != nil {
			if isWrongType(err) {
				return nil
			}
			return err
		}
		if textOf(member(text, "event")) != "task_failed" {
			continue
		}
		for _, d := range byTask[textOf(member(text, "task_id"))] {
			if textOf(member(text, "agent")) == d.agent {
				d.failure = cmp.Or(d.failure, failureOf(text))
			}
		}
	}
	return nil
}
