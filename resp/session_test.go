package resp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/resp/wire"
)

const (
	protocolError = "-ERR Protocol error: expected '$', got 'x'\r\n"
	restarting    = "-LOADING omniproxy is restarting\r\n"
	noAuth        = "-NOAUTH Authentication required.\r\n"
)

func TestPipelinedCommandsAreAnsweredInOrder(t *testing.T) {
	h, _ := connect(t)
	var lines []string
	var want string
	for i := range 3 * batchCommands {
		lines = append(lines, fmt.Sprint("GET ", 100+i))
		want += fmt.Sprintf("$3\r\n%d\r\n", 100+i)
	}
	h.turn(requests(lines...))
	h.expect(t, want)
}

func TestCommandsInPiecesAreAnsweredWhenWhole(t *testing.T) {
	h, _ := connect(t)
	for _, b := range requests("GET a", "GET b") {
		h.turn([]byte{b})
	}
	h.expect(t, "$1\r\na\r\n$1\r\nb\r\n")
}

func TestABackendMayTakeFewer(t *testing.T) {
	h, b := connect(t)
	b.atOnce = 1
	h.turn(requests("GET a", "GET b", "GET c"))
	h.expect(t, "$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n")
}

func TestWhatComesBehindAnOutstandingCommandWaits(t *testing.T) {
	h, b := connect(t)
	h.turn(requests("GET a", "BLPOP k 0", "GET b"))
	h.turn(requests("GET c"))
	h.turn(requests("BLPOP k 0")[:7])
	h.expect(t, "$1\r\na\r\n")
	await(t, b.parked, "outstanding command").answer("now")
	h.turn(nil)
	h.expect(t, "$3\r\nnow\r\n$1\r\nb\r\n$1\r\nc\r\n")
	h.turn(requests("BLPOP k 0", "GET d")[7:])
	h.expect(t, "")
	await(t, b.parked, "outstanding command").answer("again")
	h.turn(nil)
	h.expect(t, "$5\r\nagain\r\n$1\r\nd\r\n")
}

func TestAnAnswerMayComeBeforeDoReturns(t *testing.T) {
	h, _ := connect(t)
	h.turn(requests("INCR a", "INCR b", "GET c"))
	h.expect(t, ":1\r\n:1\r\n$1\r\nc\r\n")
}

func TestAWakeAloneDoesNotEndTheWaiting(t *testing.T) {
	h, b := connect(t)
	h.turn(requests("BLPOP k 0", "GET a"))
	h.s.Out.Push([]byte("+pushed\r\n"))
	h.turn(nil)
	h.expect(t, "+pushed\r\n")
	await(t, b.parked, "outstanding command").answer("x")
	h.turn(nil)
	h.expect(t, "$1\r\nx\r\n$1\r\na\r\n")
}

func TestCommandsBeforeAProtocolErrorAreDone(t *testing.T) {
	h, _ := connect(t)
	h.turn(append(requests("GET a"), "*1\r\nx1\r\n"...))
	h.expect(t, "$1\r\na\r\n"+protocolError)
	h.atEnd(t, true)
}

func TestAProtocolErrorBehindAnOutstandingCommandIsToldAfterIt(t *testing.T) {
	h, b := connect(t)
	h.turn(append(requests("GET a", "BLPOP k 0", "GET b"), "*1\r\nx1\r\n"...))
	h.turn(requests("GET c"))
	h.expect(t, "$1\r\na\r\n")
	h.atEnd(t, false)
	await(t, b.parked, "outstanding command").answer("x")
	h.turn(nil)
	h.expect(t, "$1\r\nx\r\n$1\r\nb\r\n"+protocolError)
	h.atEnd(t, true)
}

