package lens

import (
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Config is the view of config.json, {key: any JSON value}, kept as strings P:config:{key} of JSON text
// (JSONStore.save_config, RedisStore.save_config).
func Config(l keyspace.Layout, db int) View {
	return newFlatFile("config.json", newFlat(config{l, db}, db, false))
}

type config struct {
	layout keyspace.Layout
	db     int
}

func (c config) key(id string) string { return c.layout.Config(id) }

func (c config) id(key string) (string, bool) {
	k := c.layout.Parse(key)
	return k.Rest, k.Family == keyspace.Config
}

func (config) check(string, []byte) (int64, bool) { return 0, true }

func (config) encode(_ string, e *engine.Entry, old []byte) []byte {
	s, ok := e.Value.(*value.Str)
	if !ok {
		return nil
	}
	if old != nil && same(old, s.B) {
		return old
	}
	return indent(s.B, 1)
}

// decode keeps a TTL that the key has: the file says nothing about it.
func (c config) decode(id string, record []byte, now *engine.View) []engine.Edit {
	text := dumps(record)
	if e := now.Get(c.db, c.key(id)); e != nil && e.Expire != 0 {
		return []engine.Edit{edit(c.db, "SET", c.key(id), text, "KEEPTTL")}
	}
	return []engine.Edit{edit(c.db, "SET", c.key(id), text)}
}

func (c config) remove(id string, _ *engine.View) []engine.Edit {
	return []engine.Edit{edit(c.db, "DEL", c.key(id))}
}
