package wire

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriterShapes(t *testing.T) {
	for _, c := range []struct {
		name         string
		write        func(*Writer)
		resp2, resp3 string
	}{
		{"status", func(w *Writer) { w.Status("PONG") }, "+PONG\r\n", "+PONG\r\n"},
		{"status of two lines", func(w *Writer) { w.Status("a\r\nb") }, "+a  b\r\n", "+a  b\r\n"},
		{"ok", (*Writer).OK, "+OK\r\n", "+OK\r\n"},
		{"int", func(w *Writer) { w.Int(math.MinInt64) }, ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"},
		{"bulk", func(w *Writer) { w.Bulk([]byte("a\r\n\x00")) }, "$4\r\na\r\n\x00\r\n", "$4\r\na\r\n\x00\r\n"},
		{"bulk of nil", func(w *Writer) { w.Bulk(nil) }, "$0\r\n\r\n", "$0\r\n\r\n"},
		{"bulk string", func(w *Writer) { w.BulkString("abcdefghijk") }, "$11\r\nabcdefghijk\r\n", "$11\r\nabcdefghijk\r\n"},
		{"null", (*Writer).Null, "$-1\r\n", "_\r\n"},
		{"null array", (*Writer).NullArray, "*-1\r\n", "_\r\n"},
		{"array", func(w *Writer) { w.Array(12) }, "*12\r\n", "*12\r\n"},
		{"map", func(w *Writer) { w.Map(6) }, "*12\r\n", "%6\r\n"},
		{"set", func(w *Writer) { w.Set(0) }, "*0\r\n", "~0\r\n"},
		{"push", func(w *Writer) { w.Push(3) }, "*3\r\n", ">3\r\n"},
		{"double", func(w *Writer) { w.Double(1.5) }, "$3\r\n1.5\r\n", ",1.5\r\n"},
		{"true", func(w *Writer) { w.Bool(true) }, ":1\r\n", "#t\r\n"},
		{"false", func(w *Writer) { w.Bool(false) }, ":0\r\n", "#f\r\n"},
		{"verbatim", func(w *Writer) { w.Verbatim("txt", "a\nb") }, "$3\r\na\nb\r\n", "=7\r\ntxt:a\nb\r\n"},
		{"raw", func(w *Writer) { w.Raw([]byte(":1\r\n:2\r\n")) }, ":1\r\n:2\r\n", ":1\r\n:2\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w2 Writer
			w3 := Writer{Proto: 3}
			c.write(&w2)
			c.write(&w3)
			if diff := cmp.Diff(c.resp2, string(w2.Bytes())); diff != "" {
				t.Errorf("RESP2 (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.resp3, string(w3.Bytes())); diff != "" {
				t.Errorf("RESP3 (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWriterError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{ErrWrongType, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
		{Error("CUSTOM"), "-CUSTOM\r\n"},
		{Error("ERR a\r\nb"), "-ERR a  b\r\n"},
		{errors.New("disk full\n"), "-ERR disk full \r\n"},
		{fmt.Errorf("load: %w", ErrSyntax), "-ERR load: ERR syntax error\r\n"},
	} {
		var w Writer
		w.Error(c.err)
		if got := string(w.Bytes()); got != c.want {
			t.Errorf("Error(%#v) wrote %q, want %q", c.err, got, c.want)
		}
	}
}

// Recorded from redis-server 7.0.15: ZADD of the first column, ZSCORE answered the second in both protocols. -0 and nan,
// which ZADD does not keep, are from printf.
var doubles = [][2]string{
	{"0", "0"}, {"-0", "-0"}, {"nan", "nan"}, {"inf", "inf"}, {"-inf", "-inf"},
	{"1", "1"}, {"3", "3"}, {"-3", "-3"}, {"100", "100"}, {"1e5", "100000"}, {"123456789", "123456789"},
	{"1e15", "1000000000000000"}, {"1e16", "10000000000000000"}, {"1e17", "1e+17"}, {"1e20", "1e+20"}, {"1e21", "1e+21"},
	{"12345678901234567", "12345678901234568"}, {"123456789012345678", "1.2345678901234568e+17"},
	{"99999999999999990", "99999999999999984"}, {"9007199254740993", "9007199254740992"},
	{"1e22", "1e+22"}, {"1e23", "9.9999999999999992e+22"}, {"1e100", "1e+100"}, {"1e-100", "1e-100"},
	{"1.5", "1.5"}, {"0.1", "0.10000000000000001"}, {"0.2", "0.20000000000000001"}, {"0.3", "0.29999999999999999"},
	{"3.14", "3.1400000000000001"}, {"4.35", "4.3499999999999996"}, {"0.30000000000000004", "0.30000000000000004"},
	{"1e-3", "0.001"}, {"0.0001", "0.0001"}, {"0.00001", "1.0000000000000001e-05"}, {"1.5e-5", "1.5e-05"},
	{"1e-7", "9.9999999999999995e-08"}, {"5e-324", "4.9406564584124654e-324"},
	{"2.2250738585072014e-308", "2.2250738585072014e-308"}, {"1.7976931348623157e308", "1.7976931348623157e+308"},
	{"1700000000.123456", "1700000000.123456"}, {"1700000000123.456", "1700000000123.4561"},
	{"1099511627776.25", "1099511627776.25"}, {"-1700000000.5", "-1700000000.5"},
}

func TestDoubleIsRedisScore(t *testing.T) {
	for _, c := range doubles {
		f, err := strconv.ParseFloat(c[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		w2, w3 := Writer{Proto: 2}, Writer{Proto: 3}
		w2.Double(f)
		w3.Double(f)
		if got, want := string(w2.Bytes()), fmt.Sprintf("$%d\r\n%s\r\n", len(c[1]), c[1]); got != want {
			t.Errorf("RESP2 %s: %q, want %q", c[0], got, want)
		}
		if got, want := string(w3.Bytes()), ","+c[1]+"\r\n"; got != want {
			t.Errorf("RESP3 %s: %q, want %q", c[0], got, want)
		}
	}
}

func TestTruncateTakesBackToTheMark(t *testing.T) {
	var w Writer
	w.Int(1)
	mark := w.Len()
	w.Array(2)
	w.BulkString("half a reply")
	w.Truncate(mark)
	w.Int(2)
	if got := string(w.Bytes()); got != ":1\r\n:2\r\n" {
		t.Errorf("wrote %q", got)
	}
}

func TestResetKeepsSmallBuffersOnly(t *testing.T) {
	var w Writer
	w.Bulk(make([]byte, 1000))
	w.Reset()
	if w.Len() != 0 || cap(w.buf) < 1000 {
		t.Errorf("after a small reply: len %d, cap %d", w.Len(), cap(w.buf))
	}
	w.Bulk(make([]byte, idleBytes))
	w.Reset()
	if cap(w.buf) != 0 {
		t.Errorf("after a large reply: cap %d", cap(w.buf))
	}
	w.OK()
	if got := string(w.Bytes()); got != "+OK\r\n" {
		t.Errorf("after Reset: %q", got)
	}
}

// everyReply writes one of each kind.
func everyReply(w *Writer, b []byte) {
	w.Status("QUEUED")
	w.OK()
	w.Error(ErrWrongType)
	w.Int(1234567)
	w.Bulk(b)
	w.BulkString("field")
	w.Null()
	w.NullArray()
	w.Array(3)
	w.Map(3)
	w.Set(3)
	w.Push(3)
	w.Double(1700000000.123456)
	w.Double(math.Inf(1))
	w.Bool(true)
	w.Verbatim("txt", "text")
	w.Raw(b)
}

func TestWriterDoesNotAllocate(t *testing.T) {
	b := []byte("0123456789")
	for _, proto := range []int{2, 3} {
		w := Writer{Proto: proto}
		everyReply(&w, b)
		if n := testing.AllocsPerRun(100, func() {
			w.Reset()
			everyReply(&w, b)
		}); n != 0 {
			t.Errorf("RESP%d: %v allocations", proto, n)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	value := make([]byte, 64)
	for _, c := range []struct {
		name  string
		write func(*Writer)
	}{
		{"OK", (*Writer).OK},
		{"Int", func(w *Writer) { w.Int(1234567) }},
		{"Bulk-64B", func(w *Writer) { w.Bulk(value) }},
		{"Map-of-7", func(w *Writer) {
			w.Map(7)
			for range 7 {
				w.BulkString("field")
				w.Bulk(value)
			}
		}},
		{"Double", func(w *Writer) { w.Double(1700000000.123456) }},
		{"Double-integer", func(w *Writer) { w.Double(3) }},
		{"Error", func(w *Writer) { w.Error(ErrWrongType) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := Writer{Proto: 3}
			b.ReportAllocs()
			for b.Loop() {
				w.Reset()
				c.write(&w)
			}
		})
	}
}
