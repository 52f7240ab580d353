// Record asks a live redis-server for COMMAND and COMMAND DOCS and writes what
// it says, without its sentences, to facts.json of package command. Run it in
// the module's root when a new Redis is to be followed.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"regexp"
	"slices"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/redis/go-redis/v9"
)

func main() {
	log.SetFlags(0)
	addr := flag.String("addr", "", "`host:port` of a redis-server; empty starts one")
	out := flag.String("out", "resp/command/facts.json", "`file` to write")
	flag.Parse()
	if err := run(*addr, *out); err != nil {
		log.Fatal(err)
	}
}

func run(addr, out string) error {
	if addr == "" {
		dir, err := os.MkdirTemp("", "record")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		started, stop, err := redistest.Run(dir)
		if err != nil {
			return err
		}
		defer stop()
		addr = started
	}
	facts, err := record(context.Background(), addr)
	if err != nil {
		return fmt.Errorf("record %s: %w", addr, err)
	}
	return os.WriteFile(out, facts, 0o644)
}

// record returns the text of facts.json: one command or subcommand per line,
// sorted by name.
func record(ctx context.Context, addr string) ([]byte, error) {
	rdb := redis.NewClient(&redis.Options{Addr: addr, Protocol: 3})
	defer rdb.Close()
	version, err := redisVersion(ctx, rdb)
	if err != nil {
		return nil, err
	}
	infos, err := rdb.Do(ctx, "COMMAND").Slice()
	if err != nil {
		return nil, err
	}
	docs, err := rdb.Do(ctx, "COMMAND", "DOCS").Result()
	if err != nil {
		return nil, err
	}
	specs, err := specs(infos, docs.(map[any]any))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(specs, func(a, b *command.Spec) int { return cmp.Compare(a.FullName, b.FullName) })
	var text bytes.Buffer
	fmt.Fprintf(&text, "{\"redis_version\":%q,\"commands\":[\n", version)
	for i, s := range specs {
		line, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.FullName, err)
		}
		if i > 0 {
			text.WriteString(",\n")
		}
		text.Write(line)
	}
	text.WriteString("\n]}\n")
	return text.Bytes(), nil
}

func redisVersion(ctx context.Context, rdb *redis.Client) (string, error) {
	info, err := rdb.Info(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`redis_version:(\S+)`).FindStringSubmatch(info)
	if m == nil {
		return "", fmt.Errorf("INFO server names no version: %q", info)
	}
	return m[1], nil
}

// specs turns COMMAND INFO entries and the COMMAND DOCS entries of the same
// names into specs, containers and subcommands side by side.
func specs(infos []any, docs map[any]any) ([]*command.Spec, error) {
	var list []*command.Spec
	for _, info := range infos {
		info := info.([]any)
		name := info[0].(string)
		doc, ok := docs[name].(map[any]any)
		if !ok {
			return nil, fmt.Errorf("%s: not in COMMAND DOCS", name)
		}
		s, err := spec(info, doc)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, s)
		subDocs, _ := doc["subcommands"].(map[any]any)
		subs, err := specs(info[9].([]any), subDocs)
		if err != nil {
			return nil, err
		}
		list = append(list, subs...)
	}
	return list, nil
}

// spec goes through JSON, whose names are Redis' own, so that anything this
// program does not know is an error instead of a loss.
func spec(info []any, doc map[any]any) (*command.Spec, error) {
	facts := map[string]any{
		"name": info[0], "arity": info[1], "flags": info[2],
		"range":          map[string]any{"first": info[3], "last": info[4], "step": info[5]},
		"acl_categories": info[6], "tips": info[7], "key_specs": keySpecs(info[8].([]any)),
	}
	maps.Copy(facts, keyed(doc, "summary", "complexity", "history", "subcommands"))
	text, err := json.Marshal(facts)
	if err != nil {
		return nil, err
	}
	s := new(command.Spec)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return s, dec.Decode(s)
}

// keySpecs takes the type-dependent part of both rules one level up.
func keySpecs(specs []any) []any {
	list := make([]any, len(specs))
	for i, s := range specs {
		k := keyed(s.(map[any]any), "notes")
		for _, rule := range []string{"begin_search", "find_keys"} {
			r := k[rule].(map[string]any)
			maps.Copy(r, r["spec"].(map[string]any))
			delete(r, "spec")
		}
		list[i] = k
	}
	return list
}

// keyed returns m without the named entries, in the types of JSON all the way down.
func keyed(m map[any]any, without ...string) map[string]any {
	k := make(map[string]any, len(m))
	for name, v := range m {
		if name := name.(string); !slices.Contains(without, name) {
			k[name] = jsonable(v)
		}
	}
	return k
}

func jsonable(v any) any {
	switch v := v.(type) {
	case map[any]any:
		return keyed(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = jsonable(v[i])
		}
		return list
	}
	return v
}
