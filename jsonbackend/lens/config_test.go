package lens

import (
	"strings"
	"testing"
)

func TestConfigShowsAnyJSON(t *testing.T) {
	w := newWorld(t)
	for _, kv := range [][2]string{
		{"_omnidaemon_start_time", "1763859213.123456"}, {"null", "null"}, {"text", `"\ud800 \u00e9"`}, {"list", `[1, {"a": NaN}]`}, {"compact", `{"a":1.50,"b":[]}`}, {"a:b", "true"},
	} {
		w.do("SET", layout.Config(kv[0]), kv[1])
	}
	says(t, w.publish(configFile), `{
  "_omnidaemon_start_time": 1763859213.123456,
  "null": null,
  "text": "\ud800 \u00e9",
  "list": [
    1,
    {
      "a": NaN
    }
  ],
  "compact": {
    "a": 1.5,
    "b": []
  },
  "a:b": true
}`)
	w.settled(configFile)
}

func TestConfigThatIsNoJSONIsHidden(t *testing.T) {
	w := newWorld(t)
	w.do("SET", layout.Config("text"), "text")
	w.do("SET", layout.Config("\xff"), "1")
	w.do("SET", layout.Config("deep"), strings.Repeat("[", 512)+strings.Repeat("]", 512))
	w.do("SADD", layout.Config("set"), "x")
	says(t, w.publish(configFile), "{}")
	if n := w.views[configFile].Hidden(); n != 4 {
		t.Errorf("%d hidden, want 4", n)
	}
	w.read(configFile, []byte(`{"text": "text", "set": 1}`))
	says(t, text(t, w.views[configFile]), `{"text": "text", "set": 1}`)
	if s, _ := w.str(layout.Config("set")); s != "1" {
		t.Errorf("set is %q", s)
	}
	if n := w.views[configFile].Hidden(); n != 2 {
		t.Errorf("%d hidden, want 2", n)
	}
}

func TestAnEditOfConfigKeepsItsTTL(t *testing.T) {
	w := newWorld(t)
	w.do("SET", layout.Config("k"), "1", "PXAT", future+"000")
	w.publish(configFile)
	w.read(configFile, []byte(`{"k": 2, "new": 3}`))
	if s, expires := w.str(layout.Config("k")); s != "2" || expires == 0 {
		t.Errorf("k is %s, expires at %d", s, expires)
	}
}

func TestAKeyThatComesTwiceIsItsLastValue(t *testing.T) {
	const doc = `{"k": 1, "l": 2, "k": 3}`
	w := newWorld(t)
	w.read(configFile, []byte(doc))
	if s, _ := w.str(layout.Config("k")); s != "3" {
		t.Errorf("k is %s", s)
	}
	w.do("SET", layout.Config("k"), "4")
	says(t, w.publish(configFile), `{"k": 1, "l": 2, "k": 4}`)
	w.do("DEL", layout.Config("k"))
	says(t, w.publish(configFile), `{"l": 2}`)
}

func TestNewKeysComeInTheOrderOfTheirBirth(t *testing.T) {
	w := newWorld(t)
	for _, k := range []string{"z", "m", "a", "x"} {
		w.do("SET", layout.Config(k), "1")
	}
	const want = "{\n  \"z\": 1,\n  \"m\": 1,\n  \"a\": 1,\n  \"x\": 1\n}"
	says(t, w.publish(configFile), want)
	says(t, w.fresh(configFile), want)
}
