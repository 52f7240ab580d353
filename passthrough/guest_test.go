package passthrough

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// value is a reply, read.
type value struct {
	kind byte // as on the wire; 0: the connection was lost before it came
	text string
	list []value
}

func (v value) String() string {
	if v.list != nil {
		return fmt.Sprintf("%c%v", v.kind, v.list)
	}
	return fmt.Sprintf("%c%.100s", v.kind, v.text)
}

func (v value) failed() bool { return v.kind == 0 || v.kind == '-' }

// readValue reads one value of either protocol.
func readValue(in *bufio.Reader) (value, error) {
	line, err := in.ReadString('\n')
	if err != nil || len(line) < 3 {
		return value{}, fmt.Errorf("a line of %q, %w", line, err)
	}
	v := value{kind: line[0], text: line[1 : len(line)-2]}
	n, _ := strconv.Atoi(v.text)
	switch v.kind {
	case '+', '-', ':', '_', ',', '#':
		return v, nil
	case '$':
		if n < 0 {
			return value{kind: '_'}, nil
		}
		text := make([]byte, n+2)
		_, err := io.ReadFull(in, text)
		v.text = string(text[:n])
		return v, err
	case '%':
		n *= 2
	case '*', '>', '~':
		if n < 0 {
			return value{kind: '_'}, nil
		}
	default:
		return v, fmt.Errorf("a reply that begins with %.40q", line)
	}
	v.text, v.list = "", []value{}
	for range n {
		item, err := readValue(in)
		if err != nil {
			return v, err
		}
		v.list = append(v.list, item)
	}
	return v, nil
}

// deed is what became of a command that leaves a trace.
type deed int

const (
	unknown deed = iota
	done
	undone
)

// outcome tells from an error what became of a command; the error of no command that was done is among those that say it
// was not.
func (v value) outcome() (deed, error) {
	switch {
	case v.kind == 0:
		return unknown, nil
	case v.kind != '-':
		return done, nil
	}
	switch wire.Error(v.text) {
	case errUnanswered:
		return unknown, nil
	case errUnavailable, errTransaction, errExecLost:
		return undone, nil
	}
	return undone, fmt.Errorf("an error that is not documented: %s", v)
}

// guest is a client of the storm, who knows what it did and so what it may be told.
type guest struct {
	storm   *storm
	id      int
	proto   int
	weather *weather // between it and the proxy; nil if there is none
	rand    *rand.Rand
	nc      net.Conn
	in      *bufio.Reader
	hears   bool // is subscribed to its own channel, in RESP3

	n        int // number of the last thing it did
	commands int
	slowest  time.Duration
	db       int

	traces  map[string]map[int]deed // of each key: what was written there
	heard   map[int]bool            // messages
	popped  map[string]bool         // what it took
	counted int                     // the last answer of INCR
	counts  int                     // how many INCR may have been done
}

// name is a key, or another word, of this guest's own.
func (g *guest) name(of string) string { return fmt.Sprintf("%s:%d", of, g.id) }

// mark is a text that nobody else sends, and this guest only once.
func (g *guest) mark() string {
	g.n++
	return fmt.Sprintf("%d:%d", g.id, g.n)
}

// meet connects, and says who this is, until that is done.
func (g *guest) meet() error {
	for {
		g.leave()
		addr := g.storm.addr
		if g.weather != nil {
			addr = g.weather.addr
		}
		nc, err := net.Dial("tcp", addr)
		if err != nil && g.weather != nil {
			continue // torn as soon as it was accepted
		}
		if err != nil {
			return err
		}
		g.nc, g.in, g.db = nc, bufio.NewReader(nc), 0
		ok, err := g.introduce()
		if ok || err != nil {
			return err
		}
	}
}

// introduce says what a client library says at the beginning. It is said again while Redis is not there.
func (g *guest) introduce() (ok bool, err error) {
	words := [][]string{{"PING"}}
	if g.proto == 3 {
		words = append(words, []string{"HELLO", "3"})
	}
	if g.hears {
		words = append(words, []string{"SUBSCRIBE", g.name("channel")})
	}
	for _, w := range words {
		for {
			if err := g.write(w); err != nil {
				return false, g.lost(err, false)
			}
			v, err := g.next(w[0] == "SUBSCRIBE")
			if err != nil {
				return false, g.lost(err, false)
			}
			if _, err := v.outcome(); err != nil {
				return false, err
			}
			if !v.failed() {
				break
			}
		}
	}
	return true, nil
}

func (g *guest) leave() {
	if g.nc != nil {
		g.nc.Close()
	}
}

// lost judges the end of a connection. It is the weather's work, or a long reply had begun.
func (g *guest) lost(err error, long bool) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no answer in time: %w", err)
	}
	if g.weather != nil && g.weather.failed(g.nc) || long {
		return nil
	}
	return fmt.Errorf("the connection was lost: %w", err)
}

func (g *guest) write(commands ...[]string) error {
	var w wire.Writer
	for _, words := range commands {
		w.Array(len(words))
		for _, word := range words {
			w.BulkString(word)
		}
	}
	g.nc.SetDeadline(time.Now().Add(patience))
	_, err := g.nc.Write(w.Bytes())
	return err
}

// next reads a reply. Messages that come before it are looked at; one that confirms a subscription is a reply, too.
func (g *guest) next(confirms bool) (value, error) {
	for {
		v, err := readValue(g.in)
		if err != nil || v.kind != '>' {
			return v, err
		}
		if len(v.list) == 3 && v.list[0].text == "subscribe" && v.list[1].text == g.name("channel") {
			if confirms {
				return v, nil
			}
			return v, fmt.Errorf("a confirmation that nobody asked for: %s", v)
		}
		if err := g.hear(v); err != nil {
			return v, err
		}
	}
}

// hear looks at a message of its channel: each comes at most once.
func (g *guest) hear(v value) error {
	if len(v.list) != 3 || v.list[0].text != "message" || v.list[1].text != g.name("channel") {
		return fmt.Errorf("a message for somebody else: %s", v)
	}
	n, ok := g.own(v.list[2].text)
	if !ok || g.heard[n] {
		return fmt.Errorf("a message that is not its own, or comes again: %s", v)
	}
	g.heard[n] = true
	return nil
}

// own is the number of one of the guest's marks.
func (g *guest) own(text string) (n int, ok bool) {
	id, number, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(number)
	return n, err == nil && id == strconv.Itoa(g.id) && n <= g.n
}

// say sends commands in one write and returns their replies. When the connection is lost, the rest have none, and there is
// a new one.
func (g *guest) say(commands ...[]string) ([]value, error) {
	began := time.Now()
	defer func() { g.slowest = max(g.slowest, time.Since(began)) }()
	g.commands += len(commands)
	replies := make([]value, len(commands))
	wrote := make(chan error, 1)
	go func() { wrote <- g.write(commands...) }()
	for i := range replies {
		v, err := g.next(false)
		if err != nil {
			long := commands[i][0] == "GET" && strings.HasPrefix(commands[i][1], "big:")
			judged := g.lost(fmt.Errorf("in the reply to %.60q: %w", commands[i], err), long)
			g.leave() // not before: another connection could get its port
			<-wrote
			if judged != nil {
				return nil, judged
			}
			return replies, g.meet()
		}
		replies[i] = v
	}
	<-wrote
	return replies, nil
}
