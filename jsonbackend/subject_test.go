package jsonbackend

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
)

// subject is a file that a play is about. Records are named by a letter, and their values by words.
type subject struct {
	file   string
	before string                          // what the editor and omniproxy start from
	loose  string                          // names of records of another shape: they stand for no key
	key    string                          // what stands before a name in a key
	record func(name, value string) string // as it stands in the file, and but for loose ones in the key
	value  func(record any) string         // the reverse
}

var aboutConfig = &subject{
	file:   "config.json",
	before: `{"a": "old-a", "b": "old-b", "r": "old-r", "x": "old-x", "k": "old-k"}`,
	key:    "omni:config:",
	record: func(_, value string) string { return strconv.Quote(value) },
	value:  func(record any) string { return record.(string) },
}

const looseResults = "bery"

var aboutResults = &subject{
	file: "results.json",
	before: `{"a": {"task_id": "a", "result": "old-a", "saved_at": 1.5}, "b": "old-b", "r": "old-r",
 "x": {"task_id": "x", "result": "old-x", "saved_at": 1.5}, "k": {"task_id": "k", "result": "old-k", "saved_at": 1.5}}`,
	loose: looseResults,
	key:   "omni:result:",
	record: func(name, value string) string {
		if strings.Contains(looseResults, name) {
			return strconv.Quote(value)
		}
		return fmt.Sprintf(`{"task_id": %q, "result": %q, "saved_at": 1.5}`, name, value)
	},
	value: func(record any) string {
		if fields, ok := record.(map[string]any); ok {
			record = fields["result"]
		}
		return record.(string)
	},
}

func (s *subject) path() string { return filepath.Join(modelDir, s.file) }

// values are what a document says.
func (s *subject) values(doc string) (values map[string]string, err error) {
	var records map[string]any
	err = json.Unmarshal([]byte(doc), &records)
	values = map[string]string{}
	for name, record := range records {
		values[name] = s.value(record)
	}
	return values, err
}

// keys are what the keyspace says.
func (s *subject) keys(m *model) map[string]string {
	values := map[string]string{}
	for _, e := range m.dump() {
		name, ok := strings.CutPrefix(e[0], s.key)
		if !ok {
			continue
		}
		var record any
		must(m.t, json.Unmarshal([]byte(strings.TrimPrefix(e[1], "SET ")), &record))
		values[name] = s.value(record)
	}
	return values
}

// template is a disk that holds what an omniproxy left that published the file, and published it again when somebody had
// added y and a client k.
func (s *subject) template(t *testing.T) *disktest.Disk {
	m := modelled(t, map[string]string{s.file: s.before})
	m.pass()
	p := &play{of: s, t: t, disk: m.disk, lives: m}
	e := &editor{p: p}
	e.read()
	doc := strings.Replace(e.doc, "{", `{"y": "edit-y", `, 1)
	must(t, disk.WriteFile(m.disk, s.path(), []byte(doc), 0o644))
	m.pass()
	p.set("k", "client-k")
	m.pass()
	m.crash()
	return m.disk
}
