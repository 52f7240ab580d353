package pyjson_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// python answers what Python's json module makes of a text.
type python struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Reader
}

// answer is one of: the two layouts; a JSONDecodeError; a refusal before the
// text was parsed, because it is no UTF-8.
type answer struct {
	dumps, indented string
	msg             string
	line, column    int
	notUTF8         bool
}

// oracle reads a question and a base64 text per line. Surrogates are let through
// and pairs of them joined, as the package documents.
const oracle = `
import base64, json, sys
if hasattr(sys, "set_int_max_str_digits"): sys.set_int_max_str_digits(0)
def b64(s): return base64.b64encode(s.encode()).decode()
def join(s): return s.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
def joined(pairs): return {join(k): v for k, v in pairs}
def text(raw): return raw.decode("utf-8", "surrogatepass")
def quote(raw): return b64(json.dumps(text(raw))) if join(text(raw)) == text(raw) else "utf8"
def quotebytes(raw): return b64(json.dumps(raw.decode("utf-8", "surrogateescape")))
def loads(raw):
    value = json.loads(text(raw), object_pairs_hook=joined if b"\xed" in raw else None)
    return "value " + b64(json.dumps(value)) + " " + b64(json.dumps(value, indent=2))
for line in sys.stdin:
    question, _, arg = line.partition(" ")
    try: answer = globals()[question](base64.b64decode(arg))
    except UnicodeDecodeError: answer = "utf8"
    except json.JSONDecodeError as e: answer = f"error {e.lineno} {e.colno} {b64(e.msg)}"
    print(answer, flush=True)
`

func startPython(t testing.TB) *python {
	t.Helper()
	cmd := exec.Command("python3", "-c", oracle)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("the oracle of these tests: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("python3: %v", err)
		}
	})
	return &python{t: t, in: in, out: bufio.NewReader(out)}
}

// loads reports what json.loads makes of a text.
func (p *python) loads(text []byte) (a answer) {
	switch f := strings.Fields(p.ask("loads", text)); f[0] {
	case "utf8":
		a.notUTF8 = true
	case "error":
		var msg string
		fmt.Sscan(strings.Join(f[1:], " "), &a.line, &a.column, &msg)
		a.msg = decode64(msg)
	case "value":
		a.dumps, a.indented = decode64(f[1]), decode64(f[2])
	}
	return a
}

// quote is the literal of a string; it is not ok for what is no WTF-8.
func (p *python) quote(s []byte) (lit string, ok bool) {
	if a := p.ask("quote", s); a != "utf8" {
		return decode64(a), true
	}
	return "", false
}

// quoteBytes is the literal of any bytes by errors="surrogateescape".
func (p *python) quoteBytes(b []byte) string { return decode64(p.ask("quotebytes", b)) }

func (p *python) ask(question string, arg []byte) string {
	fmt.Fprintln(p.in, question, base64.StdEncoding.EncodeToString(arg))
	answer, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("python3 gave no answer to %s %q: %v", question, arg, err)
	}
	return strings.TrimSuffix(answer, "\n")
}

func decode64(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
