package resp

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

func newOut() (o *Out, woken, killed *int) {
	woken, killed = new(int), new(int)
	return &Out{wake: func() { *woken++ }, kill: func() { *killed++ }}, woken, killed
}

// drain takes all that may leave.
func drain(o *Out) string {
	b := string(o.take())
	o.done()
	return b
}

func TestGatesHoldBackWhatStandsBehindThem(t *testing.T) {
	o, woken, _ := newOut()
	o.Append([]byte("a"))
	o.AppendGated([]byte("b"), 5)
	o.Push([]byte("c"))
	o.AppendGated([]byte("d"), 7)
	o.Append([]byte("e"))
	if got := drain(o); got != "a" {
		t.Errorf("before any release: %q", got)
	}
	if got := drain(o); got != "" {
		t.Errorf("nothing may leave: %q", got)
	}
	*woken = 0
	o.Release(4)
	if *woken != 0 {
		t.Error("a release of earlier units opens nothing")
	}
	o.Release(5)
	if got := drain(o); got != "bc" || *woken != 1 {
		t.Errorf("after the first release: %q, woken %d times", got, *woken)
	}
	o.Release(9)
	if got := drain(o); got != "de" || *woken != 2 {
		t.Errorf("after the last release: %q, woken %d times", got, *woken)
	}
}

func TestALaterReleaseOpensEarlierGates(t *testing.T) {
	o, _, _ := newOut()
	o.AppendGated([]byte("a"), 1)
	o.AppendGated([]byte("b"), 2)
	o.AppendGated([]byte("c"), 3)
	o.Release(2)
	o.Release(1)
	if got := drain(o); got != "ab" {
		t.Errorf("got %q", got)
	}
}

// Whatever is appended, gated, pushed, released and taken in whatever order: bytes leave in the order they were appended,
// and none before its gate and those before it are open.
func TestOutKeepsOrderAndGates(t *testing.T) {
	type piece struct {
		text string
		seq  uint64 // 0 = no gate
	}
	rapid.Check(t, func(t *rapid.T) {
		o, woken, killed := newOut()
		var model []piece // not written
		var seq, released uint64
		n := 0
		next := func(t *rapid.T) string {
			n++
			return fmt.Sprintf("<%d%s>", n, bytes.Repeat([]byte{'.'}, rapid.SampledFrom([]int{0, 1, 100, keepSpare}).Draw(t, "size")))
		}
		var taken []byte
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				p := piece{text: next(t)}
				o.Append([]byte(p.text))
				model = append(model, p)
			},
			"push": func(t *rapid.T) {
				p, before := piece{text: next(t)}, *woken
				o.Push([]byte(p.text))
				model = append(model, p)
				if *woken == before {
					t.Fatal("a push does not wake")
				}
			},
			"gate": func(t *rapid.T) {
				seq++
				p := piece{next(t), seq}
				o.AppendGated([]byte(p.text), p.seq)
				model = append(model, p)
			},
			"post": func(t *rapid.T) {
				p, before := piece{text: next(t)}, *woken
				if rapid.Bool().Draw(t, "of a unit") {
					if seq == released || rapid.Bool().Draw(t, "of the next one") {
						seq++
					}
					p.seq = seq
				}
				o.Post([]byte(p.text), p.seq)
				model = append(model, p)
				if *woken != before {
					t.Fatal("a post wakes")
				}
				if o.Wake(); *woken == before {
					t.Fatal("a wake does not wake")
				}
			},
			"release": func(t *rapid.T) {
				up := rapid.Uint64Range(0, seq).Draw(t, "up to")
				opens := false
				for _, p := range model {
					opens = opens || p.seq > released && p.seq <= up
				}
				before := *woken
				o.Release(up)
				if released = max(released, up); opens && *woken == before {
					t.Fatal("a release that opens a gate does not wake")
				}
			},
			"take": func(t *rapid.T) {
				if taken != nil {
					return
				}
				var want string
				for len(model) > 0 && model[0].seq <= released {
					want += model[0].text
					model = model[1:]
				}
				taken = o.take()
				if string(taken) != want {
					t.Fatalf("took %d bytes %.40q, want %d %.40q", len(taken), taken, len(want), want)
				}
			},
			"done": func(t *rapid.T) {
				if taken != nil {
					o.done()
					taken = nil
				}
			},
			"": func(t *rapid.T) {
				want := len(taken)
				for _, p := range model {
					want += len(p.text)
				}
				if got := o.Len(); got != want {
					t.Fatalf("Len is %d, want %d", got, want)
				}
				if _, capacity, _ := o.size(); want == 0 && taken == nil && capacity > keepSpare && cap(o.spare) > 0 {
					t.Fatalf("two buffers while nothing waits: %d bytes", capacity)
				}
			},
		})
		if *killed > 0 {
			t.Fatal("nobody is that slow")
		}
	})
}

func TestWhatIsTakenIsNotOverwritten(t *testing.T) {
	o, _, _ := newOut()
	o.Append([]byte("first"))
	a := o.take()
	o.Append([]byte("other"))
	if string(a) != "first" {
		t.Fatalf("taken bytes became %q", a)
	}
	o.done()
	b := o.take()
	o.Append([]byte("third"))
	if string(b) != "other" {
		t.Fatalf("taken bytes became %q", b)
	}
	o.done()
}

func TestAnIdleClientKeepsOneSmallBuffer(t *testing.T) {
	o, _, _ := newOut()
	for range 3 {
		o.Append(make([]byte, keepSpare/2))
		o.take()
		o.Push(make([]byte, keepSpare/2)) // meanwhile
		o.done()
		drain(o)
	}
	if _, capacity, _ := o.size(); capacity == 0 || capacity > keepSpare {
		t.Errorf("idle after small replies, it keeps %d bytes", capacity)
	}
	o.Append(make([]byte, 10*keepSpare))
	drain(o)
	if _, capacity, _ := o.size(); capacity > keepSpare {
		t.Errorf("idle after a large reply, it keeps %d bytes", capacity)
	}
}

