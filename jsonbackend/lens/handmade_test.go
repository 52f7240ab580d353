package lens

import (
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// What follows draws JSON as people write it: any spelling, any white space.

// sep is white space that means nothing.
func sep(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", "", " ", "\n", "\n    ", "\t", " \r\n "}).Draw(t, "space")
}

// lit draws a string literal.
func lit(t *rapid.T) string {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		"a", "Z", ":", "<", " ", "é", "日", "😀", `\u0041`, `\u00E9`, `\u00e9`, `\ud83d\ude00`, `\ud800`, `\udfff`, `\/`, `\n`, `\"`, `\\`, `\u0000`, "\x7f",
	}), 0, 4).Draw(t, "string")
	return `"` + strings.Join(pieces, "") + `"`
}

// number draws a number literal.
func number(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"0", "1", "-0", "-0.0", "1.0", "1.50", "1e5", "1E+2", "5e-324", "1e400", "123456789012345678901234567890", "NaN", "Infinity", "-Infinity",
	}).Draw(t, "number")
}

// anyJSON draws a value.
func anyJSON(t *rapid.T, depth int) string {
	kinds := 5
	if depth > 0 {
		kinds = 7
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0, 1:
		return lit(t)
	case 2:
		return number(t)
	case 3:
		return "null"
	case 4:
		return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
	case 5:
		var items []string
		for range rapid.IntRange(0, 3).Draw(t, "len") {
			items = append(items, anyJSON(t, depth-1))
		}
		return array(t, items)
	default:
		var items []string
		for range rapid.IntRange(0, 3).Draw(t, "len") {
			items = append(items, lit(t), anyJSON(t, depth-1))
		}
		return dict(t, items)
	}
}

// array writes an array of items.
func array(t *rapid.T, items []string) string {
	var b strings.Builder
	b.WriteString("[" + sep(t))
	for i, item := range items {
		if i > 0 {
			b.WriteString("," + sep(t))
		}
		b.WriteString(item + sep(t))
	}
	return b.String() + "]"
}

// dict writes an object of keys, each followed by its value.
func dict(t *rapid.T, items []string) string {
	var b strings.Builder
	b.WriteString("{" + sep(t))
	for i := 0; i < len(items); i += 2 {
		if i > 0 {
			b.WriteString("," + sep(t))
		}
		b.WriteString(items[i] + sep(t) + ":" + sep(t) + items[i+1] + sep(t))
	}
	return b.String() + "}"
}

// shuffled writes an object of some members in any order.
func shuffled(t *rapid.T, pairs [][2]string) string {
	var items []string
	for _, p := range rapid.Permutation(pairs).Draw(t, "order") {
		items = append(items, p[0], p[1])
	}
	return dict(t, items)
}

func chance(t *rapid.T, oneIn int) bool { return rapid.IntRange(1, oneIn).Draw(t, "chance") == 1 }

// someOf draws a subset, in any order.
func someOf(t *rapid.T, all []string) []string {
	some := rapid.Permutation(all).Draw(t, "some")
	return some[:rapid.IntRange(0, len(some)).Draw(t, "how many")]
}

// A draw makes the documents of one file: the names that records may have, and the text of a record with a name, which
// is of another shape now and then.
type draw struct {
	ids    []string // as string literals
	record func(t *rapid.T, id string) string
}

// drawFlat are the files that are one object with a member for each key.
var drawFlat = map[int]draw{
	resultsFile: {[]string{`"r1"`, `"r:2"`, `"\u0436"`, `"日"`, `"\ud800"`, `""`}, drawResult},
	configFile:  {[]string{`"c1"`, `"c:2"`, `"\u0436"`, `"日"`, `"\ud800"`, `""`}, func(t *rapid.T, _ string) string { return anyJSON(t, 2) }},
	otherFile:   {[]string{`"k1"`, `"k:2"`, `"\u0436"`, `"日"`, `"\udc80"`, `""`}, drawKeyRecord},
	busFile:     {[]string{`"omni-stream:t"`, `"omni-dlq:g"`, `"retry_counts:g"`, `"omni-stream:\udc80"`}, drawKeyRecord},
}

// The future and the past of every test.
const (
	future = "4102444800"
	past   = "1000000000"
)

