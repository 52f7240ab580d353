package integration

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// keyspace is everything that a server holds, by "database key": type, expiry and value as text.
type keyspace map[string]string

// keyspaceOf reads a server by the commands that any Redis has.
func (o *omniproxy) keyspace() keyspace {
	o.t.Helper()
	all := keyspace{}
	for db := range 16 {
		c := o.client(db)
		keys, err := c.Keys(context.Background(), "*").Result()
		if err != nil {
			o.t.Fatal(err)
		}
		for _, key := range keys {
			all[fmt.Sprintf("%d %s", db, key)] = describe(o.t, c, key)
		}
	}
	return all
}

// reading is how each type is read whole.
var reading = map[string]func(key string) []any{
	"string": func(key string) []any { return []any{"GET", key} },
	"list":   func(key string) []any { return []any{"LRANGE", key, "0", "-1"} },
	"hash":   func(key string) []any { return []any{"HGETALL", key} },
	"set":    func(key string) []any { return []any{"SMEMBERS", key} },
	"zset":   func(key string) []any { return []any{"ZRANGE", key, "0", "-1", "WITHSCORES"} },
	"stream": func(key string) []any { return []any{"XINFO", "STREAM", key, "FULL", "COUNT", "0"} },
}

// describe reads one key. What Redis keeps in no order is sorted.
func describe(t testing.TB, c *redis.Client, key string) string {
	t.Helper()
	ctx := context.Background()
	kind, err := c.Type(ctx, key).Result()
	if err != nil {
		t.Fatal(err)
	}
	expires, err := c.Do(ctx, "PEXPIRETIME", key).Int64()
	if err != nil {
		t.Fatal(err)
	}
	if reading[kind] == nil {
		t.Fatalf("%s is a %s", key, kind)
	}
	value, err := c.Do(ctx, reading[kind](key)...).Result()
	if err != nil {
		t.Fatalf("%s %s: %v", kind, key, err)
	}
	return kind + " " + strconv.FormatInt(expires, 10) + " " + render(kind, value)
}

func render(kind string, value any) string {
	items, _ := value.([]any)
	switch kind {
	case "hash":
		var pairs []string
		for i := 0; i < len(items); i += 2 {
			pairs = append(pairs, fmt.Sprintf("%q: %q", items[i], items[i+1]))
		}
		slices.Sort(pairs)
		return strings.Join(pairs, "\n")
	case "set":
		var members []string
		for _, m := range items {
			members = append(members, fmt.Sprintf("%q", m))
		}
		slices.Sort(members)
		return strings.Join(members, "\n")
	case "stream":
		return stream(items)
	}
	return fmt.Sprintf("%q", value)
}

// stream renders XINFO STREAM FULL but for how it is laid out in memory, and when a consumer was last heard of, which
// Redis does not keep, either.
func stream(pairs []any) string {
	var lines []string
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := pairs[i].(string), pairs[i+1]
		if name == "radix-tree-keys" || name == "radix-tree-nodes" || name == "seen-time" {
			continue
		}
		if list, ok := value.([]any); ok && (name == "groups" || name == "consumers") {
			var texts []string
			for _, one := range list {
				texts = append(texts, "{"+stream(one.([]any))+"}")
			}
			lines = append(lines, name+": "+strings.Join(texts, ", "))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %v", name, value))
	}
	return strings.Join(lines, "; ")
}
