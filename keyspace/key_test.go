package keyspace

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	omni := Layout{Prefix: "omni"}
	for _, tt := range []struct {
		layout Layout
		key    string
		want   Key
	}{
		{omni, "omni:agent:file.uploaded:file-processor", Key{Agent, "file.uploaded:file-processor"}},
		{omni, "omni:agent:a:b:c", Key{Agent, "a:b:c"}},
		{omni, "omni:agent::", Key{Agent, ":"}},
		{omni, "omni:agent:no-colon", Key{Other, "omni:agent:no-colon"}},
		{omni, "omni:agents:topic:a:b", Key{AgentsOfTopic, "a:b"}},
		{omni, "omni:agents:topic:", Key{AgentsOfTopic, ""}},
		{omni, "omni:agents:other:a", Key{Other, "omni:agents:other:a"}},
		{omni, "omni:topics", Key{Topics, ""}},
		{omni, "omni:topics:", Key{Other, "omni:topics:"}},
		{omni, "omni:result:", Key{Result, ""}},
		{omni, "omni:result:a:b", Key{Result, "a:b"}},
		{omni, "omni:results:index", Key{ResultsIndex, ""}},
		{omni, "omni:results:index2", Key{Other, "omni:results:index2"}},
		{omni, "omni:metrics:stream", Key{MetricsStream, ""}},
		{omni, "omni:config:_subscription_active:group:t:a", Key{Config, "_subscription_active:group:t:a"}},
		{omni, "omni:config", Key{Other, "omni:config"}},
		{omni, "omni-stream:file.uploaded", Key{BusStream, "file.uploaded"}},
		{omni, "omni-dlq:group:t:a", Key{DeadLetters, "group:t:a"}},
		{omni, "retry_counts:group:t:a", Key{RetryCounts, "group:t:a"}},
		{omni, "omni-metrics", Key{BusMetrics, ""}},
		{omni, "omni-metrics:", Key{Other, "omni-metrics:"}},
		{omni, "omni:omni-metrics", Key{Other, "omni:omni-metrics"}},
		{omni, "OMNI:topics", Key{Other, "OMNI:topics"}},
		{omni, "omni", Key{Other, "omni"}},
		{omni, "omni:", Key{Other, "omni:"}},
		{omni, "", Key{}},
		{omni, ":topics", Key{Other, ":topics"}},
		{omni, "omni:result:\x00\xff\r\n", Key{Result, "\x00\xff\r\n"}},
		{Layout{}, ":topics", Key{Topics, ""}},
		{Layout{}, ":agent:t:n", Key{Agent, "t:n"}},
		{Layout{}, "topics", Key{Other, "topics"}},
		{Layout{}, "omni-stream:t", Key{BusStream, "t"}},
		{Layout{"a:b"}, "a:b:result:1", Key{Result, "1"}},
		{Layout{"a:b"}, "a:result:1", Key{Other, "a:result:1"}},
		{Layout{"a*[b]?\\"}, "a*[b]?\\:topics", Key{Topics, ""}},
		{Layout{"a*[b]?\\"}, "axb?\\:topics", Key{Other, "axb?\\:topics"}},
		{Layout{"\xff\x00"}, "\xff\x00:config:k", Key{Config, "k"}},
		{Layout{"omni-stream"}, "omni-stream:topics", Key{Topics, ""}},
		{Layout{"omni-stream"}, "omni-stream:file.uploaded", Key{BusStream, "file.uploaded"}},
	} {
		if got := tt.layout.Parse(tt.key); got != tt.want {
			t.Errorf("%+v.Parse(%q) = %+v, want %+v", tt.layout, tt.key, got, tt.want)
		}
		if got := tt.layout.Family(tt.key); got != tt.want.Family {
			t.Errorf("%+v.Family(%q) = %v, want %v", tt.layout, tt.key, got, tt.want.Family)
		}
	}
}

func TestAnAmbiguousAgentIsNeverGuessed(t *testing.T) {
	type agent struct{ Topic, Name string }
	for _, tt := range []struct {
		key       string
		ambiguous bool
		want      []agent
	}{
		{"omni:agent:t:n", false, []agent{{"t", "n"}}},
		{"omni:agent::", false, []agent{{"", ""}}},
		{"omni:agent:a:b:c", true, []agent{{"a", "b:c"}, {"a:b", "c"}}},
		{"omni:agent:::", true, []agent{{"", ":"}, {":", ""}}},
		{"omni:result:a:b:c", false, nil},
		{"omni:topics", false, nil},
		{"a:b:c:d", false, nil},
	} {
		k := Layout{"omni"}.Parse(tt.key)
		if k.Ambiguous() != tt.ambiguous {
			t.Errorf("%s: Ambiguous() = %v", tt.key, k.Ambiguous())
		}
		var got []agent
		for topic, name := range k.Splits() {
			got = append(got, agent{topic, name})
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: splits (-want +got):\n%s", tt.key, diff)
		}
	}
}

