package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp/glob"
)

// Families are families of keys of the user's own: those that are none of OmniDaemon's and match a pattern.
type Families struct{ all []*ownFamily }

// ownFamily is one of them, as it stands in the file.
type ownFamily struct {
	Name    string               `yaml:"name"`
	Pattern string               `yaml:"pattern"` // as of KEYS
	Type    string               `yaml:"type"`    // as of TYPE
	TTL     string               `yaml:"ttl"`     // required, none or optional
	Fields  map[string]*ownField `yaml:"fields"`  // of a hash, or of every entry of a stream
	Others  *bool                `yaml:"others"`  // whether there may be other fields; by default they may
	Schema  any                  `yaml:"schema"`  // of a string that is JSON: a schema, or the path of one

	typ    keyspace.Type
	schema *jsonschema.Schema
	have   map[string]bool // declared fields of the hash that is just being read
}

// ownField is a field of one.
type ownField struct {
	Required bool   `yaml:"required"`
	Format   string `yaml:"format"` // text, integer, number or json
	Schema   any    `yaml:"schema"` // of one that is JSON

	schema *jsonschema.Schema
}

// ReadFamilies reads a file of families. The error says where in the file it is wrong.
func ReadFamilies(path string) (*Families, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Families []*ownFamily `yaml:"families"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&file); err != nil {
		return nil, yamlError(path, err)
	}
	for i, f := range file.Families {
		if err := f.mean(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("%s: family %d (%s): %w", place(path, text, i), i+1, f.Name, err)
		}
	}
	return &Families{file.Families}, nil
}

// yamlError is an error as FILE:LINE:COLUMN: what.
func yamlError(path string, err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	p := at.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %s", path, p.Line, p.Column, at.GetMessage())
}

// place is where the i-th family begins in the file.
func place(path string, text []byte, i int) string {
	where, err := yaml.PathString(fmt.Sprintf("$.families[%d]", i))
	if err != nil {
		return path
	}
	node, err := where.ReadNode(bytes.NewReader(text))
	if err != nil {
		return path
	}
	p := node.GetToken().Position
	return fmt.Sprintf("%s:%d:%d", path, p.Line, p.Column)
}

// mean gives a family its meaning. Paths are from dir.
func (f *ownFamily) mean(dir string) (err error) {
	switch {
	case f.Name == "":
		return errors.New("give it a name")
	case f.Pattern == "":
		return errors.New("give it a pattern, such as session:*")
	}
	for t := keyspace.String; t <= keyspace.Stream; t++ {
		if f.Type == t.String() {
			f.typ = t
		}
	}
	switch {
	case f.Type != "" && f.typ == keyspace.Any:
		return fmt.Errorf("type %s: choose string, list, set, zset, hash or stream", f.Type)
	case f.TTL != "" && f.TTL != "required" && f.TTL != "none" && f.TTL != "optional":
		return fmt.Errorf("ttl %s: choose required, none or optional", f.TTL)
	case (f.Fields != nil || f.Others != nil) && f.typ != keyspace.Hash && f.typ != keyspace.Stream:
		return errors.New("fields need the type hash or stream")
	case f.Schema != nil && f.typ != keyspace.String:
		return errors.New("a schema needs the type string, or a field")
	}
	if f.schema, err = compile(dir, f.Schema); err != nil {
		return err
	}
	for name, d := range f.Fields {
		switch {
		case d == nil:
			f.Fields[name] = &ownField{}
			continue
		case d.Format != "" && d.Format != "text" && d.Format != "integer" && d.Format != "number" && d.Format != "json":
			return fmt.Errorf("field %s: format %s: choose text, integer, number or json", name, d.Format)
		case d.Schema != nil && d.Format != "" && d.Format != "json":
			return fmt.Errorf("field %s: a schema needs the format json", name)
		}
		if d.schema, err = compile(dir, d.Schema); err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
	}
	return nil
}

// compile reads a schema that stands in the file, or in one of its own.
func compile(dir string, schema any) (*jsonschema.Schema, error) {
	if schema == nil {
		return nil, nil
	}
	c := jsonschema.NewCompiler()
	path, ok := schema.(string)
	if ok {
		return c.Compile(filepath.Join(dir, path))
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	base := filepath.Join(dir, "family.json") // what other schemas are looked for beside
	if err := c.AddResource(base, document); err != nil {
		return nil, err
	}
	return c.Compile(base)
}

// of returns the family that a key is of; nil if it is of none.
func (f *Families) of(key string) *ownFamily {
	if f == nil {
		return nil
	}
	for _, own := range f.all {
		if glob.Match([]byte(own.Pattern), []byte(key), false) {
			return own
		}
	}
	return nil
}

// judge judges a key, or a part of what it holds.
func (f *ownFamily) judge(e *keyspace.Entry) (found []keyspace.Finding) {
	add := func(at keyspace.Finding, format string, a ...any) {
		at.Rule, at.Key = keyspace.OwnFamily, e.Key
		found = append(found, at.Say(format+" (family %s)", append(a, f.Name)...))
	}
	if e.First {
		switch {
		case f.typ != keyspace.Any && f.typ != e.Type:
			add(keyspace.Finding{}, "must be a %v and is a %v", f.typ, e.Type)
			return found
		case f.TTL == "required" && e.Expires == 0:
			add(keyspace.Finding{}, "never expires")
		case f.TTL == "none" && e.Expires != 0:
			add(keyspace.Finding{}, "has a time to live")
		}
	}
	if f.typ != e.Type {
		return found
	}
	switch e.Type {
	case keyspace.String:
		if f.schema != nil {
			if what := fits(f.schema, e.Text); what != "" {
				add(keyspace.Finding{}, "%s", what)
			}
		}
	case keyspace.Hash:
		f.fields(e.Fields, e.First, e.Last, func(name, what string) { add(keyspace.Finding{Field: name}, "%s", what) })
	case keyspace.Stream:
		for _, item := range e.Items {
			f.fields(item.Fields, true, true, func(name, what string) { add(keyspace.Finding{Entry: item.ID, Field: name}, "%s", what) })
		}
	}
	return found
}

// fields judges the fields of a hash or an entry, or a part of them.
func (f *ownFamily) fields(fields []keyspace.Field, first, last bool, add func(name, what string)) {
	if first {
		f.have = map[string]bool{}
	}
	for _, v := range fields {
		d := f.Fields[v.Name]
		switch {
		case d == nil && f.Others != nil && !*f.Others:
			add(v.Name, "is not declared")
		case d != nil:
			f.have[v.Name] = true
			if what := d.judge(v.Value); what != "" {
				add(v.Name, what)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		if last && f.Fields[name].Required && !f.have[name] {
			add(name, "is missing")
		}
	}
}

// judge says what is wrong with a field; "" if nothing is.
func (d *ownField) judge(v string) string {
	switch d.Format {
	case "integer":
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return "is not an integer"
		}
	case "number":
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			return "is not a number"
		}
	case "json":
		if !json.Valid([]byte(v)) {
			return "is not JSON"
		}
	}
	if d.schema == nil {
		return ""
	}
	return fits(d.schema, v)
}

// fits says where a JSON text does not fit a schema, without any of its values; "" if it does.
func fits(schema *jsonschema.Schema, text string) string {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return "is not JSON"
	}
	var bad *jsonschema.ValidationError
	if err := schema.Validate(v); !errors.As(err, &bad) {
		return ""
	}
	for len(bad.Causes) > 0 {
		bad = bad.Causes[0]
	}
	return fmt.Sprintf("does not fit its schema: %s at /%s", strings.Join(bad.ErrorKind.KeywordPath(), "/"), strings.Join(bad.InstanceLocation, "/"))
}
