package resp

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/keyspace"
)

func audit(t testing.TB, out *bytes.Buffer, words ...string) *Audit {
	a, err := NewAudit(out, keyspace.Layout{Prefix: "omni"}, words, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// entries returns what was written, without what differs from run to run.
func entries(t testing.TB, a *Audit, out *bytes.Buffer) (lines []map[string]any) {
	a.Close()
	for line := range strings.Lines(out.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if entry["time"] == nil || entry["client"] != 1.0 || entry["address"] != "peer:1" {
			t.Errorf("entry %s", line)
		}
		for _, name := range []string{"time", "client", "address"} {
			delete(entry, name)
		}
		lines = append(lines, entry)
	}
	return lines
}

func TestTheAuditSaysWhoDidWhat(t *testing.T) {
	var out bytes.Buffer
	a := audit(t, &out, "@all")
	h, _ := connect(t, withPassword, func(v *Server) { v.Audit = a })
	h.s.front = NewFront(&Listener{Names: names(t, "flushall", ""), Filters: []Filter{RefuseWrites}})
	h.turn(requests("GET a", "AUTH wrong", "AUTH secret", "GET omni:result:SECRET", "DEL omni:topics other",
		"FLUSHALL", "SET omni:config:SECRET VALUE", "SECRET VALUE", "CLIENT LIST", "GET"))
	want := []map[string]any{
		{"event": "command", "command": "get", "family": "other", "keys": 1.0, "outcome": "refused", "why": "NOAUTH"},
		{"event": "command", "command": "auth", "outcome": "allowed"},
		{"event": "auth", "user": "default", "outcome": "failure", "why": "WRONGPASS"},
		{"event": "command", "command": "auth", "outcome": "allowed"},
		{"event": "auth", "user": "default", "outcome": "success"},
		{"event": "command", "user": "default", "command": "get", "family": "result", "keys": 1.0, "outcome": "allowed"},
		{"event": "command", "user": "default", "command": "del", "family": "mixed", "keys": 2.0, "outcome": "refused", "why": "READONLY"},
		{"event": "command", "user": "default", "command": "flushall", "outcome": "refused", "why": "ERR"},
		{"event": "command", "user": "default", "command": "set", "family": "config", "keys": 1.0, "outcome": "refused", "why": "READONLY"},
		{"event": "command", "user": "default", "command": "unknown", "outcome": "refused", "why": "ERR"},
		{"event": "command", "user": "default", "command": "client|list", "outcome": "allowed"},
		{"event": "command", "user": "default", "command": "get", "outcome": "refused", "why": "ERR"},
	}
	if diff := cmp.Diff(want, entries(t, a, &out)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for _, secret := range []string{"SECRET", "VALUE", "secret", "wrong"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the audit says %q", secret)
		}
	}
}

// A stranger chooses the name.
func TestLittleIsWrittenDownOfALongName(t *testing.T) {
	var out bytes.Buffer
	a := audit(t, &out, "auth")
	h, _ := connect(t, withPassword, func(v *Server) { v.Audit = a })
	h.turn(requests("AUTH " + strings.Repeat("x", 1000) + " wrong"))
	want := []map[string]any{{"event": "auth", "user": strings.Repeat("x", 256) + "... (744 more bytes)", "outcome": "failure", "why": "WRONGPASS"}}
	if diff := cmp.Diff(want, entries(t, a, &out)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestOnlyWhatIsAskedForIsWrittenDown(t *testing.T) {
	var out bytes.Buffer
	a := audit(t, &out, "@dangerous", "client|getname")
	h, _ := connect(t, withPassword, func(v *Server) { v.Audit = a })
	h.turn(requests("AUTH secret", "GET a", "CLIENT GETNAME", "CLIENT ID", "CLIENT LIST", "NOPE"))
	var got []any
	for _, e := range entries(t, a, &out) {
		got = append(got, e["command"])
	}
	if diff := cmp.Diff([]any{"client|getname", "client|list"}, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestWordsThatTheAuditDoesNotKnowAreRefused(t *testing.T) {
	for word, want := range map[string]string{"nope": "nope: no such command", "@nope": "@nope: no such category"} {
		if err := CheckAudited([]string{word}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// stuck is where nothing can be written until it is let go, and then nothing ever.
type stuckWriter struct {
	first, goOn chan struct{}
	lines       bytes.Buffer
}

func (w *stuckWriter) Write(b []byte) (int, error) {
	if w.first != nil {
		close(w.first)
		w.first = nil
		<-w.goOn
	}
	return w.lines.Write(b)
}

func TestADiskThatDoesNotAnswerKeepsNobodyWaiting(t *testing.T) {
	begun := make(chan struct{})
	w := &stuckWriter{first: begun, goOn: make(chan struct{})}
	a, err := NewAudit(w, keyspace.Layout{}, []string{"get"}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	h, _ := connect(t, func(v *Server) { v.Audit = a })
	h.turn(requests("GET a"))
	await(t, begun, "writing")
	for range 2 * auditQueue / 64 {
		h.turn(requests(repeat(64, "GET a")...))
		h.said()
	}
	close(w.goOn)
	a.Close()
	text := w.lines.String()
	written, dropped := strings.Count(text, `"command":"get"`), strings.Count(text, `"event":"dropped"`)
	if dropped != 1 || written < auditQueue || written >= 2*auditQueue {
		t.Errorf("%d written, %d lines about dropped ones", written, dropped)
	}
}

func TestAFailureToWriteIsReported(t *testing.T) {
	failed := make(chan error, 100)
	broken := errors.New("broken")
	a, err := NewAudit(failingWriter{broken}, keyspace.Layout{}, []string{"get"}, func(err error) { failed <- err })
	if err != nil {
		t.Fatal(err)
	}
	h, _ := connect(t, func(v *Server) { v.Audit = a })
	h.turn(requests("GET a"))
	h.expect(t, "$1\r\na\r\n")
	if err := await(t, failed, "report"); err != broken {
		t.Error(err)
	}
	a.Close()
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
