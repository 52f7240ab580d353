package aof

import (
	"bytes"
	"errors"
	"io"
	"strconv"
)

// errPreamble is what Redis' default leaves behind: a base that is an RDB file.
var errPreamble = errors.New("written by Redis with an RDB preamble; set aof-use-rdb-preamble no, " +
	"let Redis rewrite it (BGREWRITEAOF) and start again")

// head reads how a base begins: "#base seq=18" if it is ours. Any other was written by a real Redis.
func (s *scanner) head() (seq uint64, ours bool, err error) {
	s.theirs = true
	s.begin()
	begins := func(with string) bool {
		return s.need(int64(len(with))) == nil && string(s.buf[s.pos:s.pos+len(with)]) == with
	}
	if begins("REDIS") {
		return 0, false, errPreamble
	}
	if !begins(baseField) {
		return 0, false, nil
	}
	line, err := s.line()
	if err != nil {
		return 0, true, err
	}
	if seq, err = strconv.ParseUint(string(line[len(baseField):]), 10, 64); err != nil {
		return 0, true, s.damaged("%q is no head of a base", line)
	}
	return seq, true, nil
}

// part reads the commands of a base of ours up to the next line, which covers them. The first part includes the head.
func (s *scanner) part() (last bool, err error) {
	for {
		c, err := s.peek()
		if err == io.EOF {
			return false, damage{"the base has no end", true}
		}
		if err != nil {
			return false, err
		}
		if c == '#' {
			break
		}
		if err := s.add(); err != nil {
			return false, err
		}
	}
	line, err := s.line()
	if err != nil {
		return false, err
	}
	tag, err := s.closed(line)
	if err != nil {
		return false, err
	}
	if string(tag) == partTag {
		return false, nil
	}
	if string(tag) != endTag {
		return false, s.damaged("unknown annotation %q", line)
	}
	if _, err := s.peek(); err != io.EOF {
		return false, s.damaged("the base goes on after its end")
	}
	return true, nil
}

// add reads a command of a base: an effect, or a SELECT.
func (s *scanner) add() error {
	c, err := s.command()
	if err != nil {
		return err
	}
	if s.is(c, "SELECT", 2) {
		return s.choose(c)
	}
	s.cmds = append(s.cmds, c)
	return nil
}

// unit reads a unit of an increment, or of a base that a real Redis wrote; io.EOF after the last.
//
// Ours is: [SELECT #select] [effect | MULTI effects EXEC] #unit. Theirs is: [SELECT] effect | [SELECT] MULTI effects
// EXEC, where newer ones write SELECT after MULTI.
func (s *scanner) unit() (unit, error) {
	s.begin()
	bare, first, err := s.opening()
	if err != nil {
		return unit{}, err
	}
	if first.n > 0 {
		inside, err := s.body(first)
		if err != nil {
			return unit{}, err
		}
		bare = bare || inside
	}
	if c, err := s.peek(); err == nil && c == '#' {
		at := s.pos
		line, err := s.line()
		switch {
		case err != nil:
			return unit{}, err
		case bytes.HasPrefix(line, []byte(syncField)):
			s.pos = at
		case !bytes.HasPrefix(line, []byte(timeTag)):
			return s.closing(line)
		}
	}
	if !bare && !s.theirs {
		return unit{}, s.damaged("it has no #unit line")
	}
	s.theirs = true
	return unit{}, nil
}

// opening reads up to the first command that is no SELECT, and that command. No command (n = 0): a #unit line is next.
// bare: there was a SELECT without its line.
func (s *scanner) opening() (bare bool, first effect, err error) {
	for {
		c, err := s.peek()
		if err == io.EOF && s.pos > s.start {
			err = damage{"the file ends inside it", true}
		}
		if err != nil {
			return false, first, err
		}
		if c == '#' {
			at := s.pos
			line, err := s.line()
			switch {
			case err != nil:
				return false, first, err
			case bytes.HasPrefix(line, []byte(timeTag)):
				if at == s.start {
					s.begin()
				}
			case bytes.HasPrefix(line, []byte(unitField)):
				s.pos = at
				return bare, first, nil
			case bytes.HasPrefix(line, []byte(syncField)) && at == s.start:
				if err := s.proof(line); err != nil {
					return false, first, err
				}
			default:
				return false, first, s.damaged("annotation %q in its place", line)
			}
			continue
		}
		if first, err = s.command(); err != nil || !s.is(first, "SELECT", 2) {
			return bare, first, err
		}
		if err := s.choose(first); err != nil {
			return false, first, err
		}
		ours, err := s.selectLine()
		if err != nil {
			return false, first, err
		}
		first, bare = effect{}, bare || !ours
	}
}

// proof reads the line that says how far the log was synced.
func (s *scanner) proof(line []byte) error {
	text, err := s.closed(line)
	if err != nil {
		return err
	}
	seq, err := strconv.ParseUint(string(text[len(syncField):]), 10, 64)
	if err != nil {
		return s.damaged("annotation %q has no seq", line)
	}
	s.synced, s.syncedAt = seq, s.offset()
	s.begin()
	return nil
}

// selectLine reads the line that closes a SELECT of ours, if there is one.
func (s *scanner) selectLine() (ours bool, err error) {
	if err := s.need(int64(len(selectTag))); err != nil || !bytes.HasPrefix(s.buf[s.pos:], []byte(selectTag)) {
		return false, nil
	}
	line, err := s.line()
	if err != nil {
		return false, err
	}
	tag, err := s.closed(line)
	if err != nil {
		return false, err
	}
	if string(tag) != selectTag {
		return false, s.damaged("unknown annotation %q", line)
	}
	s.theirs = false
	return true, nil
}

// body takes first as an effect, or as the MULTI before effects. bare: SELECT follows MULTI, as newer Redis write it.
func (s *scanner) body(first effect) (bare bool, err error) {
	if s.is(first, "EXEC", 1) {
		return false, s.damaged("EXEC without MULTI")
	}
	if !s.is(first, "MULTI", 1) {
		s.cmds = append(s.cmds, first)
		return false, nil
	}
	for opened := true; ; {
		switch c, err := s.peek(); {
		case err == io.EOF:
			return false, damage{"the file ends inside it", true}
		case err != nil:
			return false, err
		case c == '#':
			line, err := s.line()
			if err != nil {
				return false, err
			}
			if !bytes.HasPrefix(line, []byte(timeTag)) {
				return false, s.damaged("annotation %q inside MULTI", line)
			}
			continue
		}
		c, err := s.command()
		switch {
		case err != nil:
			return false, err
		case s.is(c, "EXEC", 1):
			return bare, nil
		case s.is(c, "MULTI", 1):
			return false, s.damaged("MULTI inside MULTI")
		case s.is(c, "SELECT", 2):
			if err := s.choose(c); err != nil {
				return false, err
			}
			bare = bare || opened
		default:
			s.cmds = append(s.cmds, c)
		}
		opened = false
	}
}

// closing reads the line of a unit of ours.
func (s *scanner) closing(line []byte) (unit, error) {
	if !bytes.HasPrefix(line, []byte(unitField)) {
		return unit{}, s.damaged("unknown annotation %q", line)
	}
	text, err := s.closed(line)
	if err != nil {
		return unit{}, err
	}
	seq, note, ok := parseUnit(text)
	if !ok || seq == 0 {
		return unit{}, s.damaged("annotation %q has no seq", line)
	}
	s.theirs = false
	return unit{seq, note}, nil
}
