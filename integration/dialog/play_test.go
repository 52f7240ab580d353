package dialog

import (
	"bufio"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// fake is a server that answers some commands with fixed bytes and says in
// INFO that nobody is blocked. "" is no answer, "close" ends the connection.
func fake(t *testing.T, answers map[string]string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				for r := bufio.NewReader(conn); ; {
					request, err := readValue(r)
					if err != nil {
						return
					}
					answer := fakeAnswer(request, answers)
					if answer == "close" {
						return
					}
					conn.Write([]byte(answer))
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

func fakeAnswer(request value, answers map[string]string) string {
	var words []string
	for _, e := range request.elems {
		words = append(words, e.text)
	}
	switch line := strings.Join(words, " "); line {
	case "FLUSHALL":
		return "+OK\r\n"
	case "INFO clients":
		return encode(value{kind: '$', text: "# Clients\r\nblocked_clients:0\r\nother:1\r\n"})
	case "HELLO 3":
		return "%0\r\n"
	default:
		return answers[line]
	}
}

// playText plays a dialog given as text, in RESP2, with little patience.
func playText(t *testing.T, addr, text string) error {
	t.Helper()
	f, err := Parse("d", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f.play(addr, 2, 200*time.Millisecond)
}

func TestRightAnswersPass(t *testing.T) {
	addr := fake(t, map[string]string{"GET k": "$1\r\nv\r\n", "TWO": "+a\r\n+b\r\n", "QUIT": "close"})
	text := "# t\na> GET k\n\"v\"\nb>+ GET k\n\"v\"\nb> GET k\n\"v\"\na> TWO\na\na<\nb\na> QUIT\n(closed)\n#close b\n"
	for proto := 2; proto <= 3; proto++ {
		f, err := Parse("d", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.play(addr, proto, answerTimeout); err != nil {
			t.Error(err)
		}
	}
}

func TestWrongAnswersAreReportedWithLineAndBoth(t *testing.T) {
	addr := fake(t, map[string]string{"GET k": "$1\r\nw\r\n", "PING": "+PONG\r\n", "TTL k": ":-1\r\n"})
	err := playText(t, addr, "# t\n\na> GET k\n\"v\"\na> PING\nPONG\n#mask int\na> TTL k\n(integer) <int>\n")
	var first *Mismatch
	if !errors.As(err, &first) {
		t.Fatalf("no mismatch: %v", err)
	}
	want := &Mismatch{File: "d", Line: 3, Source: "a> GET k", Want: []string{`"v"`}, Got: []string{`"w"`}}
	if d := cmp.Diff(want, first); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	text := "d:3: a> GET k\nexpected:\n\t\"v\"\ngot:\n\t\"w\"\n" +
		"d:8: a> TTL k\nexpected:\n\t(integer) <int>\ngot:\n\t(integer) -1\n(#mask int does not fit (integer) -1)"
	if d := cmp.Diff(text, err.Error()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDialogsThatCannotGoOnNameTheirLine(t *testing.T) {
	addr := fake(t, map[string]string{
		"PING": "+PONG\r\n", "GET k": "$-1\r\n", "TWO": "+a\r\n+b\r\n", "BAD": "?\r\n", "HALF": "$5\r\nab", "GONE": "close",
	})
	for _, c := range []struct{ text, want string }{
		{"# t\na> SLOW\nOK\n", "d:2: a> SLOW: no answer within 200ms"},
		{"# t\na> PING\nPONG\na<\nPONG\n", "d:4: a<: no answer within 200ms"},
		{"# t\na> HALF\nOK\n", "d:2: a> HALF: no answer within 200ms"},
		{"# t\na> BAD\nOK\n", "d:2: a> BAD: unknown reply type in \"?\""},
		{"# t\na> GONE\nOK\n", "d:2: a> GONE\nexpected:\n\tOK\ngot:\n\t(closed)"},
		{"# t\na> PING\nPONG\nb> TWO\na\n", "d: after the last line: b: unread answer: b"},
		{"# t\na> TWO\na\n#close a\n", "d:4: #close a: unread answer: b"},
		{"# t\n#silent\na> PING\n", "d: after the last line: a: unread answer: PONG"},
		{"# t\na> GET k &\na<\n(nil)\n", "d:2: a> GET k &: the client does not park: INFO tells blocked_clients:0 and not 1"},
		{"# t\na> PING\n", "d:2: a> PING\nexpected:\n\t\ngot:\n\tPONG"},
	} {
		if err := playText(t, addr, c.text); err == nil || err.Error() != c.want {
			t.Errorf("%q: error\n%v\nwant\n%s", c.text, err, c.want)
		}
	}
}

func TestServersThatRefuseTheBeginningAreReported(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	if err := playText(t, addr, "# t\na> PING\nPONG\n"); err == nil || !strings.HasPrefix(err.Error(), "d:1: dial tcp") {
		t.Errorf("no server: %v", err)
	}
}

// spy takes the place of a test that is expected to fail.
type spy struct {
	testing.TB
	reported []any
}

func (s *spy) Helper()           {}
func (s *spy) Error(args ...any) { s.reported = append(s.reported, args...) }

func TestReplayAgainstRedis(t *testing.T) {
	addr := redistest.Start(t)
	file := filepath.Join(t.TempDir(), "wrong.txtar")
	text := "# A wrong recording.\n\na> SADD s b a\n(integer) 2\n#sorted\na> SMEMBERS s\n1) \"a\"\n2) \"c\"\n" +
		"b> XREAD BLOCK 0 STREAMS x $ &\na> XADD x 1-1 f v\n\"1-1\"\n#close b\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &spy{TB: t}
	Replay(s, addr, file, 2)
	Replay(s, addr, filepath.Join(t.TempDir(), "none.txtar"), 2)
	if len(s.reported) != 2 {
		t.Fatalf("reported: %v", s.reported)
	}
	want := file + ":6: a> SMEMBERS s\nexpected:\n\t1) \"a\"\n\t2) \"c\"\ngot:\n\t1) \"a\"\n\t2) \"b\"\n" +
		file + ":12: #close b: unread answer: "
	if got := s.reported[0].(error).Error(); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := s.reported[1].(error); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
