package resp

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// claim is the beginning of a command with a long argument: so many bytes of it have come.
func claim(announced, sent int) []byte {
	return append(fmt.Appendf(nil, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n", announced), bytes.Repeat([]byte{'x'}, sent)...)
}

// crowd are clients of one server that may hold so many bytes.
func crowd(t *testing.T, n int, memory int64) []*hand {
	v, all := company(t, n)
	v.SetLimits(Limits{Memory: memory})
	return all
}

func TestWhoHoldsTheMostGoes(t *testing.T) {
	all := crowd(t, 4, 16<<20)
	small, large, late, idle := all[0], all[1], all[2], all[3]
	small.turn(claim(64<<20, 3<<20))
	large.turn(claim(64<<20, 7<<20)) // in a buffer of as much or more
	late.turn(claim(64<<20, 6<<20))
	late.turn(bytes.Repeat([]byte{'x'}, 2<<20))
	if small.s.Gone() || !large.s.Gone() && !late.s.Closing() || idle.s.Gone() {
		t.Errorf("gone: %v %v %v %v", small.s.Gone(), large.s.Gone(), late.s.Gone(), idle.s.Gone())
	}
	idle.turn(requests("GET a"))
	idle.expect(t, "$1\r\na\r\n")
}

func TestWhoWouldHoldTheMostIsToldAtOnce(t *testing.T) {
	all := crowd(t, 2, 16<<20)
	all[0].turn(claim(8<<20, 2<<20))
	all[1].turn(claim(400<<20, 17<<20))
	all[1].expect(t, "-"+string(wire.ErrRoom)+"\r\n")
	all[1].atEnd(t, true)
	if all[0].s.Gone() {
		t.Error("the other one has gone")
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	all := crowd(t, 2, 5<<20)
	v := all[0].s.server
	for range 5 { // each would be too much beside the one before
		stream := claim(4<<20, 4<<20)
		all[0].turn(stream[:3<<20])
		if v.memory.sum == 0 {
			t.Fatal("nothing is counted")
		}
		all[0].turn(append(stream[3<<20:], "\r\n"...))
		all[0].turn(requests("GET a"))
		if v.memory.sum != 0 {
			t.Fatalf("%d bytes are counted though all is done", v.memory.sum)
		}
	}
	all[1].turn(claim(4<<20, 3<<20))
	all[1].s.leaving()
	all[1].s.left()
	if v.memory.sum != 0 || len(v.memory.held) != 0 {
		t.Errorf("%d bytes of one who has left are counted", v.memory.sum)
	}
}

func TestWhatWasAnnouncedOnlyIsNotHeld(t *testing.T) {
	all := crowd(t, 200, 16<<20)
	for _, h := range all {
		h.turn(claim(400<<20, 100))
	}
	for i, h := range all {
		if h.s.Gone() {
			t.Fatalf("client %d has gone", i)
		}
	}
}

func TestQueuedCommandsAndUnreadRepliesCount(t *testing.T) {
	all := crowd(t, 2, 4<<20)
	all[0].s.Client.Queued.Store(3 << 20)
	all[0].turn(requests("GET a"))
	all[1].stuck = true
	for range 3 {
		all[1].turn(requests("DEL x 1000000"))
	}
	if !all[0].s.Gone() || all[1].s.Gone() {
		t.Errorf("gone: %v %v", all[0].s.Gone(), all[1].s.Gone())
	}
}
