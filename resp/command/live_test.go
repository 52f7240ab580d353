package command

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// live is a connection to a real redis-server.
type live struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, proto int) *live {
	t.Helper()
	return redial(t, redistest.Start(t), proto)
}

func redial(t *testing.T, addr string, proto int) *live {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	l := &live{t, conn, bufio.NewReader(conn)}
	if err, failed := l.do(call("HELLO", strconv.Itoa(proto))).(failure); failed {
		t.Fatal(err)
	}
	return l
}

// call makes the arguments of a command.
func call(words ...string) [][]byte {
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	return args
}

func (l *live) do(args [][]byte) any {
	l.t.Helper()
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := l.conn.Write(b); err != nil {
		l.t.Fatal(err)
	}
	v, err := decode(l.r)
	if err != nil {
		l.t.Fatalf("reply to %q: %v", args, err)
	}
	return v
}

// Replies keep their RESP type: status, failure, int64, string (bulk), []any
// (array), set, map[string]any, and nil for every null.
type (
	status  string
	failure string
	set     []any
)

func decode(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, text := line[0], line[1:len(line)-2]
	switch kind {
	case '+':
		return status(text), nil
	case '-':
		return failure(text), nil
	case '_':
		return nil, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("decode %q: %w", line, err)
	}
	switch kind {
	case ':':
		return int64(n), nil
	case '$':
		return decodeBulk(r, n)
	case '*':
		return decodeList(r, n)
	case '~':
		list, err := decodeList(r, n)
		return set(list), err
	case '%':
		return decodeMap(r, n)
	}
	return nil, fmt.Errorf("decode %q: unknown type", line)
}

func decodeBulk(r *bufio.Reader, n int) (any, error) {
	if n < 0 {
		return nil, nil
	}
	b := make([]byte, n+2)
	_, err := io.ReadFull(r, b)
	return string(b[:n]), err
}

func decodeList(r *bufio.Reader, n int) (list []any, err error) {
	list = []any{}
	for len(list) < n && err == nil {
		var v any
		v, err = decode(r)
		list = append(list, v)
	}
	return list, err
}

func decodeMap(r *bufio.Reader, n int) (map[string]any, error) {
	list, err := decodeList(r, 2*n)
	if err != nil {
		return nil, err
	}
	m := map[string]any{}
	for i := 0; i < len(list); i += 2 {
		m[list[i].(string)] = list[i+1]
	}
	return m, nil
}

// written is err as a client decodes it.
func written(err error) any {
	var w wire.Writer
	w.Error(err)
	v, _ := decode(bufio.NewReader(bytes.NewReader(w.Bytes())))
	return v
}
