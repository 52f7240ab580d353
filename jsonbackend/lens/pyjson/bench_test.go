package pyjson_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// result is a record of about 1 KB as OmniDaemon stores it, one line.
func result(i int) []byte {
	return fmt.Appendf(nil, `{"task_id": "bc688778-%04d-4000-8000-ab73cf1822ff", "result": {"content": {"n": %d, "path": "/in/doc-%d.pdf", `+
		`"text": "%s"}, "topic": "content_moderation.tasks", "agent": "\u0430\u0433\u0435\u043d\u0442-\u0416", "status": "completed", `+
		`"result": {"output": "\u0433\u043e\u0442\u043e\u0432\u043e \"now\"", "score": 0.6059, "labels": ["a", "b", 1, null, true, {}]}, `+
		`"delivery_attempts": 1, "timestamp": 1763859213.0}, "saved_at": 1795397592.4139576, "expires_at": 2110757592.4143798}`,
		i, i, i, bytes.Repeat([]byte("some text that was read "), 22))
}

// results is results.json with n records.
func results(n int) []byte {
	var b bytes.Buffer
	b.WriteString("{")
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  \"bc688778-%04d-4000-8000-ab73cf1822ff\": ", i)
		record, _ := pyjson.Indent(nil, result(i), 1)
		b.Write(record)
	}
	b.WriteString("\n}")
	return b.Bytes()
}

func BenchmarkDumpsRecord(b *testing.B) {
	src := result(1)
	benchmark(b, src, func(dst []byte) ([]byte, error) { return pyjson.Dumps(dst, src) })
}

func BenchmarkIndentRecord(b *testing.B) {
	src := result(1)
	benchmark(b, src, func(dst []byte) ([]byte, error) { return pyjson.Indent(dst, src, 1) })
}

func BenchmarkRespaceRecord(b *testing.B) {
	src := result(1)
	benchmark(b, src, func(dst []byte) ([]byte, error) { return pyjson.Respace(dst, src, 1), nil })
}

// Records that are all keys and small values, as metrics are.
func BenchmarkIndentMetric(b *testing.B) {
	src := []byte(`{"topic": "tenant:42:orders", "agent": "bot \ud83e\udd16", "runner_id": "runner-1", "event": "task_processed", "task_id": "task-0", ` +
		`"timestamp": 1763859213.125, "processing_time_sec": 1.109865, "saved_at": 1795397594.6126933}`)
	benchmark(b, src, func(dst []byte) ([]byte, error) { return pyjson.Indent(dst, src, 1) })
}

func BenchmarkIndentFile(b *testing.B) {
	src := results(10_000)
	benchmark(b, src, func(dst []byte) ([]byte, error) { return pyjson.Indent(dst, src, 0) })
}

func benchmark(b *testing.B, src []byte, f func(dst []byte) ([]byte, error)) {
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	dst := make([]byte, 0, 2*len(src))
	for b.Loop() {
		if _, err := f(dst); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckFile(b *testing.B) {
	src := results(10_000)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if err := pyjson.Check(src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseList(b *testing.B) {
	src := results(10_000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pyjson.ParseList(src, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// One of 100 records changed, one of 100 removed, as many added; written.
func BenchmarkEditAndWrite(b *testing.B) {
	src := results(10_000)
	value, _ := pyjson.Indent(nil, result(0), 1)
	list, err := pyjson.ParseList(src, 0)
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for r := range list.All() {
		switch i++; i % 100 {
		case 1:
			list.Replace(r, value)
		case 2:
			list.Remove(r)
			list.Insert(pyjson.End, []byte(key(i)), value)
		}
	}
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := list.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkField(b *testing.B) {
	record := result(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := pyjson.Field(record, "saved_at"); !ok {
			b.Fatal("no saved_at")
		}
	}
}
