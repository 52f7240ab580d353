package tool

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// The keys do not say all that is in a directory's files: not the order of agents and settings, nor the digits of a number
// beyond those of a time to live, nor who left a field out, nor records of another shape. So a copy from a directory to a Redis
// keeps the text of the four files there, packed, in the hash filesKey. A copy from there to a new directory begins with these
// files, and changes what the keys say otherwise: who changes nothing gets the same bytes, who changes one record one record.

// documented are the files that OmniDaemon knows, and the families that they show.
var documented = map[string]source.Families{
	source.AgentsFile:  {keyspace.Agent, keyspace.AgentsOfTopic, keyspace.Topics},
	source.ResultsFile: {keyspace.Result, keyspace.ResultsIndex},
	source.MetricsFile: {keyspace.MetricsStream},
	source.ConfigFile:  {keyspace.Config},
}

// mostText is how long a file may be that is kept so.
const mostText = 1 << 30

// wanted reports whether a file shows only families that are copied.
func (c *copying) wanted(file string) bool {
	for _, f := range documented[file] {
		if !c.Families.Has(f) {
			return false
		}
	}
	return documented[file] != nil
}

// texts are those of the source's files that show only families that are copied: as they stand in its directory, or as
// another copy had kept them.
func (c *copying) texts(ctx context.Context) (map[string][]byte, error) {
	texts := map[string][]byte{}
	if c.from.Dir != "" {
		documents, err := c.from.Documents()
		for _, d := range documents {
			if c.wanted(d.Name) && len(d.Text) <= mostText {
				texts[d.Name] = d.Text
			}
		}
		return texts, err
	}
	kept, err := c.from.Redis.HGetAll(ctx, filesKey).Result()
	if err != nil {
		return nil, fmt.Errorf("%s: %q: %w", c.from.Name, filesKey, err)
	}
	for name, packed := range kept {
		if text, ok := unpack(packed); ok && c.wanted(name) {
			texts[name] = text
		}
	}
	return texts, nil
}

// keepFiles keeps the texts at a destination that has no files.
func (c *copying) keepFiles(ctx context.Context) error {
	if c.ordered {
		return nil
	}
	texts, err := c.texts(ctx)
	if err != nil || len(texts) == 0 {
		return err
	}
	packed := map[string]any{}
	for name, text := range texts {
		packed[name] = pack(text)
	}
	if err := c.to.Redis.HSet(ctx, filesKey, packed).Err(); err != nil {
		return fmt.Errorf("%s: %q: %w", c.to.Name, filesKey, err)
	}
	return nil
}

// forgetFile removes what a copy had kept of a file.
func forgetFile(ctx context.Context, s *source.Source, name string) error {
	err := s.Redis.HDel(ctx, filesKey, name).Err()
	if err != nil && isWrongType(err) {
		return nil // it is somebody else's
	}
	return err
}

func pack(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(text)
	w.Close()
	return b.Bytes()
}

// unpack is the inverse of pack. It is not ok if that was no JSON.
func unpack(packed string) (text []byte, ok bool) {
	r, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		return nil, false
	}
	text, err = io.ReadAll(io.LimitReader(r, mostText+1))
	return text, err == nil && len(text) <= mostText && pyjson.Check(text) == nil
}

// underWay is a file that says that a directory is being made by a copy.
func underWay(dir string) string { return filepath.Join(dir, ".omniproxy", "copying") }

// begin makes a new directory from the source's files, and reports whether all that the directory holds is this
// copy's, or that of one which was cut short.
func (c *copying) begin(ctx context.Context, fresh bool) (ours bool, err error) {
	mark := underWay(c.To)
	if !fresh {
		_, err := os.Stat(mark)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if _, err := os.Stat(filepath.Join(c.To, ".omniproxy", "aof")); err == nil {
			return true, nil // the files were loaded
		}
	}
	texts, err := c.texts(ctx)
	if err != nil || len(texts) == 0 {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(mark), 0o700); err != nil {
		return false, err
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return false, err
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(c.To, name), text, 0o644); err != nil {
			return false, err
		}
	}
	return true, nil
}

// finish makes a directory a usual one.
func finish(dir string) error { return os.Remove(underWay(dir)) }
