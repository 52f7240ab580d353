package passthrough

import (
	"bytes"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp/command"
)

func words(line string) [][]byte { return bytes.Fields([]byte(line)) }

func TestRoute(t *testing.T) {
	for line, want := range map[string]place{
		"GET a": onLane, "PING": onLane, "XADD s * a 1": onLane, "EVAL x 0": onLane, "PUBLISH c m": onLane, "CONFIG GET *": onLane,
		"XREAD STREAMS s 0": onLane, "XREAD block 0 STREAMS s 0": pinCall, "XREADGROUP GROUP g c BLOCK 5 STREAMS s >": pinCall,
		"BLPOP q 0": pinCall, "WAIT 1 0": pinCall,
		"MULTI": pinTxn, "WATCH a": pinTxn, "EXEC": onLane, "DISCARD": onLane, "UNWATCH": onLane,
		"DISCARD foo": pinLife, "MULTI foo": pinLife, "GET": onLane, "SELECT": pinLife,
		"SELECT 1": pinMove, "HELLO 3": pinMove, "AUTH x": pinMove, "RESET": local, "QUIT": local,
		"CLIENT ID": local, "CLIENT SETNAME x": local, "CLIENT REPLY OFF": pinLife, "CLIENT TRACKING ON": pinLife,
		"CLIENT SETINFO LIB-NAME x": onLane, "CLIENT NOPE": pinLife,
		"SUBSCRIBE c": pinLife, "UNSUBSCRIBE": pinLife, "MONITOR": pinLife, "SYNC": pinLife, "NOPE": pinLife,
	} {
		args := words(line)
		spec, _ := command.Check(args)
		if got, why := route(spec, args, false); got != want || why == "" {
			t.Errorf("%s: %s (%s), want %s", line, got, why, want)
		}
	}
	spec, _ := command.Check(words("AUTH x"))
	if got, _ := route(spec, words("AUTH x"), true); got != local {
		t.Errorf("AUTH where the proxy checks passwords: %s", got)
	}
}

// Only what does nothing to its connection may be done on one that others share.
func TestNothingThatLastsIsRoutedToALane(t *testing.T) {
	special := map[string]bool{"SCRIPT KILL": true, "FUNCTION KILL": true, "FUNCTION STATS": true, "CONFIG SET": true, "ACL SETUSER": true, "ACL LOAD": true}
	harmless := map[string]bool{"EXEC": true, "DISCARD": true, "UNWATCH": true, "XREAD": true, "XREADGROUP": true}
	for spec := range command.All() {
		n := max(spec.Arity, -spec.Arity)
		args := words(spec.Name)
		for len(args) < n {
			args = append(args, []byte("x"))
		}
		where, _ := route(spec, args, false)
		if where == onLane && spec.Effect != command.ConnNone && !harmless[spec.Name] {
			t.Errorf("%s is routed to a lane", spec.Name)
		}
		if where != onLane && where != local && spec.Effect == command.ConnNone && !special[spec.Name] {
			t.Errorf("%s: %s, though it does nothing to its connection", spec.Name, where)
		}
	}
}

func TestWhole(t *testing.T) {
	for lines, want := range map[string]int{
		"MULTI|SET a 1|EXEC":              3,
		"MULTI|EXEC|GET a":                2,
		"multi|set a 1|get a|exec|MULTI":  4,
		"MULTI|SET a 1":                   0,
		"MULTI|SELECT 1|EXEC":             0,
		"MULTI|BLPOP q 0|EXEC":            0,
		"MULTI|SUBSCRIBE c|EXEC":          0,
		"MULTI|NOPE|EXEC":                 0,
		"MULTI|SET a|EXEC":                0,
		"MULTI|DISCARD foo|EXEC":          0,
		"MULTI|CLIENT ID|EXEC":            0,
		"MULTI foo|EXEC":                  0,
		"MULTI|SET a 1|DISCARD":           0,
		"SET a 1|EXEC":                    0,
		"MULTI|MULTI|EXEC":                0,
		"MULTI|XREAD STREAMS s 0|EXEC":    0,
		"MULTI|REFUSED SET a 1|EXEC|PING": 0,
	} {
		var batch []member
		for line := range strings.SplitSeq(lines, "|") {
			rest, refused := strings.CutPrefix(line, "REFUSED ")
			args := words(rest)
			spec, _ := command.Check(args)
			batch = append(batch, member{spec, args, refused})
		}
		if got := whole(batch); got != want {
			t.Errorf("%s: %d, want %d", lines, got, want)
		}
	}
}
