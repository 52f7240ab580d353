package tool

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// files judges the JSON files of a directory as they stand on the disk. The error says that one cannot be read as JSON, so
// that the keys cannot be known.
func (r *validation) files(name string) error {
	if source.IsURL(name) {
		return nil
	}
	dir, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	documents, err := (&source.Source{Name: name, Dir: dir}).Documents()
	if err != nil {
		return err
	}
	var unreadable error
	for _, d := range documents {
		f := fileJudge{validation: r, document: d}
		if err := pyjson.Check(d.Text); err != nil {
			syntax, _ := errors.AsType[*pyjson.SyntaxError](err)
			f.report(keyspace.FileShape, "", syntax.Offset, "no JSON: %s", syntax.Msg)
			unreadable = fmt.Errorf("%s cannot be read as JSON: what depends on it was not judged", d.Path)
			continue
		}
		f.judge()
	}
	for _, trace := range []string{".health_check", "agents.tmp", "results.tmp", "metrics.tmp", "config.tmp"} {
		if _, err := os.Stat(filepath.Join(dir, trace)); err == nil {
			r.keep(Problem{
				Finding: keyspace.Finding{Rule: keyspace.AnotherWriter, Text: trace + ": OmniDaemon's JSON store writes this directory, or was cut short while it did"},
				At:      source.Position{File: filepath.Join(name, trace), Line: 1, Column: 1},
			})
		}
	}
	return unreadable
}

// keep takes a finding in that needs no place.
func (r *validation) keep(p Problem) {
	p.Source = r.result.Source
	if r.wanted(p) {
		r.result.Problems = append(r.result.Problems, p)
	}
}

// fileJudge judges one file.
type fileJudge struct {
	*validation
	document *source.Document
}

// report takes a finding in; path says which part of the document it is about, as a JSON pointer does.
func (f *fileJudge) report(rule keyspace.ID, path string, offset int, format string, a ...any) {
	f.keep(Problem{
		Finding: keyspace.Finding{Rule: rule, Field: path, Text: f.document.Name + ": " + fmt.Sprintf(format, a...)},
		At:      f.document.Position(offset),
	})
}

// offset returns where a part of the document begins: pyjson returns parts of what it is given.
func (f *fileJudge) offset(part []byte) int { return cap(f.document.Text) - cap(part) }

func (f *fileJudge) judge() {
	doc := f.document.Text
	f.values("", doc)
	open := f.kind(doc)
	switch want := map[string]byte{source.MetricsFile: '['}[f.document.Name]; {
	case want == '[' && open != '[':
		f.report(keyspace.FileShape, "", 0, "not an array")
		return
	case want == 0 && open != '{':
		f.report(keyspace.FileShape, "", 0, "not an object")
		return
	}
	n := 0
	for key, v := range pyjson.Members(doc) {
		switch path := "/" + step(key, n); f.document.Name {
		case source.AgentsFile:
			f.topic(path, key, v)
		case source.ResultsFile:
			f.result(path, key, v)
		case source.MetricsFile:
			if f.kind(v) != '{' {
				f.report(keyspace.FileShape, path, f.offset(v), "a metric that is no object")
			}
		}
		n++
	}
}

// step is the part of a path that leads to a member: its name, or its place in an array.
func step(key []byte, n int) string {
	if key == nil {
		return strconv.Itoa(n)
	}
	name, _ := pyjson.Unquote(nil, key)
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(string(name))
}

// kind is the first byte of a value.
func (f *fileJudge) kind(v []byte) byte {
	for _, c := range v {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// values looks, at any depth, for names that come twice in an object and for numbers beyond doubles.
func (f *fileJudge) values(path string, v []byte) {
	names, n := map[string]bool{}, 0
	switch f.kind(v) {
	case '{', '[':
		for key, member := range pyjson.Members(v) {
			inner := path + "/" + step(key, n)
			if key != nil && names[inner] {
				f.report(keyspace.FileShape, inner, f.offset(key), "%s comes twice; the last one counts", keyspace.Show(inner))
			}
			if key != nil {
				names[inner] = true
			}
			f.values(inner, member)
			n++
		}
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if x, ok := pyjson.Float(v); string(v) != "-Infinity" && (!ok || math.IsInf(x, 0)) {
			f.report(keyspace.FileShape, path, f.offset(v), "%s is a number beyond doubles", keyspace.Show(path))
		}
	}
}

func (f *fileJudge) topic(path string, key, v []byte) {
	if f.kind(v) != '[' {
		f.report(keyspace.FileShape, path, f.offset(key), "a topic that is no array of agents")
		return
	}
	names, n := map[string]bool{}, -1
	for _, agent := range pyjson.Members(v) {
		n++
		lit, ok := pyjson.Field(agent, "name")
		if f.kind(agent) != '{' || !ok || lit[0] != '"' || string(lit) == `""` {
			f.report(keyspace.FileShape, path+"/"+strconv.Itoa(n), f.offset(agent), "an agent without a name")
			continue
		}
		name, _ := pyjson.Unquote(nil, lit)
		if says, ok := pyjson.Field(agent, "topic"); ok && says[0] == '"' && !spellSame(says, key) {
			f.report(keyspace.AgentKey, path+"/"+strconv.Itoa(n), f.offset(says), "agent %s says another topic than it stands under", keyspace.Show(string(name)))
		}
		if names[string(name)] {
			f.report(keyspace.FileShape, path+"/"+strconv.Itoa(n), f.offset(agent), "agent %s comes twice in its topic; the first one counts", keyspace.Show(string(name)))
		}
		names[string(name)] = true
	}
}

// spellSame reports whether two string literals spell the same.
func spellSame(a, b []byte) bool {
	x, _ := pyjson.Unquote(nil, a)
	y, _ := pyjson.Unquote(nil, b)
	return bytes.Equal(x, y)
}

func (f *fileJudge) result(path string, key, v []byte) {
	id, _ := pyjson.Unquote(nil, key)
	var task []byte
	lit, ok := pyjson.Field(v, "task_id")
	if ok && lit[0] == '"' {
		task, _ = pyjson.Unquote(nil, lit)
	}
	_, has := pyjson.Field(v, "result")
	saved, _ := pyjson.Field(v, "saved_at")
	_, timed := pyjson.Float(saved)
	if f.kind(v) != '{' || !ok || string(task) != string(id) || !has || !timed {
		f.report(keyspace.FileShape, path, f.offset(key), "record %s is no result: its own task_id, result and saved_at are needed", keyspace.Show(string(id)))
		return
	}
	expires, ok := pyjson.Field(v, "expires_at")
	switch at, isTime := pyjson.Float(expires); {
	case !ok || string(expires) == "null":
	case !isTime || math.IsNaN(at):
		f.report(keyspace.FileShape, path, f.offset(key), "record %s has an expires_at that is no time", keyspace.Show(string(id)))
	case at != 0 && at <= float64(f.Now.UnixMilli())/1000:
		f.report(keyspace.ResultExpired, path, f.offset(key), "result %s has expired", keyspace.Show(string(id)))
	}
}
