package wire

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// streamed is all that a reply says, and fails the test if a piece is too long to be one.
func streamed(t rapid.TB, w *Writer) string {
	var all strings.Builder
	w.Stream(func(b []byte) {
		if len(b) == 0 || len(b) > piece+100 { // a header may stand behind a full piece
			t.Fatalf("a piece of %d bytes", len(b))
		}
		all.Write(b)
	})
	return all.String()
}

// Whatever is written, taken back and preceded, now or later: what a Writer that defers says is what one says that does not.
func TestWhatIsDeferredSaysTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		direct, deferring := &Writer{Proto: 3}, &Writer{Proto: 3, Defers: true}
		both := func(f func(w *Writer)) { f(direct); f(deferring) }
		type marks struct{ direct, deferring int }
		var taken []marks
		drawMark := func() marks { return rapid.SampledFrom(taken).Draw(t, "mark") }
		text := func() string {
			return strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 100, piece - 1, piece, piece + 1, atOnce}).Draw(t, "length"))
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			taken = append(taken, marks{direct.Len(), deferring.Len()})
			switch s := text(); rapid.IntRange(0, 6).Draw(t, "step") {
			case 0:
				both(func(w *Writer) { w.BulkString(s) })
			case 1:
				both(func(w *Writer) { w.Bulk([]byte(s)) })
			case 2:
				both(func(w *Writer) {
					w.Later(func(w *Writer) { w.Array(2); w.BulkString(s); w.Bulk([]byte(s)); w.Raw([]byte(s)); w.Null() })
				})
			case 3:
				m := drawMark()
				direct.Truncate(m.direct)
				deferring.Truncate(m.deferring)
				taken = nil
			case 4:
				m := drawMark()
				direct.Precede(m.direct, func() { direct.Array(7) })
				deferring.Precede(m.deferring, func() { deferring.Array(7) })
				taken = nil
			case 5:
				proto := rapid.IntRange(2, 3).Draw(t, "proto")
				both(func(w *Writer) { w.Proto = proto })
			default:
				both(func(w *Writer) { w.Int(7) })
			}
		}
		if got := streamed(t, deferring); got != string(direct.Bytes()) {
			t.Fatalf("%d bytes %.200q, want %d bytes %.200q", len(got), got, direct.Len(), direct.Bytes())
		}
		if !deferring.Deferred() && !bytes.Equal(deferring.Bytes(), direct.Bytes()) {
			t.Fatal("nothing is deferred, and the bytes are others")
		}
	})
}

// However often a long string is told of, little is copied before the reply is streamed.
func TestLongStringsAreNotCopied(t *testing.T) {
	w := Writer{Defers: true}
	long := strings.Repeat("x", 1<<20)
	for range 1000 {
		w.BulkString(long)
	}
	if n := len(w.Bytes()); n > atOnce {
		t.Errorf("%d bytes are held", n)
	}
}