func TestRepliesReuseTheBuffer(t *testing.T) {
	o, _, _ := newOut()
	reply := make([]byte, 100)
	round := func() {
		o.Append(reply)
		o.take()
		o.done()
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations for each reply", n)
	}
}

func TestOnlyPushesEndASlowReader(t *testing.T) {
	o, _, killed := newOut()
	o.Append(make([]byte, pushLimit+1))
	o.Push([]byte("a message behind a large reply"))
	if *killed != 0 {
		t.Fatal("ended for a reply it asked for")
	}
	o.Push(make([]byte, pushLimit))
	if *killed != 1 {
		t.Fatal("goes on though more is pushed than may wait")
	}
}

func TestPushesThatLeftDoNotCount(t *testing.T) {
	o, woken, killed := newOut()
	for range 5 {
		o.Push(make([]byte, pushLimit/2))
		drain(o)
	}
	if *killed != 0 || *woken != 5 {
		t.Errorf("killed %d times, woken %d times", *killed, *woken)
	}
}

// What is appended while a reply comes in pieces stands behind it, with its gates.
func TestRepliesInPiecesStayWhole(t *testing.T) {
	o, _, _ := newOut()
	o.Append([]byte("a"))
	o.Begin(0)
	o.Post([]byte("e"), 0)
	o.Piece([]byte("b"))
	o.Post([]byte("f"), 3)
	if got := drain(o); got != "ab" {
		t.Errorf("the first piece: %q", got)
	}
	if o.empty() {
		t.Error("there is more to come")
	}
	o.Piece([]byte("c"))
	o.End()
	if got := drain(o); got != "ce" {
		t.Errorf("before the release: %q", got)
	}
	o.Release(3)
	if got := drain(o); got != "f" || !o.empty() {
		t.Errorf("after it: %q, empty %v", got, o.empty())
	}
}

// A reply in pieces that tells of a unit waits for it, and so does what stands behind it; a release in between counts.
func TestRepliesInPiecesWaitForTheirUnit(t *testing.T) {
	o, _, _ := newOut()
	o.Begin(1)
	o.Post([]byte("b"), 2)
	o.Piece([]byte("a"))
	if got := drain(o); got != "" {
		t.Errorf("nothing may leave: %q", got)
	}
	o.Release(1)
	if got := drain(o); got != "a" {
		t.Errorf("after the first release: %q", got)
	}
	o.Release(2)
	o.End()
	if got := drain(o); got != "b" {
		t.Errorf("after the second: %q", got)
	}
}

// Who writes a reply waits for a client that does not read, until it reads or is gone.
func TestPiecesWaitForASlowClient(t *testing.T) {
	for _, reads := range []bool{true, false} {
		o := &Out{wake: func() {}, kill: func() {}}
		o.Begin(0)
		written := make(chan bool)
		go func() {
			more := true
			for n := 0; n <= streamAhead*3/2 && more; n += 1000 {
				more = o.Piece(make([]byte, 1000))
			}
			written <- more
		}()
		for o.Len() <= streamAhead {
			runtime.Gosched()
		}
		if o.Len() > streamAhead+1000 {
			t.Errorf("%d bytes wait", o.Len())
		}
		if reads {
			drain(o)
		} else {
			o.abandon()
		}
		if more := await(t, written, "end of the writing"); more != reads {
			t.Errorf("reads %v: told %v", reads, more)
		}
	}
}

// An error stands in the place of each reply that waited, and of those behind; messages stay.
func TestRefusedRepliesBecomeErrors(t *testing.T) {
	for name, h := range map[string]struct {
		fill  func(o *Out)
		alike bool
		want  string // "" = it is not done
	}{
		"replies and pushes": {func(o *Out) {
			o.Append([]byte("+before\r\n"))
			o.AppendGated([]byte(":1\r\n*2\r\n$1\r\nx\r\n_\r\n"), 5)
			o.Post([]byte(">1\r\n:9\r\n"), 6)
			o.Append([]byte("+behind\r\n"))
		}, false, "+before\r\n-no\r\n-no\r\n>1\r\n:9\r\n-no\r\n"},
		"messages alone": {func(o *Out) {
			o.Post([]byte("*1\r\n+m\r\n"), 5)
			o.Append([]byte("+reply\r\n"))
		}, true, "*1\r\n+m\r\n+reply\r\n"},
		"a message of the same unit": {func(o *Out) {
			o.Post([]byte(">1\r\n+m\r\n"), 5)
			o.AppendGated([]byte("+reply\r\n"), 5)
		}, false, ">1\r\n+m\r\n-no\r\n"},
		"a message like a reply": {func(o *Out) {
			o.AppendGated([]byte("+reply\r\n"), 5)
			o.Post([]byte("*1\r\n+m\r\n"), 0)
		}, false, ""},
		"a client's own messages": {func(o *Out) { o.AppendGated([]byte("+reply\r\n"), 5) }, true, ""},
		"a reply in pieces":       {func(o *Out) { o.Begin(5) }, false, ""},
		"what was told already": {func(o *Out) {
			o.AppendGated([]byte("+reply\r\n"), 5)
			o.Release(5)
		}, false, "+reply\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			o, woken, _ := newOut()
			h.fill(o)
			before := *woken
			if done := o.Refuse("no", h.alike); done != (h.want != "") || done && *woken == before {
				t.Fatalf("done: %v, woken %d times", done, *woken-before)
			}
			if got := drain(o); got != h.want {
				t.Errorf("%q, want %q", got, h.want)
			}
		})
	}
}
