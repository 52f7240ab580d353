package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inEveryBackend runs a test with an omniproxy of each kind.
func inEveryBackend(t *testing.T, test func(t *testing.T, o *omniproxy), args ...string) {
	t.Helper()
	t.Parallel()
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		test(t, serve(t, t.TempDir(), args...))
	})
	for _, pool := range []string{"session", "shared"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel()
			test(t, proxied(t, append([]string{"--pool", pool}, args...)...))
		})
	}
}

const (
	badAgent = "ERR OMN011 field 'tools' of 'omni:agent:t:a' is not a JSON array (omniproxy explain OMN011)"
	goodSet  = `{"task_id": "1", "result": {}, "saved_at": 1.5}`
)

// What is refused is not done, and refuses the transaction it stands in, however its commands arrive.
func TestWritesThatBreakTheLayoutAreRefused(t *testing.T) {
	inEveryBackend(t, func(t *testing.T, o *omniproxy) {
		o.must(badAgent, "HSET", "omni:agent:t:a", "tools", "{}")
		o.must(0, "EXISTS", "omni:agent:t:a")
		o.must("OK", "SETEX", "omni:result:1", "60", goodSet)
		o.must("OK", "SET", "mine", "{")
		for _, batch := range []struct{ sent, told string }{
			{"MULTI|SET mine 1|HSET omni:agent:t:a tools {}|SET mine 2|EXEC", "+OK|+QUEUED|-" + badAgent + "|+QUEUED|-EXECABORT Transaction discarded because of previous errors."},
			{"MULTI|SET mine 3|EXEC", "+OK|+QUEUED|*1|+OK"},
		} {
			if told := o.told(strings.ReplaceAll(batch.sent, "|", "\r\n")+"\r\n", batch.told); told != batch.told {
				t.Errorf("at once: %s\n%s\nwant\n%s", batch.sent, told, batch.told)
			}
		}
		o.must("3", "GET", "mine")
		v := o.violations()
		last := pairs(v["recent"].([]any)[0])
		for _, name := range []string{"client", "first", "last"} {
			delete(last, name)
		}
		want := map[string]any{"rule": "OMN011", "severity": "error", "text": "field 'tools' of 'omni:agent:t:a' is not a JSON array", "the-write-was": "refused", "count": int64(2)}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if v["validate"] != "enforce" || v["violating-writes"] != int64(2) || v["refused-writes"] != int64(2) {
			t.Error(v)
		}
		o.logs("a write is refused, for it breaks the key layout")
	}, "--validate", "enforce")
}

// violations is what OMNIPROXY VIOLATIONS answers.
func (o *omniproxy) violations() map[string]any { return pairs(o.do("OMNIPROXY", "VIOLATIONS")) }

// pairs is a map as RESP2 has it.
func pairs(reply any) map[string]any {
	m, list := map[string]any{}, reply.([]any)
	for i := 0; i < len(list); i += 2 {
		m[list[i].(string)] = list[i+1]
	}
	return m
}

// told sends bytes and returns as many lines as are wanted, with | between them.
func (o *omniproxy) told(send, want string) string {
	o.t.Helper()
	conn, err := net.Dial("tcp", o.Addr)
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, send); err != nil {
		o.t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	var lines []string
	for range strings.Count(want, "|") + 1 {
		line, err := in.ReadString('\n')
		if err != nil {
			o.t.Fatalf("after %q: %v", lines, err)
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "|")
}

// A warning changes nothing that a client is told; rules may have settings of their own, and what cannot be judged is
// counted.
func TestWritesThatBreakTheLayoutAreWarnedOf(t *testing.T) {
	inEveryBackend(t, func(t *testing.T, o *omniproxy) {
		o.must(1, "HSET", "omni:agent:t:a", "tools", "{}")
		o.must("OK", "SET", "omni:results:1", goodSet)
		if help := fmt.Sprint(o.do("OMNIPROXY", "HELP")); !strings.Contains(help, "VIOLATIONS") {
			t.Errorf("OMNIPROXY HELP: %s", help)
		}
		o.must("ERR OMN030 'omni:config:c' is not JSON (omniproxy explain OMN030)", "SET", "omni:config:c", "{")
		o.must("OK", "SET", "omni:settings:x", "1") // of no family, which is off
		o.must("OK", "RENAME", "omni:results:1", "omni:config:d")
		v := o.violations()
		want := map[string]any{"OMN006": int64(1), "OMN011": int64(1), "OMN030": int64(1)}
		if diff := cmp.Diff(want, pairs(v["rules"])); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if v["unchecked-writes"] != int64(1) || v["refused-writes"] != int64(1) || v["validate"] != "warn" {
			t.Error(v)
		}
		o.logs(`a write breaks the key layout {"rule": "OMN011", "what": "field 'tools' of 'omni:agent:t:a' is not a JSON array"`)
	}, "--validate", "warn", "--validate-rules", "OMN001=off, config-json=enforce")
}

// What has to wait for a command before it is judged again, and counted once.
func TestAWriteThatWaitsIsCountedOnce(t *testing.T) {
	inEveryBackend(t, func(t *testing.T, o *omniproxy) {
		o.told("BLPOP none 0.05\r\nSET omni:config:c {\r\n", "*-1|+OK")
		if got := pairs(o.violations()["rules"]); !cmp.Equal(got, map[string]any{"OMN030": int64(1)}) {
			t.Errorf("counted %v", got)
		}
	}, "--validate", "observe")
}

// OmniDaemon's own writes break no rule.
func TestOmniDaemonIsNotHindered(t *testing.T) {
	inEveryBackend(t, func(t *testing.T, o *omniproxy) {
		store(t, "fill", o.url(""))
		store(t, "change", o.url(""))
		o.client(0).FlushAll(context.Background())
		theEventBusWorks(t, o)
		if v := o.violations(); v["refused-writes"] != int64(0) {
			t.Error(v)
		}
	}, "--validate", "enforce")
}
