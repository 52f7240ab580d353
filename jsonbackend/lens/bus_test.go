package lens

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

// busWorld is a small bus: two tasks, one delivered, a dead letter, a retry count.
func busWorld(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	for _, words := range [][]any{
		{"XADD", "omni-stream:t", "1700000000000-0", "data", `{"content": {"a":1.50}, "topic": "t"}`},
		{"XADD", "omni-stream:t", "1700000000000-1", "data", "no JSON"},
		{"XADD", "omni-stream:t", "1700000000005-0", "data", "1", "more", "\xff"},
		{"XADD", "omni-stream:t", "1700000000006-0", "f", "1", "f", "2"},
		{"XDEL", "omni-stream:t", "1700000000006-0"},
		{"XADD", "omni-stream:t", "1700000000007-0", "f", "1", "f", "2"},
		{"XGROUP", "CREATE", "omni-stream:t", "group:t:a", "1700000000005-0", "ENTRIESREAD", "3"},
		{"XGROUP", "CREATECONSUMER", "omni-stream:t", "group:t:a", "consumer:a-1"},
		{"XGROUP", "CREATECONSUMER", "omni-stream:t", "group:t:a", "consumer:a-2"},
		{"XCLAIM", "omni-stream:t", "group:t:a", "consumer:a-2", "0", "1700000000000-0", "TIME", "1700000001234", "RETRYCOUNT", "2", "JUSTID", "FORCE"},
		{"XGROUP", "CREATE", "omni-stream:t", "group:t:b", "0"},
		{"XADD", "omni-dlq:group:t:a", "1700000000009-0", "data", `{"error": "\u0436"}`},
		{"HSET", "retry_counts:group:t:a", "1700000000000-0", "2"},
		{"PEXPIREAT", "retry_counts:group:t:a", "4102444800250"},
		{"XADD", "omni-metrics", "1-1", "data", "{}"},
	} {
		w.do(words...)
	}
	return w
}

const busDoc = `{
  "omni-stream:t": {
    "type": "stream",
    "value": {
      "last_id": "1700000000007-0",
      "entries_added": 5,
      "max_deleted_id": "1700000000006-0",
      "entries": [
        {
          "id": "1700000000000-0",
          "data": {
            "content": {
              "a": 1.5
            },
            "topic": "t"
          }
        },
        {
          "id": "1700000000000-1",
          "fields": {
            "data": "no JSON"
          }
        },
        {
          "id": "1700000000005-0",
          "fields": {
            "data": "1",
            "more": "\udcff"
          }
        },
        {
          "id": "1700000000007-0",
          "fields": [
            [
              "f",
              "1"
            ],
            [
              "f",
              "2"
            ]
          ]
        }
      ],
      "groups": {
        "group:t:a": {
          "last_delivered_id": "1700000000005-0",
          "entries_read": 3,
          "consumers": [
            "consumer:a-1",
            "consumer:a-2"
          ],
          "pending": [
            {
              "id": "1700000000000-0",
              "consumer": "consumer:a-2",
              "delivered_at": 1700000001.234,
              "delivery_count": 2
            }
          ]
        },
        "group:t:b": {
          "last_delivered_id": "0-0",
          "entries_read": null,
          "consumers": [],
          "pending": []
        }
      }
    }
  },
  "omni-dlq:group:t:a": {
    "type": "stream",
    "value": {
      "last_id": "1700000000009-0",
      "entries_added": 1,
      "max_deleted_id": "0-0",
      "entries": [
        {
          "id": "1700000000009-0",
          "data": {
            "error": "\u0436"
          }
        }
      ],
      "groups": {}
    }
  },
  "retry_counts:group:t:a": {
    "type": "hash",
    "value": {
      "1700000000000-0": "2"
    },
    "expires_at": 4102444800.25
  }
}`

func TestTheBusIsShown(t *testing.T) {
	w := busWorld(t)
	says(t, w.publish(busFile), busDoc)
	w.settled(busFile)
	w.do("XACK", "omni-stream:t", "group:t:a", "1700000000000-0")
	if doc := string(w.publish(busFile)); strings.Contains(doc, "delivered_at") {
		t.Errorf("what was acknowledged is still pending: %s", doc)
	}
	w.do("DEL", "omni-stream:t", "omni-dlq:group:t:a", "retry_counts:group:t:a")
	says(t, w.publish(busFile), "{}")
}

