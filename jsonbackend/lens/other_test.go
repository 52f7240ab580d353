package lens

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

func TestOtherShowsEveryOtherKey(t *testing.T) {
	w := newWorld(t)
	for _, words := range [][]any{
		{"SET", "text", "é\x00\xff\n"},
		{"SET", "\xff\xfe key", "", "PXAT", "4102444800001"},
		{"HSET", "hash", "z", "1", "a", "2", "\x80", "\xed\xa0\x80"},
		{"RPUSH", "list", "b", "a", "b"},
		{"SADD", "set", "b", "a", "10", "9"},
		{"ZADD", "zset", "inf", "c", "1.5", "b", "-inf", "a"},
		{"XADD", "stream", "1-1", "data", `{"a":1}`},
		{"SET", "omni:result:x", "documented"},
		{"SET", "omni-stream:x", "the bus"},
		{"SET", "omni-metrics", "nobody reads"},
	} {
		w.do(words...)
	}
	w.doIn(12, "SET", "omni:result:x", "nobody's here")
	w.doIn(12, "SET", "omni-metrics", "nobody reads")
	w.doIn(2, "SET", "k", "v")
	says(t, w.publish(otherFile), `{
  "0": {
    "text": {
      "type": "string",
      "value": "\u00e9\u0000\udcff\n"
    },
    "\udcff\udcfe key": {
      "type": "string",
      "value": "",
      "expires_at": 4102444800.001
    },
    "hash": {
      "type": "hash",
      "value": {
        "z": "1",
        "a": "2",
        "\udc80": "\udced\udca0\udc80"
      }
    },
    "list": {
      "type": "list",
      "value": [
        "b",
        "a",
        "b"
      ]
    },
    "set": {
      "type": "set",
      "value": [
        "10",
        "9",
        "a",
        "b"
      ]
    },
    "zset": {
      "type": "zset",
      "value": {
        "a": -Infinity,
        "b": 1.5,
        "c": Infinity
      }
    },
    "stream": {
      "type": "stream",
      "value": {
        "last_id": "1-1",
        "entries_added": 1,
        "max_deleted_id": "0-0",
        "entries": [
          {
            "id": "1-1",
            "fields": {
              "data": "{\"a\":1}"
            }
          }
        ],
        "groups": {}
      }
    }
  },
  "2": {
    "k": {
      "type": "string",
      "value": "v"
    }
  },
  "12": {
    "omni:result:x": {
      "type": "string",
      "value": "nobody's here"
    }
  }
}`)
	w.settled(otherFile)
	doc := w.publish(otherFile)
	again := newWorld(t)
	again.read(otherFile, doc)
	says(t, text(t, again.views[otherFile]), string(doc))
	w.do("DEL", "omni:result:x", "omni-stream:x", "omni-metrics")
	w.doIn(12, "DEL", "omni-metrics")
	for _, db := range []int{0, 2, 12} {
		sameKeys(t, w, again, db)
	}
	w.doIn(2, "DEL", "k")
	if doc := string(w.publish(otherFile)); strings.Contains(doc, `"2": {`) {
		t.Errorf("database 2 is still there: %s", doc)
	}
}

// What other.json shows it restores.
func TestWhatOtherShowsItRestores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.read(otherFile, []byte(flatDoc(t, otherFile)))
		doc := w.fresh(otherFile)
		again := newWorld(t)
		again.read(otherFile, doc)
		says(t, text(t, again.views[otherFile]), string(doc))
		for db := range 16 {
			sameKeys(t, w, again, db)
		}
	})
}

func TestKeysAndValuesOfAnyBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		anyBytes := rapid.SliceOfN(rapid.Byte(), 0, 6)
		key := anyBytes.Draw(t, "key")
		w.do("SET", key, anyBytes.Draw(t, "value"))
		w.do("HSET", append([]byte("h"), key...), anyBytes.Draw(t, "field"), anyBytes.Draw(t, "text"))
		w.do("XADD", append([]byte("x"), key...), "1-1", anyBytes.Draw(t, "name"), "1", anyBytes.Draw(t, "another name"), "2")
		doc := w.publish(otherFile)
		again := newWorld(t)
		again.read(otherFile, doc)
		sameKeys(t, w, again, 0)
	})
}

func TestABigHashIsSortedAndASmallOneIsNot(t *testing.T) {
	w := newWorld(t)
	for n := range 600 {
		w.do("HSET", "big", fmt.Sprintf("f%03d", (n*7)%600), "x")
	}
	w.do("HSET", "small", "b", "1", "a", "2")
	doc := w.publish(otherFile)
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatal(err)
	}
	ref, _ := list.Find([]byte(`"0"`))
	for key, record := range pyjson.Members(list.Member(ref).Value) {
		content, _ := pyjson.Field(record, "value")
		var fields []string
		for lit := range pyjson.Members(content) {
			fields = append(fields, name(lit))
		}
		if sorted := slices.IsSorted(fields); sorted != (name(key) == "big") {
			t.Errorf("%s: sorted is %v", key, sorted)
		}
	}
	again := newWorld(t)
	again.read(otherFile, doc)
	says(t, text(t, again.views[otherFile]), string(doc))
}

