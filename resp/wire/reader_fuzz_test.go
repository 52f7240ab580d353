package wire

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/redcon"
)

func addCorpus(f *testing.F, add func(stream []byte)) {
	for _, s := range corpus() {
		add([]byte(s))
	}
	for _, c := range inlineLines {
		add([]byte("RPUSH k " + c.line + "\r\n"))
	}
}

// FuzzReader cuts any stream in two and in three: the commands and the error are those of the whole, the raw bytes stand in
// the stream in order, and what the Reader holds is bounded by the bytes it was given.
func FuzzReader(f *testing.F) {
	addCorpus(f, func(stream []byte) {
		f.Add(stream, uint16(len(stream)/2), uint16(7), false)
		f.Add(stream, uint16(len(stream)/3), uint16(1), true)
	})
	f.Fuzz(func(t *testing.T, stream []byte, a, b uint16, small bool) {
		lim := DefaultLimits()
		if small {
			lim = Limits{Bulk: 40, Args: 15, Inline: 30, Query: 100, Unauthenticated: true}
		}
		i := int(a) % (len(stream) + 1)
		j := i + int(b)%(len(stream)-i+1)

		want := readAll(string(stream), lim)
		for _, pieces := range [][][]byte{{stream[:i], stream[i:]}, {stream[:i], stream[i:j], stream[j:]}} {
			var r Reader
			if diff := cmp.Diff(want, read(&r, lim, pieces...)); diff != "" {
				t.Fatalf("pieces %q (-whole +cut):\n%s", pieces, diff)
			}
			if n := len(stream); cap(r.buf) > 2*n+64 || cap(r.args) > 4*n+64 || cap(r.cmd.spans) > n+64 {
				t.Fatalf("%d bytes fed: holds %d bytes, %d arguments, %d spans", n, cap(r.buf), cap(r.args), cap(r.cmd.spans))
			}
			if r.Pending() > len(stream) {
				t.Fatalf("%d bytes fed, %d pending", len(stream), r.Pending())
			}
		}

		left := string(stream)
		for _, c := range want.Commands {
			at := strings.Index(left, c.Raw)
			if at < 0 {
				t.Fatalf("raw %q does not follow in the stream", c.Raw)
			}
			left = left[at+len(c.Raw):]
			if len(c.Args) == 0 {
				t.Fatalf("raw %q has no arguments", c.Raw)
			}
		}
	})
}

// plainLine is an inline command that every parser reads alike.
var plainLine = regexp.MustCompile(`^[A-Za-z0-9:._-]+( [A-Za-z0-9:._-]+)*\r?\n$`)

// plain tells whether each command was sent in the one way all parsers agree on.
func plain(commands []command) bool {
	for _, c := range commands {
		if c.Raw[0] == '*' && c.Raw != string(encode(c.Args...)) || c.Raw[0] != '*' && !plainLine.MatchString(c.Raw) {
			return false
		}
	}
	return true
}

// redconReads is what redcon v1.6.4 makes of a stream; the raw bytes of an inline command, which redcon rewrites, are those
// of an equal command of ours.
func redconReads(stream []byte, ours []command) transcript {
	var got transcript
	r := redcon.NewReader(bytes.NewReader(stream))
	for {
		cmd, err := r.ReadCommand()
		if err == io.EOF {
			return got
		}
		if err != nil {
			got.Err = err.Error()
			return got
		}
		c := command{Raw: string(cmd.Raw)}
		for _, a := range cmd.Args {
			c.Args = append(c.Args, string(a))
		}
		if i := len(got.Commands); i < len(ours) && ours[i].Raw[0] != '*' && c.Raw == string(encode(ours[i].Args...)) {
			c.Raw = ours[i].Raw
		}
		got.Commands = append(got.Commands, c)
	}
}

// FuzzReaderAgainstRedcon compares with redcon's parser where the stream is nothing but whole commands in their plain form,
// by the judgement of either parser. Streams with long numbers are left out: redcon panics or loops on forged lengths.
func FuzzReaderAgainstRedcon(f *testing.F) {
	addCorpus(f, func(stream []byte) { f.Add(stream) })
	f.Add([]byte("PING\nGET a\r\n" + string(encode("SET", "*1\r\n$4\r\nPING\r\n", ""))))
	longNumber := regexp.MustCompile(`[0-9]{6}`)
	f.Fuzz(func(t *testing.T, stream []byte) {
		if longNumber.Match(stream) {
			return
		}
		var r Reader
		ours := read(&r, DefaultLimits(), stream)
		theirs := redconReads(stream, ours.Commands)
		whole := func(got transcript) bool {
			var raw strings.Builder
			for _, c := range got.Commands {
				raw.WriteString(c.Raw)
			}
			return got.Err == "" && raw.String() == string(stream) && plain(got.Commands)
		}
		if !whole(ours) && !whole(theirs) {
			return
		}
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Fatalf("%q (-redcon +ours):\n%s", stream, diff)
		}
	})
}