func TestAFirstLoadRestoresTheBus(t *testing.T) {
	w := newWorld(t)
	w.read(busFile, []byte(busDoc))
	says(t, text(t, w.views[busFile]), busDoc)
	says(t, w.fresh(busFile), busDoc)
	if keys := w.keysOf(0); !slices.Equal(keys, []string{"omni-dlq:group:t:a", "omni-stream:t", "retry_counts:group:t:a"}) {
		t.Errorf("keys: %q", keys)
	}
}

func TestAFirstLoadTakesOnlyKeysOfTheBus(t *testing.T) {
	w := newWorld(t)
	w.do("SET", "omni-stream:mine", "x")
	record := `{"type": "string", "value": "y"}`
	w.read(busFile, []byte(`{"omni-stream:mine": `+record+`, "mine": `+record+`, "omni-metrics": `+record+`, "omni:config:k": `+record+`, "omni-stream:new": `+record+`}`))
	if keys := w.keysOf(0); !slices.Equal(keys, []string{"omni-stream:mine", "omni-stream:new"}) {
		t.Errorf("keys: %q", keys)
	}
	if s, _ := w.str("omni-stream:mine"); s != "x" {
		t.Errorf("mine is %q", s)
	}
}

func TestEditsOfTheBusDoNotCount(t *testing.T) {
	w := busWorld(t)
	w.publish(busFile)
	for _, doc := range []string{
		"{}",
		strings.Replace(busDoc, "no JSON", "edited", 1),
		strings.Replace(busDoc, "{", `{"added": 5, "omni-stream:new": {"type": "string", "value": "x"}, "\ud800": 1,`, 1),
		`{"omni-stream:t": "broken"}`,
	} {
		v := w.views[busFile]
		if err := v.Load([]byte(doc)); err != nil {
			t.Fatal(err)
		}
		now := w.now()
		if edits := slices.Collect(v.Edits(w.seen[busFile], now, now.At)); edits != nil {
			t.Errorf("%s: edits %s", doc, edits[0].Args)
		}
		if !v.Update(w.now(), nil) {
			t.Errorf("%s is not published over", doc)
		}
		if n := v.Unkeyed(); n != 0 {
			t.Errorf("%s: %d records are reported to have no key", doc, n)
		}
		if diff := cmp.Diff(members(t, []byte(busDoc)), members(t, text(t, v))); diff != "" {
			t.Errorf("%s: document (-want +got):\n%s", doc, diff)
		}
		w.settled(busFile)
	}
}

func TestDataThatNestsTooDeepIsShownAsText(t *testing.T) {
	w := newWorld(t)
	deep := strings.Repeat("[", 510) + strings.Repeat("]", 510)
	w.do("XADD", "omni-stream:t", "1-1", "data", deep)
	if doc := string(w.publish(busFile)); !strings.Contains(doc, `"data": "[[[`) {
		t.Errorf("document: %.300s", doc)
	}
	w.settled(busFile)
	again := newWorld(t)
	again.read(busFile, text(t, w.views[busFile]))
	says(t, text(t, again.views[busFile]), string(text(t, w.views[busFile])))
}

// What bus.json shows is what it restores, but for the spacing of data.
func TestWhatTheBusShowsItRestores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.read(busFile, []byte(flatDoc(t, busFile)))
		doc := w.fresh(busFile)
		again := newWorld(t)
		again.read(busFile, doc)
		says(t, text(t, again.views[busFile]), string(doc))
		sameKeys(t, w, again, 0)
	})
}

// sameKeys fails unless two worlds have the same keys in a database, made by the same commands.
func sameKeys(t tb, a, b *world, db int) {
	t.Helper()
	commands := func(w *world) map[string][]string {
		all := map[string][]string{}
		for e := range w.now().All(db) {
			for args := range engine.Commands(e) {
				var words []string
				for _, word := range args {
					words = append(words, string(word))
				}
				all[e.Key] = append(all[e.Key], strings.Join(words, " "))
			}
		}
		return all
	}
	if diff := cmp.Diff(commands(a), commands(b)); diff != "" {
		t.Fatalf("keys of database %d (-want +got):\n%s", db, diff)
	}
}
