package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Recorded from redis-server 7.0.15, whose reply was "-", the text and CR LF, with spaces for CR and LF in the text.
var protocolErrors = []struct {
	stream string
	want   Error
}{
	{"*1\r\n$9223372036854775806\r\n", ErrBulkLength},
	{"*1\r\n$9223372036854775807\r\n", ErrBulkLength},
	{"*1\r\n$9223372036854775808\r\n", ErrBulkLength},
	{"*1\r\n$536870913\r\n", ErrBulkLength},
	{"*1\r\n$-1\r\n", ErrBulkLength},
	{"*1\r\n$-0\r\n", ErrBulkLength},
	{"*1\r\n$+4\r\n", ErrBulkLength},
	{"*1\r\n$04\r\n", ErrBulkLength},
	{"*1\r\n$00\r\n", ErrBulkLength},
	{"*1\r\n$\r\n", ErrBulkLength},
	{"*1\r\n$4a\r\n", ErrBulkLength},
	{"*1\r\n$ 4\r\n", ErrBulkLength},
	{"*2147483648\r\n", ErrMultibulkLength},
	{"*9223372036854775807\r\n", ErrMultibulkLength},
	{"*9223372036854775808\r\n", ErrMultibulkLength},
	{"*18446744073709551617\r\n", ErrMultibulkLength},
	{"*-9223372036854775809\r\n", ErrMultibulkLength},
	{"*+1\r\n", ErrMultibulkLength},
	{"*01\r\n", ErrMultibulkLength},
	{"*\r\n", ErrMultibulkLength},
	{"*-\r\n", ErrMultibulkLength},
	{"*-0\r\n", ErrMultibulkLength},
	{"*-00\r\n", ErrMultibulkLength},
	{"*a\r\n", ErrMultibulkLength},
	{"*1 \r\n", ErrMultibulkLength},
	{"*1\n$4\r\nPING\r\n", ErrMultibulkLength},
	{"*1\r\nfoo\r\n", "ERR Protocol error: expected '$', got 'f'"},
	{"*1\r\n:4\r\n", "ERR Protocol error: expected '$', got ':'"},
	{"*1\r\n\xff\r\n", "ERR Protocol error: expected '$', got '\xff'"},
	{"*1\r\n\r\n", "ERR Protocol error: expected '$', got '\r'"},
	{"*1\r\n\n\r\n", "ERR Protocol error: expected '$', got '\n'"},
	{"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "ERR Protocol error: expected '$', got 'f'"},
	{"*" + strings.Repeat("1", 70000), ErrMultibulkLine},
	{"*1\r\n$" + strings.Repeat("1", 70000), ErrBulkLine},
	{"*1\r\n$" + strings.Repeat("1", 65534) + "\r\n", ErrBulkLength},
	{strings.Repeat("x", 65537), ErrInlineLine},
	{"\"PING\r\n", ErrQuotes},
	{"'PING\r\n", ErrQuotes},
	{"\"PING\"x\r\n", ErrQuotes},
	{"set \"\"\"k\"\"\" v\r\nping\r\n", ErrQuotes},
}

func TestProtocolErrors(t *testing.T) {
	for _, c := range protocolErrors {
		lim := DefaultLimits()
		var r Reader
		r.Feed([]byte("PING\r\n" + c.stream))
		if _, _, ok, err := r.Next(&lim); !ok || err != nil {
			t.Errorf("%.40q: the command before it: %v, %v", c.stream, ok, err)
		}
		for range 2 { // the error is final
			if _, _, ok, err := r.Next(&lim); ok || err != error(c.want) {
				t.Errorf("%.40q: got %v, want %q", c.stream, err, c.want)
			}
			r.Feed(encode("PING"))
		}
	}
}

// Recorded from redis-server 7.0.15: no reply, the connection stays open.
func TestReaderWaits(t *testing.T) {
	for _, s := range []string{
		"*1\r\n$536870912\r\n", "*2147483647\r\n", "*1\r\nPING", "*1\n$4\nPING\n", "PING\r", strings.Repeat("x", 65536),
		"*1\x00\r\n$4\r\nPING\r\n", "*1\r\n$4\x00\r\nPING\r\n", "PING\x00\r\nPING\r\n", "\x00\r\n",
	} {
		var r Reader
		got := read(&r, DefaultLimits(), []byte(s))
		if diff := cmp.Diff(transcript{}, got); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", s, diff)
		}
		if r.Pending() != len(s) {
			t.Errorf("%.40q: %d bytes pending of %d", s, r.Pending(), len(s))
		}
	}
}

// A line that a NUL byte keeps from ending is too long after 64 KB.
func TestNULNeverEndsALine(t *testing.T) {
	filler := strings.Repeat("payload\r\n", 8<<10)
	for stream, want := range map[string]Error{
		"\x00" + filler: ErrInlineLine, "*\x00" + filler: ErrMultibulkLine, "$\x00" + filler: ErrInlineLine,
		"*1\r\n\x00" + filler: ErrBulkLine,
	} {
		if got := readAll(stream, DefaultLimits()); got.Err != string(want) || got.Commands != nil {
			t.Errorf("%.8q: %d commands, %q", stream, len(got.Commands), got.Err)
		}
	}
}

