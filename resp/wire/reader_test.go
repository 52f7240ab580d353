package wire

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// command is what Next returned, copied.
type command struct {
	Args []string
	Raw  string
}

// transcript is all that a Reader made of a stream.
type transcript struct {
	Commands []command
	Err      string
}

// encode is a command as clients send it.
func encode(args ...string) []byte {
	var w Writer
	w.Array(len(args))
	for _, a := range args {
		w.BulkString(a)
	}
	return w.Bytes()
}

// read feeds the pieces one by one, overwriting each after Keep as a caller would reuse its buffer.
func read(r *Reader, lim Limits, pieces ...[]byte) transcript {
	var got transcript
	for _, p := range pieces {
		p = bytes.Clone(p)
		r.Feed(p)
		got.drain(r, lim, -1)
		r.Keep()
		for i := range p {
			p[i] = '#'
		}
	}
	return got
}

// drain reads up to n commands, all for n < 0.
func (t *transcript) drain(r *Reader, lim Limits, n int) {
	for ; n != 0; n-- {
		args, raw, ok, err := r.Next(&lim)
		if err != nil {
			t.Err = err.Error()
		}
		if !ok {
			return
		}
		c := command{Raw: string(raw)}
		for _, a := range args {
			c.Args = append(c.Args, string(a))
		}
		t.Commands = append(t.Commands, c)
	}
}

func readAll(stream string, lim Limits) transcript {
	var r Reader
	return read(&r, lim, []byte(stream))
}

// corpus has streams of every kind the tests below cut up.
func corpus() []string {
	streams := []string{
		string(encode("GET", "key")) + string(encode("SET", "key", "a\r\n\x00b")) + string(encode("", "")),
		"PING\r\nSET k \"a b\\x41\" 'c'\n\r\n  \n*0\r\n*-1\r\n" + string(encode("ECHO", "x")) + "QUIT\r\n",
		"*2\rX$3\rYGETZZ$1\r\nkQQ" + string(encode("PING")),
		string(encode("MSET", strings.Repeat("k", 300), strings.Repeat("v", 500), "", "x")) + string(encode("PING")),
		"*1\r\n$4\r\nPING\r\n*1\r\n$5",
		"PING\x00\r\nPING\r\n",
		"*3\r\n$3\r\nSET\r\n$-0\r\n",
	}
	for _, c := range protocolErrors {
		if len(c.stream) < 100 {
			streams = append(streams, string(encode("PING"))+c.stream+"PING\r\n")
		}
	}
	return streams
}

func TestReaderCutAnywhere(t *testing.T) {
	lim := DefaultLimits()
	for _, s := range corpus() {
		want := readAll(s, lim)
		b := []byte(s)
		for i := range b {
			var r Reader
			if diff := cmp.Diff(want, read(&r, lim, b[:i], b[i:])); diff != "" {
				t.Fatalf("%q cut at %d (-whole +cut):\n%s", s, i, diff)
			}
		}
		var r Reader
		if diff := cmp.Diff(want, read(&r, lim, bytes.SplitAfter(b, nil)...)); diff != "" {
			t.Fatalf("%q byte by byte (-whole +cut):\n%s", s, diff)
		}
	}
}

func TestReaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cmds := rapid.SliceOf(rapid.SliceOfN(rapid.String(), 1, 5)).Draw(t, "commands")
		var want []command
		var stream []byte
		for _, args := range cmds {
			raw := encode(args...)
			want = append(want, command{args, string(raw)})
			stream = append(stream, raw...)
		}
		var r Reader
		var got transcript
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "piece")
			piece := bytes.Clone(stream[:n])
			stream = stream[n:]
			r.Feed(piece)
			got.drain(&r, DefaultLimits(), rapid.IntRange(-1, 3).Draw(t, "commands before Keep"))
			r.Keep()
			clear(piece)
		}
		got.drain(&r, DefaultLimits(), -1)
		if diff := cmp.Diff(transcript{Commands: want}, got); diff != "" {
			t.Fatalf("(-sent +read):\n%s", diff)
		}
		if r.Pending() != 0 {
			t.Fatalf("%d bytes pending at the end", r.Pending())
		}
	})
}