func drawResult(t *rapid.T, id string) string {
	if chance(t, 10) {
		return anyJSON(t, 1)
	}
	pairs := [][2]string{{`"task_id"`, id}, {`"result"`, anyJSON(t, 2)}, {`"saved_at"`, rapid.SampledFrom([]string{"1700000000", "1700000000.25", "1.5E9", "17e8", "Infinity", "-1"}).Draw(t, "saved_at")}}
	if chance(t, 2) {
		pairs = append(pairs, [2]string{`"expires_at"`, rapid.SampledFrom([]string{future, future + ".0", future + ".1239999", "4.1e9", past, "0", "0.0", "0.0001", "-5"}).Draw(t, "expires_at")})
	}
	if chance(t, 4) {
		pairs = append(pairs, [2]string{`"more"`, anyJSON(t, 1)})
	}
	return shuffled(t, pairs)
}

// byteLit draws a string literal that stands for bytes.
func byteLit(t *rapid.T) string {
	return rapid.SampledFrom([]string{`"a"`, `"b"`, `"1"`, `"22"`, `""`, `"é"`, `"\u00e9"`, `"\udcff\udc00"`, `"\udcff\udc80"`, `"\u0000\n"`, `"😀"`}).Draw(t, "bytes")
}

// drawKeyRecord draws a key record. Surrogates that stand for no bytes make it one of another shape.
func drawKeyRecord(t *rapid.T, _ string) string {
	if chance(t, 10) {
		return anyJSON(t, 1)
	}
	kind := rapid.SampledFrom([]string{"string", "list", "set", "zset", "hash", "stream"}).Draw(t, "type")
	pairs := [][2]string{{`"type"`, `"` + kind + `"`}, {`"value"`, drawContent(t, kind)}}
	if chance(t, 3) {
		pairs = append(pairs, [2]string{`"expires_at"`, rapid.SampledFrom([]string{future, future + ".1239999", past, "0"}).Draw(t, "expires_at")})
	}
	if chance(t, 8) {
		pairs = append(pairs, [2]string{`"note"`, `"what is this?"`})
	}
	return shuffled(t, pairs)
}

func drawContent(t *rapid.T, kind string) string {
	n := rapid.IntRange(0, 4).Draw(t, "len")
	var items []string
	switch kind {
	case "string":
		return byteLit(t)
	case "list", "set":
		for range n {
			items = append(items, byteLit(t))
		}
		return array(t, items)
	case "zset":
		for range n {
			items = append(items, byteLit(t), rapid.SampledFrom([]string{"1", "-0.0", "1.50", "Infinity", "1e300", "NaN"}).Draw(t, "score"))
		}
		return dict(t, items)
	case "hash":
		for range n {
			items = append(items, byteLit(t), byteLit(t))
		}
		return dict(t, items)
	}
	return drawStream(t, n)
}

func drawStream(t *rapid.T, n int) string {
	ids := []string{`"1-0"`, `"1-1"`, `"5-0"`, `"1700000000000-0"`}
	var entries []string
	for _, id := range ids[:n] {
		content := [2]string{`"fields"`, dict(t, []string{byteLit(t), byteLit(t)})}
		switch rapid.IntRange(0, 3).Draw(t, "entry") {
		case 0:
			content[1] = array(t, []string{array(t, []string{`"f"`, byteLit(t)}), array(t, []string{`"f"`, byteLit(t)})})
		case 1:
			content = [2]string{`"data"`, anyJSON(t, 1)}
		}
		entries = append(entries, shuffled(t, [][2]string{{`"id"`, id}, content}))
	}
	pairs := [][2]string{{`"entries"`, array(t, entries)}}
	if chance(t, 2) {
		pairs = append(pairs, [2]string{`"last_id"`, `"1800000000000-7"`}, [2]string{`"entries_added"`, "9"}, [2]string{`"max_deleted_id"`, `"3-3"`})
	}
	if chance(t, 2) {
		var pending []string
		for _, id := range ids[:n] {
			if chance(t, 2) {
				pending = append(pending, shuffled(t, [][2]string{{`"id"`, id}, {`"consumer"`, `"c1"`}, {`"delivered_at"`, "1700000000.5"}, {`"delivery_count"`, "3"}}))
			}
		}
		pending = append(pending, `{"id": "9-9", "consumer": "c\udcff"}`)
		group := shuffled(t, [][2]string{{`"last_delivered_id"`, `"5-0"`}, {`"entries_read"`, rapid.SampledFrom([]string{"null", "0", "2"}).Draw(t, "read")}, {`"consumers"`, `["c1", "c2"]`}, {`"pending"`, array(t, pending)}})
		pairs = append(pairs, [2]string{`"groups"`, dict(t, []string{`"g"`, group, `"\udcfe"`, "{}"})})
	}
	return shuffled(t, pairs)
}

