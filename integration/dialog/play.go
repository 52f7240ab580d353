package dialog

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Mismatch is an answer that is not the recorded one.
type Mismatch struct {
	File      string
	Line      int    // of the line that was answered
	Source    string // that line
	Want, Got []string
	Err       error // why Got could not be looked at as the directives say, or nil
}

// Error names the place and shows both answers.
func (m *Mismatch) Error() string {
	text := fmt.Sprintf("%s:%d: %s\nexpected:\n\t%s\ngot:\n\t%s", m.File, m.Line, m.Source,
		strings.Join(m.Want, "\n\t"), strings.Join(m.Got, "\n\t"))
	if m.Err != nil {
		text += "\n(" + m.Err.Error() + ")"
	}
	return text
}

// Replay plays the dialog in file against the server at addr and reports every
// answer that is not the recorded one. proto is 2 or 3.
func Replay(t testing.TB, addr, file string, proto int) {
	t.Helper()
	if err := Play(addr, file, proto); err != nil {
		t.Error(err)
	}
}

// Play is Replay for those who want the errors: each is a *[Mismatch], or says
// with file and line why the dialog could not go on.
func Play(addr, file string, proto int) error {
	f, err := Load(file)
	if err != nil {
		return err
	}
	return f.play(addr, proto, answerTimeout)
}

func (f *File) play(addr string, proto int, timeout time.Duration) error {
	sc, err := f.script(proto)
	if err != nil {
		return err
	}
	var wrong []error
	p := &player{path: f.path, addr: addr, proto: proto, timeout: timeout}
	p.heard = func(s *step, got []string, err error) error {
		if err != nil || !slices.Equal(got, s.answer) {
			wrong = append(wrong, &Mismatch{File: f.path, Line: s.line, Source: s.source, Want: s.answer, Got: got, Err: err})
		}
		return nil
	}
	return errors.Join(append(wrong, p.run(sc))...)
}

// player holds one conversation.
type player struct {
	path    string
	addr    string
	proto   int
	timeout time.Duration
	clients map[string]*client
	parked  map[string]bool
	saved   map[string]string
	// heard gets the text of an answer, and why it does not fit its
	// directives; it may end the conversation with an error.
	heard func(s *step, got []string, err error) error
}

func (p *player) run(sc *script) (err error) {
	if err := p.flush(); err != nil {
		return fmt.Errorf("%s:1: %w", p.path, err)
	}
	p.clients, p.parked, p.saved = map[string]*client{}, map[string]bool{}, map[string]string{}
	defer func() {
		for _, c := range p.clients {
			c.conn.Close()
		}
	}()
	for len(sc.steps) > 0 {
		n := 1 + slices.IndexFunc(sc.steps, func(s *step) bool { return !s.joined })
		if s, err := p.do(sc.steps[:n]); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", p.path, s.line, s.source, err)
		}
		sc = &script{steps: sc.steps[n:]}
	}
	for _, name := range slices.Sorted(maps.Keys(p.clients)) {
		c := p.clients[name]
		delete(p.clients, name)
		if err := c.hangUp(); err != nil {
			return fmt.Errorf("%s: after the last line: %s: %w", p.path, name, err)
		}
	}
	return nil
}

// flush empties the server.
func (p *player) flush() error {
	c, err := connect(p.addr, 2, p.timeout)
	if err != nil {
		return err
	}
	answer, err := c.ask("FLUSHALL")
	if err == nil && answer.kind != '+' {
		err = fmt.Errorf("FLUSHALL: %s", strings.Join(answer.render(), " "))
	}
	return errors.Join(err, c.hangUp())
}

// do takes the steps that one write brings; an error belongs to the returned
// step.
func (p *player) do(steps []*step) (*step, error) {
	last := steps[len(steps)-1]
	c, err := p.client(last.client)
	if err != nil {
		return last, err
	}
	switch last.action {
	case hear:
		return last, p.hear(c, last)
	case hangUp:
		return last, p.leave(c, last.client)
	}
	waiting := 0
	if last.parks {
		if waiting, err = blocked(p.addr, p.timeout); err != nil {
			return last, err
		}
	}
	var request strings.Builder
	for _, s := range steps {
		request.WriteString(p.request(s))
	}
	if err := c.send(request.String()); err != nil {
		return last, err
	}
	for _, s := range steps {
		if s.answered() {
			if err := p.hear(c, s); err != nil {
				return s, err
			}
		}
	}
	if last.parks {
		p.parked[last.client] = true
		return last, p.awaitBlocked(waiting + 1)
	}
	return nil, nil
}

// leave has a client hang up. If it is parked it must not be served any more when leave returns, and a server behind a proxy
// may notice later than the proxy that it has left.
func (p *player) leave(c *client, name string) error {
	delete(p.clients, name)
	if !p.parked[name] {
		return c.hangUp()
	}
	delete(p.parked, name)
	waiting, err := blocked(p.addr, p.timeout)
	if err == nil {
		err = c.hangUp()
	}
	if err != nil {
		return err
	}
	return p.awaitBlocked(waiting - 1)
}

func (p *player) client(name string) (*client, error) {
	if c := p.clients[name]; c != nil {
		return c, nil
	}
	c, err := connect(p.addr, p.proto, p.timeout)
	if err == nil {
		p.clients[name] = c
	}
	return c, err
}

func (p *player) request(s *step) string {
	if s.action == sayRaw {
		return s.raw
	}
	var words []string
	for _, w := range s.words {
		text := w.text
		if name, ok := w.reference(); ok {
			text = p.saved[name]
		}
		words = append(words, text)
	}
	return command(words...)
}

// hear reads the answer of a step.
func (p *player) hear(c *client, s *step) error {
	v, err := c.receive()
	delete(p.parked, s.client)
	if err == io.EOF {
		return p.heard(s, []string{closed}, nil)
	}
	if err != nil {
		return err
	}
	if s.save != "" {
		p.saved[s.save] = v.text
	}
	lines, err := s.look(v)
	return p.heard(s, lines, err)
}

// awaitBlocked returns when the server holds n clients blocked: only then may
// others act, or the dialog would depend on who was faster.
func (p *player) awaitBlocked(n int) error {
	for deadline := time.Now().Add(p.timeout); ; time.Sleep(time.Millisecond) {
		now, err := blocked(p.addr, p.timeout)
		if err != nil || now == n {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the client does not park: INFO tells blocked_clients:%d and not %d", now, n)
		}
	}
}