func TestEmptyCommandsAreSkipped(t *testing.T) {
	got := readAll("\r\n\n   \n\t\v\r\n*0\r\n*-1\r\n*-10\r\n*-9223372036854775808\r\nPING\r\n\r\n*0\r\n", DefaultLimits())
	want := transcript{Commands: []command{{[]string{"PING"}, "PING\r\n"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEmptyCommandsLeaveNothingPending(t *testing.T) {
	var r Reader
	read(&r, DefaultLimits(), []byte("\r\n*0\r\n"))
	if r.Pending() != 0 {
		t.Errorf("%d bytes pending", r.Pending())
	}
}

func TestQueryLimit(t *testing.T) {
	lim := DefaultLimits()
	set := encode("SET", "k", "0123456789")
	for _, stream := range []string{string(set), "SET k 0123456789\r\n", "SET k 01234567890123456789", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n0123456"} {
		lim.Query = len(stream)
		if got := readAll(stream, lim); got.Err != "" {
			t.Errorf("%q at the limit: %s", stream, got.Err)
		}
		lim.Query--
		var r Reader
		r.Feed([]byte(stream))
		if _, _, ok, err := r.Next(&lim); ok || err != ErrQuery {
			t.Errorf("%q above the limit: %v, %v", stream, ok, err)
		}
	}
}

// The limits may shrink while a command is half read.
func TestQueryLimitShrinks(t *testing.T) {
	lim := DefaultLimits()
	var r Reader
	r.Feed([]byte("*2\r\n$3\r\nGET\r\n$100\r\n0123"))
	if _, _, ok, err := r.Next(&lim); ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, _, ok, err := r.Next(&Limits{}); ok || err != ErrQuery {
		t.Errorf("got %v, %v", ok, err)
	}
}

// within tells whether the bytes of part lie in those of whole.
func within(part, whole []byte) bool {
	p, w := uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(unsafe.Pointer(unsafe.SliceData(whole)))
	return p >= w && p+uintptr(len(part)) <= w+uintptr(len(whole))
}

func TestWholeCommandsAreNotCopied(t *testing.T) {
	lim := DefaultLimits()
	get := encode("GET", "key")
	var r Reader
	r.Feed(get[:10])
	if _, _, ok, _ := r.Next(&lim); ok {
		t.Fatal("half a command is none")
	}
	feed := bytes.Join([][]byte{get[10:], get, []byte("ECHO \"x\" y\r\n")}, nil)
	r.Feed(feed)
	for i, inPlace := range []bool{false, true, true} {
		args, raw, ok, err := r.Next(&lim)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if last := args[len(args)-1]; within(raw, feed) != inPlace || within(last, feed) != inPlace {
			t.Errorf("command %d: raw in place %v, argument in place %v, want %v", i, within(raw, feed), within(last, feed), inPlace)
		}
	}
}

func TestBatchStaysValidUntilKeep(t *testing.T) {
	lim := DefaultLimits()
	var want []command
	var stream []byte
	for i := range 200 {
		args := []string{"SET", strings.Repeat("k", i), strings.Repeat("v", 2*i)}
		want = append(want, command{args, string(encode(args...))})
		stream = append(stream, encode(args...)...)
	}
	var r Reader
	for _, cut := range []int{0, 1, 30, len(stream) / 2, len(stream)} { // the Reader is used again for each
		var got transcript
		r.Feed(stream[:cut])
		r.Keep() // nothing read: buf holds whole commands and a part of one
		r.Feed(stream[cut:])
		var batch [][][]byte
		var raws [][]byte
		for {
			args, raw, ok, err := r.Next(&lim)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			batch, raws = append(batch, args), append(raws, raw)
		}
		for i, args := range batch {
			got.Commands = append(got.Commands, command{[]string{string(args[0]), string(args[1]), string(args[2])}, string(raws[i])})
		}
		if diff := cmp.Diff(want, got.Commands); diff != "" {
			t.Fatalf("kept %d bytes (-want +got):\n%s", cut, diff)
		}
		r.Keep()
	}
}

func TestRewind(t *testing.T) {
	lim := DefaultLimits()
	stream := []byte("*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*0\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*1\r\n$x\r\n")
	for cut := range stream {
		var r Reader
		var whole transcript
		r.Feed(stream[:cut])
		whole.drain(&r, lim, -1)
		r.Feed(stream[cut:])
		mark, before := r.Mark(), r.Pending()
		var first, second transcript
		first.drain(&r, lim, -1)
		r.Rewind(mark)
		if r.Pending() != before {
			t.Fatalf("cut %d: %d bytes pending after Rewind, %d before", cut, r.Pending(), before)
		}
		second.drain(&r, lim, -1)
		if diff := cmp.Diff(first, second); diff != "" || first.Err != string(ErrBulkLength) {
			t.Fatalf("cut %d (-first +after Rewind):\n%s", cut, diff)
		}
		if n := len(whole.Commands) + len(first.Commands); n != 3 {
			t.Fatalf("cut %d: %d commands", cut, n)
		}
	}
}

func TestRewindUnderOtherLimits(t *testing.T) {
	lim := DefaultLimits()
	lim.Unauthenticated = true
	var r Reader
	r.Feed(append(encode("AUTH", "x"), encode("SET", "k", strings.Repeat("v", 20000))...))
	if _, _, ok, err := r.Next(&lim); !ok || err != nil {
		t.Fatal(ok, err)
	}
	mark := r.Mark()
	if _, _, ok, err := r.Next(&lim); ok || err != error(ErrBulkAuth) {
		t.Fatal(ok, err)
	}
	r.Rewind(mark)
	lim.Unauthenticated = false
	if args, _, ok, err := r.Next(&lim); !ok || err != nil || len(args[2]) != 20000 {
		t.Errorf("after authentication: %v, %v", ok, err)
	}
}

// What was parsed is not looked at again: spoiling it changes nothing but the text.
func TestParsedBytesAreNotReadAgain(t *testing.T) {
	lim := DefaultLimits()
	stream := encode("MSET", "k", "v", strings.Repeat("x", 100), "y")
	for cut := range stream {
		var r Reader
		r.Feed(stream[:cut])
		if _, _, ok, err := r.Next(&lim); ok || err != nil {
			t.Fatal(ok, err)
		}
		r.Keep()
		for i := 1; i < r.cmd.at; i++ {
			r.buf[i] = '\r'
		}
		r.Feed(stream[cut:])
		args, raw, ok, err := r.Next(&lim)
		if !ok || err != nil || len(args) != 5 || len(args[3]) != 100 || len(raw) != len(stream) {
			t.Fatalf("cut %d: %d arguments, %v, %v", cut, len(args), ok, err)
		}
	}
}

func TestAnnouncedLengthsAllocateNothing(t *testing.T) {
	var before, after runtime.MemStats
	var r Reader
	runtime.ReadMemStats(&before)
	got := read(&r, DefaultLimits(), []byte("*2147483647\r\n$536870912\r\n"), []byte("x"))
	runtime.ReadMemStats(&after)
	if got.Err != "" {
		t.Fatal(got.Err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<10 {
		t.Errorf("%d bytes allocated for 26 bytes of input", n)
	}
}

func TestLargeBuffersAreDropped(t *testing.T) {
	lim := DefaultLimits()
	big := encode("SET", "k", strings.Repeat("v", 1<<20))
	wide := encode(strings.Split(strings.Repeat("a", 20000), "")...)
	for _, rest := range []string{"", "PI"} {
		for _, stream := range [][]byte{big, wide} {
			var r Reader
			got := read(&r, lim, stream[:len(stream)/2], append(stream[len(stream)/2:len(stream):len(stream)], rest...))
			if len(got.Commands) != 1 || r.Pending() != len(rest) {
				t.Fatalf("%d commands, %d bytes pending", len(got.Commands), r.Pending())
			}
			if held := cap(r.buf) + 24*cap(r.args) + 16*cap(r.cmd.spans); held > 2*idleBytes {
				t.Errorf("%d bytes held for %d pending", held, r.Pending())
			}
		}
	}
}

func TestReaderDoesNotAllocate(t *testing.T) {
	stream := append(bytes.Repeat(encode("SET", "key", "value"), 16), "PING\r\n"...)
	lim := DefaultLimits()
	var r Reader
	round := func() {
		for _, p := range [][]byte{stream[:100], stream[100:]} {
			r.Feed(p)
			for {
				_, _, ok, err := r.Next(&lim)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
			}
			r.Keep()
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReader(b *testing.B) {
	get := encode("GET", "key:000000000042")
	set := encode("SET", "key:000000000042", strings.Repeat("x", 1<<10))
	wide := encode(strings.Split(strings.Repeat("a", 100_000), "")...)
	for _, c := range []struct {
		name   string
		stream []byte
		piece  int // bytes per Feed
	}{
		{"GET", get, 1 << 20},
		{"GET-pipeline-16", bytes.Repeat(get, 16), 1 << 20},
		{"GET-pipeline-16-cut", bytes.Repeat(get, 16), 100},
		{"SET-1KB", set, 1 << 20},
		{"SET-1KB-pipeline-16", bytes.Repeat(set, 16), 1 << 20},
		{"SET-1KB-pipeline-16-cut", bytes.Repeat(set, 16), 1500},
		{"100k-arguments-cut", wide, 16 << 10},
		{"inline-PING", []byte("PING\r\n"), 1 << 20},
	} {
		b.Run(c.name, func(b *testing.B) {
			var r Reader
			lim := DefaultLimits()
			b.ReportAllocs()
			b.SetBytes(int64(len(c.stream)))
			for b.Loop() {
				for p := c.stream; len(p) > 0; {
					n := min(c.piece, len(p))
					r.Feed(p[:n])
					p = p[n:]
					for {
						_, _, ok, err := r.Next(&lim)
						if err != nil {
							b.Fatal(err)
						}
						if !ok {
							break
						}
					}
					r.Keep()
				}
			}
		})
	}
}