// Recorded from redis-server 7.0.15 with requirepass.
func TestUnauthenticatedLimits(t *testing.T) {
	lim := DefaultLimits()
	lim.Unauthenticated = true
	for stream, want := range map[string]string{
		"*10\r\n":              "",
		"*11\r\n":              string(ErrMultibulkAuth),
		"*2147483648\r\n":      string(ErrMultibulkLength),
		"*1\r\n$16384\r\n":     "",
		"*1\r\n$16385\r\n":     string(ErrBulkAuth),
		"*1\r\n$536870913\r\n": string(ErrBulkLength),
	} {
		if got := readAll(stream, lim).Err; got != want {
			t.Errorf("%q: %q, want %q", stream, got, want)
		}
	}
	if got := readAll("PING a b c d e f g h i j k l\r\n", lim); len(got.Commands) != 1 {
		t.Errorf("an inline command of 13 arguments: %+v", got)
	}
}

// Recorded from redis-server 7.0.15: the line behind "RPUSH k" and what LRANGE showed; nil is the error about quotes.
var inlineLines = []struct {
	line string
	want []string
}{
	{"a b", []string{"a", "b"}},
	{" a  b ", []string{"a", "b"}},
	{"a\tb", []string{"a", "b"}},
	{"a\vb", []string{"a\vb"}},
	{"\va", []string{"a"}},
	{"a \vb", []string{"a", "b"}},
	{"a\fb", []string{"a\fb"}},
	{"\fa", []string{"a"}},
	{"a\rb", []string{"a", "b"}},
	{"a\r", []string{"a"}},
	{"a \r", []string{"a"}},
	{"a\x1cb", []string{"a\x1cb"}},
	{"\x1ca", []string{"\x1ca"}},
	{"a\xa0b", []string{"a\xa0b"}},
	{"\xff\xfe", []string{"\xff\xfe"}},
	{"*a", []string{"*a"}},
	{`\`, []string{`\`}},
	{`\n`, []string{`\n`}},
	{`a\ b`, []string{`a\`, "b"}},
	{`"a b"`, []string{"a b"}},
	{`'a b'`, []string{"a b"}},
	{`""`, []string{""}},
	{`''`, []string{""}},
	{`"" ''`, []string{"", ""}},
	{`a"b c"`, []string{"ab c"}},
	{`a'b c'`, []string{"ab c"}},
	{`x""`, []string{"x"}},
	{`x"" y`, []string{"x", "y"}},
	{"\"a\"\tb", []string{"a", "b"}},
	{"\"a\"\vb", []string{"a", "b"}},
	{"\"a\"\rb", []string{"a", "b"}},
	{"\"a\"\r", []string{"a"}},
	{"\"\xff\"", []string{"\xff"}},
	{`"\n\r\t\b\a"`, []string{"\n\r\t\b\a"}},
	{`"\x41\x4a\x4A"`, []string{"AJJ"}},
	{`"\xfF\x00"`, []string{"\xff\x00"}},
	{`"\x4"`, []string{"x4"}},
	{`"\x"`, []string{"x"}},
	{`"\xg1"`, []string{"xg1"}},
	{`"\X41"`, []string{"X41"}},
	{`"\v\0\q"`, []string{"v0q"}},
	{`"\\"`, []string{`\`}},
	{`"a\\"`, []string{`a\`}},
	{`"\""`, []string{`"`}},
	{`"\'"`, []string{`'`}},
	{`"'"`, []string{`'`}},
	{`'"'`, []string{`"`}},
	{`'\''`, []string{`'`}},
	{`'a\'b'`, []string{`a'b`}},
	{`'\n'`, []string{`\n`}},
	{`'\x41'`, []string{`\x41`}},
	{`'\\'`, nil},
	{`'a\'`, nil},
	{`"a\"`, nil},
	{`"a\`, nil},
	{`"a\x4`, nil},
	{`"\x`, nil},
	{`"a`, nil},
	{`'a`, nil},
	{`a"`, nil},
	{`a'`, nil},
	{`"a"b`, nil},
	{`'a'b`, nil},
	{`a"b"c`, nil},
	{`"a""b"`, nil},
	{`'a''b'`, nil},
	{`"a"'b'`, nil},
	{`''''`, nil},
	{`"a" "b`, nil},
	{`\"a b\"`, nil},
	{`"\x41"B`, nil},
	{"\"a\"\xa0", nil},
}

func TestInlineQuoting(t *testing.T) {
	for _, c := range inlineLines {
		stream := "RPUSH k " + c.line + "\r\n"
		want := transcript{Err: string(ErrQuotes)}
		if c.want != nil {
			want = transcript{Commands: []command{{append([]string{"RPUSH", "k"}, c.want...), stream}}}
		}
		if diff := cmp.Diff(want, readAll(stream, DefaultLimits())); diff != "" {
			t.Errorf("%q (-redis +reader):\n%s", c.line, diff)
		}
	}
}
