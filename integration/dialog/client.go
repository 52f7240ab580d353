package dialog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// answerTimeout is how long a server may take for one answer.
const answerTimeout = 5 * time.Second

// client is one connection of a dialog.
type client struct {
	conn    *net.TCPConn
	in      *bufio.Reader
	timeout time.Duration
}

// connect opens a connection that speaks proto.
func connect(addr string, proto int, timeout time.Duration) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn.(*net.TCPConn), in: bufio.NewReader(conn), timeout: timeout}
	if proto == 3 {
		hello, err := c.ask("HELLO", "3")
		if err == nil && hello.kind != '%' {
			err = fmt.Errorf("HELLO 3: %s", strings.Join(hello.render(), " "))
		}
		if err != nil {
			conn.Close()
			return nil, err
		}
	}
	return c, nil
}

// command returns words as a request.
func command(words ...string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// send writes bytes. A server that closed the connection is found out by the
// next answer, not here.
func (c *client) send(bytes string) error {
	c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
	_, err := c.conn.Write([]byte(bytes))
	if hungUp(err) {
		return nil
	}
	return err
}

// receive reads one reply; io.EOF means that the server closed the connection.
func (c *client) receive() (value, error) {
	c.conn.SetReadDeadline(time.Now().Add(c.timeout))
	v, err := readValue(c.in)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return v, fmt.Errorf("no answer within %v", c.timeout)
	}
	if hungUp(err) {
		err = io.EOF
	}
	return v, err
}

func hungUp(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (c *client) ask(words ...string) (value, error) {
	if err := c.send(command(words...)); err != nil {
		return value{}, err
	}
	v, err := c.receive()
	if err == io.EOF {
		err = fmt.Errorf("connection closed in place of an answer to %s", words[0])
	}
	return v, err
}

// hangUp closes the connection and returns when the server has noticed. An
// answer nobody waited for is an error.
func (c *client) hangUp() error {
	defer c.conn.Close()
	if err := c.conn.CloseWrite(); err != nil && !hungUp(err) && !errors.Is(err, syscall.ENOTCONN) {
		return err
	}
	v, err := c.receive()
	switch {
	case err == io.EOF:
		return nil
	case err != nil:
		return fmt.Errorf("hang up: %w", err)
	}
	return fmt.Errorf("unread answer: %s", strings.Join(v.render(), "\n\t"))
}

// blocked asks the server how many clients it holds blocked.
func blocked(addr string, timeout time.Duration) (int, error) {
	c, err := connect(addr, 2, timeout)
	if err != nil {
		return 0, err
	}
	info, err := c.ask("INFO", "clients")
	if err := errors.Join(err, c.hangUp()); err != nil {
		return 0, err
	}
	_, after, ok := strings.Cut(info.text, "blocked_clients:")
	digits, _, _ := strings.Cut(after, "\r\n")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return 0, fmt.Errorf("INFO clients has no blocked_clients: %s", strings.Join(info.render(), " "))
	}
	return n, nil
}