func TestRecordsThatAreNoneStayAndHaveNoKey(t *testing.T) {
	const doc = `{"0": {
    "empty list": {"type": "list", "value": []},
    "empty set": {"type": "set", "value": []},
    "empty hash": {"type": "hash", "value": {}},
    "no type": {"value": "x"},
    "no value": {"type": "string"},
    "a number": {"type": "string", "value": 5},
    "strange": {"type": "rope", "value": "x"},
    "half a surrogate": {"type": "string", "value": "\ud800"},
    "a time": {"type": "string", "value": "x", "expires_at": "soon"},
    "NaN": {"type": "zset", "value": {"a": NaN}},
    "wrong order": {"type": "stream", "value": {"entries": [{"id": "2-0", "fields": {"a": "b"}}, {"id": "1-0", "fields": {"a": "b"}}]}},
    "no fields": {"type": "stream", "value": {"entries": [{"id": "2-0", "fields": {}}]}},
    "an odd id": {"type": "stream", "value": {"entries": [{"id": "2", "fields": {"a": "b"}}]}},
    "a low last id": {"type": "stream", "value": {"last_id": "1-0", "entries": [{"id": "2-0", "fields": {"a": "b"}}]}},
    "few added": {"type": "stream", "value": {"entries_added": 0, "entries": [{"id": "2-0", "fields": {"a": "b"}}]}},
    "no entries": {"type": "stream", "value": {}},
    "no consumer": {"type": "stream", "value": {"entries": [], "groups": {"g": {"pending": [{"id": "1-1"}]}}}},
    "one group twice": {"type": "stream", "value": {"entries": [], "groups": {"g": {}, "g": {}}}},
    "half a pair": {"type": "stream", "value": {"entries": [{"id": "2-0", "fields": [["a"]]}]}},
    "omni:config:documented": {"type": "string", "value": "x"},
    "\udcc3\udca9": {"type": "string", "value": "a second spelling"}
  }}`
	w := newWorld(t)
	w.read(otherFile, []byte(doc))
	if keys := w.keysOf(0); keys != nil {
		t.Errorf("keys: %q", keys)
	}
	if n := w.views[otherFile].Unkeyed(); n != 21 {
		t.Errorf("%d records are reported to have no key, want 21", n)
	}
	w.do("SET", "k", "v")
	w.publish(otherFile)
	w.do("DEL", "k")
	says(t, w.publish(otherFile), doc)
}

func TestAStreamNeedsOnlyItsEntries(t *testing.T) {
	w := newWorld(t)
	w.read(otherFile, []byte(`{"0": {"x": {"type": "stream", "value": {"entries": [{"id": "2-0", "fields": {"a": "b"}}]}}}}`))
	s := w.now().Get(0, "x").Value.(*value.Stream)
	if s.LastID().String() != "2-0" || s.EntriesAdded() != 1 || s.GroupLen() != 0 {
		t.Errorf("last %s, added %d, %d groups", s.LastID(), s.EntriesAdded(), s.GroupLen())
	}
}

func TestADatabaseThatIsNoneIsASyntaxError(t *testing.T) {
	for doc, column := range map[string]int{
		`{"16": {}}`: 2, `{"-1": {}}`: 2, `{"00": {}}`: 2, `{"0": {}, "x": {}}`: 11, `{"0": []}`: 2, `{"0": 5}`: 2,
	} {
		var err *pyjson.SyntaxError
		if !errors.As(Other(layout, 0).Load([]byte(doc)), &err) || err.Line != 1 || err.Column != column {
			t.Errorf("%s: %v, want an error at column %d", doc, err, column)
		}
	}
}

func TestAnEmptyDatabaseOfSomebodysStays(t *testing.T) {
	const doc = `{"5": { }, "7": {}}`
	w := newWorld(t)
	w.read(otherFile, []byte(doc))
	says(t, text(t, w.views[otherFile]), doc)
	w.doIn(6, "SET", "k", "v")
	says(t, w.publish(otherFile), `{"5": { },
  "6": {
    "k": {
      "type": "string",
      "value": "v"
    }
  }, "7": {}}`)
}

func TestDatabasesComeAndGoInBoundedMemory(t *testing.T) {
	w := newWorld(t)
	w.doIn(1, "SET", "kept", "x")
	for range 1500 {
		w.doIn(3, "SET", "k", "v")
		w.publish(otherFile)
		w.doIn(3, "DEL", "k")
		w.publish(otherFile)
	}
	if o := w.views[otherFile].(*other); o.removed > 1100 {
		t.Errorf("%d removed databases are remembered", o.removed)
	}
	w.doIn(1, "SET", "kept", "y")
	if doc := string(w.publish(otherFile)); !strings.Contains(doc, `"value": "y"`) {
		t.Errorf("document: %s", doc)
	}
	w.settled(otherFile)
}