func TestAProtocolErrorIsReportedOnce(t *testing.T) {
	var dropped []string
	h, _ := connect(t, func(v *Server) {
		v.Events.Dropped = func(client string, err error) { dropped = append(dropped, client+": "+err.Error()) }
	})
	h.turn([]byte("*1\r\nx1\r\n"))
	h.turn(requests("GET a"))
	want := []string{"peer:1 id 1: ERR Protocol error: expected '$', got 'x'"}
	if diff := cmp.Diff(want, dropped); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHTTPIsCutBehindWhatCameBefore(t *testing.T) {
	for _, line := range []string{"POST / HTTP/1.1", "post x", "Host: localhost"} {
		h, b := connect(t)
		h.turn(append(requests("SET a 0", "BLPOP k 0"), line+"\r\n"...))
		if h.isCut {
			t.Errorf("%s: cut before its time", line)
		}
		await(t, b.parked, "outstanding command").answer("x")
		h.turn(nil)
		if !h.isCut || !h.s.Gone() {
			t.Errorf("%s: not cut", line)
		}
	}
}

func TestAnUnknownCommandKeepsTheConnectionInStep(t *testing.T) {
	h, _ := connect(t)
	h.turn(requests("GET a", "NOPE x", "GET", "GET b"))
	h.expect(t, "$1\r\na\r\n-ERR unknown command 'NOPE', with args beginning with: 'x' \r\n"+
		"-ERR wrong number of arguments for 'get' command\r\n$1\r\nb\r\n")
	h.atEnd(t, false)
}

func TestNothingIsDoneBehindQuit(t *testing.T) {
	h, _ := connect(t)
	h.turn(requests("GET a", "QUIT", "GET b"))
	h.turn(requests("GET c"))
	h.expect(t, "$1\r\na\r\n+OK\r\n")
	h.atEnd(t, true)
}

func TestQuitWaitsForGatedReplies(t *testing.T) {
	h, _ := connect(t)
	h.turn(requests("SET a 1", "QUIT"))
	h.expect(t, "")
	h.atEnd(t, false)
	h.s.Out.Release(1)
	h.turn(nil)
	h.expect(t, "+OK\r\n+OK\r\n")
	h.atEnd(t, true)
}

// Strangers.

func TestFiltersSeeWhatThePipelineChanged(t *testing.T) {
	var seen []string
	h, _ := connect(t, func(v *Server) {
		v.Filters = []Filter{func(s *Session, c *Command) {
			seen = append(seen, fmt.Sprint(c.Spec.Name, " in RESP", s.Client.Proto()))
		}}
	})
	h.turn(requests("GET a", "HELLO 3", "GET b", "RESET", "GET c"))
	want := []string{"GET in RESP2", "HELLO in RESP2", "GET in RESP3", "RESET in RESP3", "GET in RESP2"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFilterRefusesOrReplaces(t *testing.T) {
	h, _ := connect(t, func(v *Server) {
		v.Filters = []Filter{
			func(_ *Session, c *Command) {
				if c.Spec.Name == "DEL" {
					c.Refused = wire.Error("ERR not here")
				}
			},
			func(_ *Session, c *Command) {
				if c.Spec.Name == "DEL" {
					t.Error("a refused command passes no further filter")
				}
				c.Args[1], c.Raw = []byte("other"), nil
			},
		}
	})
	h.turn(requests("DEL a 1", "GET a"))
	h.expect(t, "-ERR not here\r\n$5\r\nother\r\n")
}

// Limits.

func TestAWaitingClientSendsNoMoreThanFitsItsQueryBuffer(t *testing.T) {
	h, b := connect(t)
	h.s.limits.open.Query = 100
	h.turn(requests("BLPOP k 0"))
	h.turn(make([]byte, 100))
	if h.isCut {
		t.Fatal("cut within its limit")
	}
	h.turn(make([]byte, 1))
	if !h.isCut || !h.s.Gone() {
		t.Fatal("not cut")
	}
	await(t, b.parked, "outstanding command")
	h.expect(t, "")
}

func TestRepliesPileUpToALimit(t *testing.T) {
	h, b := connect(t)
	b.atOnce = 1
	h.s.limits.out = 1000
	h.stuck = true
	h.turn(requests(repeat(10, "DEL k 100")...))
	if h.isCut || h.s.Out.Len() < 1000 {
		t.Fatalf("cut: %v, %d bytes wait", h.isCut, h.s.Out.Len())
	}
	h.turn(requests("DEL k 100"))
	if !h.isCut || !h.s.Gone() {
		t.Fatal("not cut")
	}
}

func TestADoneCommandIsNotKeptAlive(t *testing.T) {
	h, _ := connect(t)
	h.turn(requests("GET a", "GET b", "GET c"))
	h.turn(requests("GET d"))
	for i, c := range h.s.batch[:cap(h.s.batch)] {
		if c.Args != nil || c.Raw != nil {
			t.Errorf("command %d of the batch keeps %q", i, c.Raw)
		}
	}
}

func TestACommandCostsNoAllocation(t *testing.T) {
	h, _ := connect(t)
	stream := requests("GET a", "GET b", "PING", "GET c")
	n := testing.AllocsPerRun(100, func() {
		h.turn(stream)
		h.written.Reset()
	})
	if n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

// Leaving.

func TestUnwantedRepliesAreDropped(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"off and on":     {[]string{"CLIENT REPLY OFF", "GET a", "NOPE", "CLIENT REPLY ON", "GET b"}, "+OK\r\n$1\r\nb\r\n"},
		"skip":           {[]string{"CLIENT REPLY SKIP", "GET a", "GET b"}, "$1\r\nb\r\n"},
		"skip skip":      {[]string{"CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "GET a", "GET b"}, "$1\r\nb\r\n"},
		"skip on":        {[]string{"CLIENT REPLY SKIP", "CLIENT REPLY ON", "GET b"}, "+OK\r\n$1\r\nb\r\n"},
		"skip while off": {[]string{"CLIENT REPLY OFF", "CLIENT REPLY SKIP", "GET a", "GET b"}, ""},
		"skip later":     {[]string{"CLIENT REPLY SKIP", "INCR a", "GET b"}, "$1\r\nb\r\n"},
		"off reset":      {[]string{"CLIENT REPLY OFF", "RESET", "GET b"}, "+RESET\r\n$1\r\nb\r\n"},
		"skip reset":     {[]string{"CLIENT REPLY SKIP", "RESET", "GET b"}, "$1\r\nb\r\n"},
		"bad":            {[]string{"CLIENT REPLY NOPE", "GET b"}, "-ERR syntax error\r\n$1\r\nb\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := connect(t)
			h.turn(requests(c.lines...))
			h.expect(t, c.want)
		})
	}
}

func TestAnUnwantedProtocolErrorIsNotTold(t *testing.T) {
	h, _ := connect(t)
	h.turn(append(requests("CLIENT REPLY OFF"), "*1\r\nx1\r\n"...))
	h.expect(t, "")
	h.atEnd(t, true)
}

// Whatever comes in whatever pieces, and whoever answers when: replies leave in the order of their commands, whole, and
// not before the backend has let them go.
func TestRepliesLeaveInOrderAndWhenReleased(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h, b := connect(t)
		b.atOnce = rapid.IntRange(0, 3).Draw(rt, "commands a Do takes")
		var unread []byte               // sent and not yet received
		var expected []string           // replies to come, in order
		var gates []uint64              // of those, 0 = none
		var seq, released uint64        // units
		var outstanding *stubConn       // whose answer is to come
		var n int                       // of the command
		settled := func() (int, bool) { // how many replies may have been written
			for i, g := range gates {
				if g > released || expected[i] == "" {
					return i, false
				}
			}
			return len(gates), true
		}
		rt.Repeat(map[string]func(*rapid.T){
			"send": func(rt *rapid.T) {
				n++
				word := fmt.Sprint("c", n)
				switch rapid.SampledFrom([]string{"GET", "SET", "BLPOP", "INCR"}).Draw(rt, "command") {
				case "GET":
					unread = append(unread, request("GET", word)...)
					expected, gates = append(expected, fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)), append(gates, 0)
				case "SET":
					seq++
					unread = append(unread, request("SET", word, fmt.Sprint(seq))...)
					expected, gates = append(expected, "+OK\r\n"), append(gates, seq)
				case "BLPOP":
					unread = append(unread, request("BLPOP", word, "0")...)
					expected, gates = append(expected, ""), append(gates, 0)
				case "INCR":
					unread = append(unread, request("INCR", word)...)
					expected, gates = append(expected, ":1\r\n"), append(gates, 0)
				}
			},
			"receive": func(rt *rapid.T) {
				k := rapid.IntRange(0, len(unread)).Draw(rt, "bytes")
				h.turn(append([]byte{}, unread[:k]...))
				unread = unread[k:]
			},
			"answer": func(rt *rapid.T) {
				if outstanding == nil {
					return
				}
				n++
				text := fmt.Sprint("answer", n)
				for i := range expected {
					if expected[i] == "" {
						expected[i] = fmt.Sprintf("$%d\r\n%s\r\n", len(text), text)
						break
					}
				}
				outstanding.answer(text)
				outstanding = nil
			},
			"release": func(rt *rapid.T) {
				released = max(released, rapid.Uint64Range(0, seq).Draw(rt, "unit"))
				h.s.Out.Release(released)
			},
			"turn":  func(rt *rapid.T) { h.turn(nil) },
			"stick": func(rt *rapid.T) { h.stuck = !h.stuck },
			"": func(rt *rapid.T) {
				select {
				case c := <-b.parked:
					if outstanding != nil {
						rt.Fatal("a second command is outstanding")
					}
					outstanding = c
				default:
				}
				free, _ := settled()
				if got, most := h.written.String(), strings.Join(expected[:free], ""); !strings.HasPrefix(most, got) {
					rt.Fatalf("written %q, but only %q may be", got, most)
				}
			},
		})
		// In the end everything is answered.
		h.stuck = false
		h.turn(unread)
		for {
			h.turn(nil)
			h.s.Out.Release(seq)
			h.turn(nil)
			if outstanding == nil {
				select {
				case outstanding = <-b.parked:
				default:
				}
			}
			if outstanding == nil {
				break
			}
			for i := range expected {
				if expected[i] == "" {
					expected[i] = "$4\r\nlast\r\n"
					break
				}
			}
			outstanding.answer("last")
			outstanding = nil
		}
		if diff := cmp.Diff(strings.Join(expected, ""), h.written.String()); diff != "" {
			rt.Fatalf("in the end (-want +got):\n%s", diff)
		}
	})
}