// flatDoc draws a document of a file that is one object; other.json has it for databases 0 and 3. Now and then a name
// comes twice.
func flatDoc(t *rapid.T, file int) string {
	d := drawFlat[file]
	object := func() string {
		var items []string
		for _, id := range someOf(t, d.ids) {
			items = append(items, id, d.record(t, id))
			if chance(t, 15) {
				items = append(items, id, d.record(t, id))
			}
		}
		return dict(t, items)
	}
	if file == otherFile {
		return sep(t) + dict(t, []string{`"3"`, object(), `"0"`, object()}) + sep(t)
	}
	return sep(t) + object() + sep(t)
}

// agentsDoc draws a document of agents.json. With shared, agents may share a key.
func agentsDoc(t *rapid.T, shared bool) string {
	names := []string{`"n"`, `"\u0436"`, `"n*"`, `"日"`}
	topics := []string{`"t"`, `"t.u"`, `"\ud800"`, `""`}
	if shared {
		names = append(names, `"b:c"`, `"c"`)
		topics = append(topics, `"a"`, `"a:b"`)
	}
	var items []string
	for _, topic := range someOf(t, topics) {
		if chance(t, 12) {
			items = append(items, topic, anyJSON(t, 1))
			continue
		}
		var agents []string
		for _, name := range someOf(t, names) {
			agents = append(agents, drawAgent(t, topic, name))
			if chance(t, 15) {
				agents = append(agents, drawAgent(t, topic, name))
			}
		}
		items = append(items, topic, array(t, agents))
	}
	return sep(t) + dict(t, items) + sep(t)
}

func drawAgent(t *rapid.T, topic, name string) string {
	if chance(t, 12) {
		return anyJSON(t, 1)
	}
	pairs := [][2]string{{`"name"`, name}}
	for _, f := range []struct {
		name string
		draw func() string
	}{
		{`"callback_name"`, func() string { return lit(t) }},
		{`"description"`, func() string { return rapid.SampledFrom([]string{`"d"`, `""`, "null", "5"}).Draw(t, "description") }},
		{`"tools"`, func() string { return array(t, []string{lit(t), number(t)}) }},
		{`"config"`, func() string { return anyJSON(t, 1) }},
		{`"created_at"`, func() string {
			return rapid.SampledFrom([]string{"1700000000", "1700000000.50", "null", `"now"`}).Draw(t, "created_at")
		}},
		{`"topic"`, func() string {
			return rapid.SampledFrom([]string{topic, topic, `"elsewhere"`, "null", "5"}).Draw(t, "topic")
		}},
		{`"x:custom"`, func() string { return anyJSON(t, 1) }},
		{`"callb\u0061ck"`, func() string { return `"<function f at 0x7f>"` }},
		{`"\ud800 surrogate"`, func() string { return number(t) }},
	} {
		if chance(t, 2) {
			pairs = append(pairs, [2]string{f.name, f.draw()})
		}
	}
	return shuffled(t, pairs)
}

// metricsDoc draws a document of metrics.json with some of n metrics, each at most once, in any order.
func metricsDoc(t *rapid.T, n int) string {
	var items []string
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(1, n), 0, n, rapid.ID).Draw(t, "metrics") {
		items = append(items, drawMetric(t, i))
		if chance(t, 10) {
			items = append(items, anyJSON(t, 1))
		}
	}
	return sep(t) + array(t, items) + sep(t)
}

// drawMetric spells the i-th metric somehow. Several share a millisecond.
func drawMetric(t *rapid.T, i int) string {
	return dict(t, []string{`"n"`, strconv.Itoa(i), `"saved_at"`, fmt.Sprintf("17000%05d.000%d%s", i/4, i%4, strings.Repeat("0", rapid.IntRange(0, 2).Draw(t, "zeros")))})
}
