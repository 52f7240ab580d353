package source

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/keyspace"
)

// Options say how a source is opened.
type Options struct {
	Prefix   string        // of OmniDaemon's keys
	DB       int           // of a directory; a URL names its own
	Password string        // for a server whose URL has none
	Write    bool          // the tool changes something: a directory that nobody serves is opened as its server would
	Create   bool          // a directory that is not there is made
	Rate     int           // how many keys a second are read at most; 0 = no limit
	Timeout  time.Duration // of connecting and of a reply; 0 = 5 s
}

// Source is what a tool reads and perhaps writes. Commands go to Redis, whatever it is: Pipelined, TxPipelined and Watch are
// the client's. It speaks RESP2.
type Source struct {
	Name   string // as it was given, without a password
	Dir    string // the data directory, absolute; "" if that is not known
	Layout keyspace.Layout
	Redis  *redis.Client
	// Progress, if set, is told now and then how many keys were looked at, and how many there are. A tool may change it
	// between two walks.
	Progress func(done, total int64)

	url          string      // of the server, without a password; "" if it is this process
	documents    []*Document // once they were read
	pace         pace
	noExpireTime bool // the server has no PEXPIRETIME
	close        func(context.Context) error
}

// Address is the URL of the server, without a password; "" if this process answers.
func (s *Source) Address() string { return s.url }

// Info returns a line of a section of INFO; "" if there is none.
func (s *Source) Info(ctx context.Context, section, name string) (string, error) {
	text, err := s.Redis.Info(ctx, section).Result()
	if err != nil {
		return "", fmt.Errorf("%s: INFO: %w", s.Name, err)
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimRight(value, "\r\n"), nil
		}
	}
	return "", nil
}

// Close gives back what Open took. Of a directory that was opened to be written it returns when everything is on disk.
func (s *Source) Close() error {
	// The server goes first: it answers what is under way.
	err := s.close(context.Background())
	s.Redis.Close()
	return err
}

// What sources hold, in the words of package keyspace.
type (
	Entry    = keyspace.Entry
	Field    = keyspace.Field
	Member   = keyspace.Member
	Item     = keyspace.Item
	Stream   = keyspace.StreamState
	Group    = keyspace.Group
	Consumer = keyspace.Consumer
	Pending  = keyspace.Pending
)