func TestSplitsMayBeLeftEarly(t *testing.T) {
	for topic := range (Layout{"omni"}).Parse("omni:agent:a:b:c").Splits() {
		if topic != "a" {
			t.Fatalf("first topic %q", topic)
		}
		break
	}
}

func TestBuildersMakeTheDocumentedKeys(t *testing.T) {
	l := Layout{"p"}
	got := []string{
		l.Agent("{topic}", "{name}"), l.AgentsOfTopic("{topic}"), l.Topics(), l.Result("{task_id}"), l.ResultsIndex(),
		l.MetricsStream(), l.Config("{key}"),
		l.BusStream("{topic}"), l.DeadLetters("{group}"), l.RetryCounts("{group}"), l.BusMetrics(),
	}
	var want []string
	for _, facts := range Families() {
		want = append(want, strings.Replace(facts.Pattern, "{prefix}", "p", 1))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-pattern +built):\n%s", diff)
	}
	for i, key := range got {
		if family := l.Family(key); family != Families()[i].Family {
			t.Errorf("Family(%q) = %v, want %v", key, family, Families()[i].Family)
		}
	}
}

// bytesOf draws byte strings of any content, often with ':' in them.
func bytesOf() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune(":ab*")), 0, 12, -1),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "bytes")) }),
	)
}

func layouts() *rapid.Generator[Layout] {
	prefixes := rapid.OneOf(rapid.SampledFrom([]string{"omni", "", ":", "omni-stream", "omni:agent"}), bytesOf())
	return rapid.Custom(func(t *rapid.T) Layout { return Layout{prefixes.Draw(t, "prefix")} })
}

// keysOf draws keys that are, nearly are, or are not at all of a family.
func keysOf(l Layout) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		start := []string{"", l.Prefix, l.Prefix + ":"}
		for _, facts := range Families() {
			start = append(start, facts.fixed, l.Prefix+":"+facts.fixed)
		}
		return rapid.SampledFrom(start).Draw(t, "start") + bytesOf().Draw(t, "rest")
	})
}

func TestFormatIsTheInverseOfParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := layouts().Draw(t, "layout")
		key := keysOf(l).Draw(t, "key")
		k := l.Parse(key)
		if got := l.Format(k); got != key {
			t.Fatalf("Format(Parse(%q)) = %q", key, got)
		}
		splits := 0
		for topic, name := range k.Splits() {
			splits++
			if got := l.Agent(topic, name); got != key {
				t.Fatalf("Agent(%q, %q) = %q, want %q", topic, name, got, key)
			}
		}
		if k.Ambiguous() != (splits > 1) || (k.Family == Agent) != (splits > 0) {
			t.Fatalf("%q: %d splits, family %v, ambiguous %v", key, splits, k.Family, k.Ambiguous())
		}
	})
}

func TestEveryBuiltKeyParsesIntoItsFamily(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := layouts().Draw(t, "layout")
		a, b := bytesOf().Draw(t, "a"), bytesOf().Draw(t, "b")
		for key, want := range map[string]Key{
			l.Agent(a, b):      {Agent, a + ":" + b},
			l.AgentsOfTopic(a): {AgentsOfTopic, a},
			l.Topics():         {Topics, ""},
			l.Result(a):        {Result, a},
			l.ResultsIndex():   {ResultsIndex, ""},
			l.MetricsStream():  {MetricsStream, ""},
			l.Config(a):        {Config, a},
		} {
			if got := l.Parse(key); got != want {
				t.Fatalf("Parse(%q) = %+v, want %+v", key, got, want)
			}
		}
		found := slices.Collect(func(yield func([2]string) bool) {
			for topic, name := range l.Parse(l.Agent(a, b)).Splits() {
				if !yield([2]string{topic, name}) {
					return
				}
			}
		})
		if !slices.Contains(found, [2]string{a, b}) {
			t.Fatalf("splits of Agent(%q, %q) lack that pair: %q", a, b, found)
		}
	})
}

func TestClassificationDoesNotAllocate(t *testing.T) {
	l := Layout{"omni"}
	for _, key := range []string{l.Agent("t", "n"), l.Config("k"), l.BusMetrics(), "some:other:key"} {
		if n := testing.AllocsPerRun(100, func() { l.Family(key) }); n != 0 {
			t.Errorf("Family(%q) allocates %v times", key, n)
		}
	}
}

func BenchmarkFamily(b *testing.B) {
	l := Layout{"omni"}
	for _, key := range []string{l.Agent("file.uploaded", "file-processor"), l.Config("k"), l.BusMetrics(), "some:other:key"} {
		b.Run(l.Family(key).String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Family(key)
			}
		})
	}
}
