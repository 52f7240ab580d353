package keyspace

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// exampleNow is when the examples are run, in Unix milliseconds.
const exampleNow = 1763900000_000

// store is as much of Redis as the examples need.
type store struct {
	t       testing.TB
	layout  Layout
	now     int64
	entries map[string]*Entry
	order   []string
}

func newStore(t testing.TB) *store {
	return &store{t: t, layout: Layout{DefaultPrefix}, now: exampleNow, entries: map[string]*Entry{}}
}

// split takes a line of redis-cli apart.
func split(t testing.TB, line string) (args [][]byte) {
	t.Helper()
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimSpace(rest) {
		var word string
		if rest[0] == '\'' {
			var ok bool
			if word, rest, ok = strings.Cut(rest[1:], "'"); !ok {
				t.Fatalf("unbalanced quotes: %s", line)
			}
		} else {
			word, rest, _ = strings.Cut(rest, " ")
		}
		args = append(args, []byte(word))
	}
	return args
}

// expand returns the commands of an example. In it "x# 7 times" stands for seven x, and "# 7 times" at the end of a line for
// seven such lines.
func expand(example string) (lines []string, times []int) {
	for line := range strings.Lines(example) {
		line, n := strings.TrimSpace(line), 1
		if before, after, ok := strings.Cut(line, "x# "); ok {
			count, rest, _ := strings.Cut(after, " times")
			n, _ := strconv.Atoi(count)
			line = before + strings.Repeat("x", n) + rest
		}
		if before, after, ok := strings.Cut(line, " # "); ok {
			line = before
			n, _ = strconv.Atoi(strings.TrimSuffix(after, " times"))
		}
		lines, times = append(lines, line), append(times, n)
	}
	return lines, times
}

func (s *store) run(example string) {
	s.t.Helper()
	lines, times := expand(example)
	for i, line := range lines {
		switch line {
		case "# two hours later":
			s.now += 2 * hour
		case "# delivered nine times":
			s.entries["omni-stream:orders"].Stream.Groups[0].Pending[0].Count = 9
		default:
			for range times[i] {
				s.do(split(s.t, line))
			}
		}
	}
}

func (s *store) at(key string, typ Type) *Entry {
	e := s.entries[key]
	if e == nil {
		e = &Entry{Key: key, Family: s.layout.Family(key), Type: typ, First: true, Last: true}
		s.entries[key] = e
		s.order = append(s.order, key)
	}
	return e
}

func (s *store) do(args [][]byte) {
	s.t.Helper()
	word := func(i int) string { return string(args[i]) }
	switch word(0) {
	case "SET":
		s.at(word(1), String).Text = word(2)
	case "SETEX":
		e := s.at(word(1), String)
		e.Text, e.Expires = word(3), s.now+hour
	case "EXPIRE":
		s.entries[word(1)].Expires = s.now + hour
	case "HSET":
		e := s.at(word(1), Hash)
		for i := 2; i+1 < len(args); i += 2 {
			e.Fields = slices.DeleteFunc(e.Fields, func(f Field) bool { return f.Name == word(i) })
			e.Fields = append(e.Fields, Field{word(i), word(i + 1)})
		}
	case "SADD", "RPUSH":
		e := s.at(word(1), map[string]Type{"SADD": Set, "RPUSH": List}[word(0)])
		for _, arg := range args[2:] {
			if m := (Member{Text: string(arg)}); !slices.Contains(e.Members, m) {
				e.Members = append(e.Members, m)
			}
		}
	case "ZADD":
		e := s.at(word(1), ZSet)
		for i := 2; i+1 < len(args); i += 2 {
			score, err := strconv.ParseFloat(word(i), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			e.Members = append(e.Members, Member{word(i + 1), score})
		}
	case "XADD":
		s.xadd(args)
	case "XGROUP":
		e := s.stream(word(2))
		e.Stream.Groups = append(e.Stream.Groups, Group{Name: word(3)})
	case "XREADGROUP":
		e := s.stream(word(5))
		g := &e.Stream.Groups[0]
		g.Consumers = []Consumer{{Name: word(3), Seen: s.now, Pending: 1}}
		g.Pending, g.Lag = []Pending{{ID: e.Items[0].ID, Consumer: word(3), Delivered: s.now, Count: 1}}, 0
	default:
		s.t.Fatalf("the store has no %s", args[0])
	}
	e := s.entries[word(1)]
	if e != nil {
		e.Size = int64(max(len(e.Text), len(e.Fields), len(e.Members), len(e.Items)))
	}
}

func (s *store) stream(key string) *Entry {
	e := s.at(key, Stream)
	if e.Stream == nil {
		e.Stream = &StreamState{}
	}
	return e
}

func (s *store) xadd(args [][]byte) {
	e := s.stream(string(args[1]))
	id := slices.IndexFunc(args, func(a []byte) bool { return string(a) == "*" })
	item := Item{ID: fmt.Sprintf("%d-%d", s.now, len(e.Items))}
	for i := id + 1; i+1 < len(args); i += 2 {
		item.Fields = append(item.Fields, Field{string(args[i]), string(args[i+1])})
	}
	e.Items = append(e.Items, item)
	e.Stream.LastID = item.ID
	for i := range e.Stream.Groups {
		e.Stream.Groups[i].Lag++
	}
}

// audit judges what is stored.
func (s *store) audit() []Finding {
	a := NewAudit(Checker{Layout: s.layout}, s.now)
	var found []Finding
	for _, key := range s.order {
		found = append(found, a.First(s.entries[key])...)
	}
	a.Doubts()
	for _, key := range s.order {
		if a.Concerns(key) {
			a.Again(s.entries[key])
		}
	}
	return append(found, a.Rest()...)
}
