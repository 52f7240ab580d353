package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyReply draws one reply of any type, as a server may send it.
func anyReply(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		text := rapid.StringMatching(`[^\r\n]{0,12}`).Draw(t, "line")
		blob := string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "blob"))
		kinds := []string{"+", "-", ":", "$", "$-1", "*-1", "_", ",", "#", "(", "!", "="}
		if depth > 0 {
			kinds = append(kinds, "*", "%", "~", ">", "|")
		}
		switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
		case "$-1", "*-1", "_":
			return kind + "\r\n"
		case "+", "-", ":", ",", "#", "(":
			return kind + text + "\r\n"
		case "$", "!", "=":
			return fmt.Sprintf("%s%d\r\n%s\r\n", kind, len(blob), blob)
		default:
			n := rapid.IntRange(0, 4).Draw(t, "n")
			var b strings.Builder
			fmt.Fprintf(&b, "%s%d\r\n", kind, n)
			elements := n
			switch kind {
			case "%":
				elements = 2 * n
			case "|":
				elements = 2*n + 1
			}
			for range elements {
				b.WriteString(anyReply(depth-1).Draw(t, "element"))
			}
			return b.String()
		}
	})
}

// frames cuts a stream that comes in pieces.
func frames(pieces ...[]byte) (list []string, kinds string, err error) {
	var f Frame
	var frame []byte
	for _, p := range pieces {
		for len(p) > 0 {
			n, whole, err := f.Next(p)
			frame = append(frame, p[:n]...)
			p = p[n:]
			if err != nil {
				return list, kinds, err
			}
			if whole {
				list, kinds, frame = append(list, string(frame)), kinds+string(f.Kind()), nil
			}
		}
	}
	return list, kinds, nil
}

func TestFramesEndWhereRepliesEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(anyReply(3), 1, 5).Draw(t, "replies")
		stream := []byte(strings.Join(want, ""))
		cut := rapid.IntRange(0, len(stream)).Draw(t, "cut")
		for _, pieces := range [][][]byte{{stream}, {stream[:cut], stream[cut:]}, singles(stream)} {
			got, _, err := frames(pieces...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
	})
}

func singles(stream []byte) (pieces [][]byte) {
	for i := range stream {
		pieces = append(pieces, stream[i:i+1])
	}
	return pieces
}

const everyType = "+OK\r\n-ERR x\r\n:-1\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n*2\r\n*1\r\n:1\r\n$1\r\na\r\n_\r\n,1.5\r\n#t\r\n(123\r\n" +
	"!5\r\nERR x\r\n=7\r\ntxt:abc\r\n%1\r\n+a\r\n+b\r\n~1\r\n+a\r\n>2\r\n+message\r\n%0\r\n|1\r\n+ttl\r\n:1\r\n*1\r\n|1\r\n+a\r\n+b\r\n:2\r\n"

func TestFramesOfEveryTypeSplitAtEveryByte(t *testing.T) {
	want, kinds, err := frames([]byte(everyType))
	if err != nil || kinds != "+-:$$$**"+"*_,#(!=%~>*" {
		t.Fatalf("%q, kinds %s, %v", want, kinds, err)
	}
	for i := range everyType {
		got, k, err := frames([]byte(everyType[:i]), []byte(everyType[i:]))
		if diff := cmp.Diff(want, got); diff != "" || k != kinds || err != nil {
			t.Fatalf("split at %d: kinds %s, %v (-want +got)\n%s", i, k, err, diff)
		}
	}
}

func TestWhatIsNoReplyIsRefused(t *testing.T) {
	for _, stream := range []string{
		"HTTP/1.1 400 Bad Request\r\n", "?\r\n", "\r\n", "$?\r\n", "*?\r\n", "$-2\r\n", "%-1\r\n", "$01\r\n", "*1x\r\n", "$\r\n",
		"$1\r\nabc", "+OK\n", "$1\n", "$99999999999999999999\r\n", "$4294967297\r\n", "*4294967297\r\n",
		"*" + strings.Repeat("1", 30), strings.Repeat("*2\r\n", 1<<16+1),
	} {
		for _, pieces := range [][][]byte{{[]byte(stream)}, singles([]byte(stream))} {
			if list, _, err := frames(pieces...); err == nil {
				t.Errorf("%.40q: %q", stream, list)
			}
		}
	}
}

// A length that is announced costs nothing.
func TestFramesAllocateNothing(t *testing.T) {
	var f Frame
	big := []byte("*2\r\n$1000000000\r\nabc")
	small := []byte("*3\r\n:1\r\n$3\r\nabc\r\n*1\r\n+x\r\n")
	f.Next(small)
	if n := testing.AllocsPerRun(100, func() { f.Next(small) }); n != 0 {
		t.Errorf("%v allocations for a reply", n)
	}
	if n := testing.AllocsPerRun(1, func() { f = Frame{levels: f.levels}; f.Next(big) }); n != 0 {
		t.Errorf("%v allocations for what was announced", n)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(everyType), uint16(7))
	f.Add([]byte("*2\r\n$?\r\n"), uint16(1))
	f.Fuzz(func(t *testing.T, stream []byte, at uint16) {
		want, kinds, err := frames(stream)
		cut := min(int(at), len(stream))
		got, k, err2 := frames(stream[:cut], stream[cut:])
		if diff := cmp.Diff(want, got); diff != "" || k != kinds || (err == nil) != (err2 == nil) {
			t.Fatalf("split at %d: %v, %v (-whole +split)\n%s", cut, err, err2, diff)
		}
		if joined := strings.Join(want, ""); !bytes.HasPrefix(stream, []byte(joined)) {
			t.Fatalf("frames are not the stream: %q", joined)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	stream := []byte(strings.Repeat("$64\r\n"+strings.Repeat("x", 64)+"\r\n", 100))
	var f Frame
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		for p := stream; len(p) > 0; {
			n, _, err := f.Next(p)
			if err != nil {
				b.Fatal(err)
			}
			p = p[n:]
		}
	}
}
