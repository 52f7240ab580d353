package engine

import (
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

// digest is a fingerprint of content, the same wherever the content is the same. That of nothing is zero.
type digest [sha1.Size]byte

func (d *digest) mix(other digest) {
	for i := range d {
		d[i] ^= other[i]
	}
}

// wordsDigest is the digest of words in their order.
func wordsDigest(words ...[]byte) (d digest) {
	h := sha1.New()
	for _, word := range words {
		h.Write(binary.AppendUvarint(nil, uint64(len(word))))
		h.Write(word)
	}
	h.Sum(d[:0])
	return d
}

// entryDigest is the digest of what an entry holds and of when it expires. The order of fields and of members of sets is
// chance, and does not count.
func entryDigest(e *Entry) (d digest) {
	switch v := e.Value.(type) {
	case *value.Hash:
		for field, text := range v.All() {
			d.mix(wordsDigest([]byte(field), []byte(text)))
		}
	case *value.Set:
		for member := range v.All() {
			d.mix(wordsDigest([]byte(member)))
		}
	default:
		contents(&Entry{Value: e.Value}, func(args [][]byte) bool {
			line := wordsDigest(args...)
			d = wordsDigest(d[:], line[:])
			return true
		})
	}
	expire := binary.AppendVarint(nil, e.Expire)
	return wordsDigest([]byte(TypeName(e.Value)), d[:], expire)
}

// digest is the digest of the keyspace.
func (e *Engine) digest() (all digest) {
	for _, d := range e.dbs {
		for key, entry := range d.keys {
			of := entryDigest(entry)
			all.mix(wordsDigest(binary.AppendVarint(nil, int64(d.id)), []byte(key), of[:]))
		}
	}
	return all
}

var errReloaded = errors.New("the keyspace that its own commands make is another one; the one before is kept")

// reload exchanges the keyspace for one that the commands of a rewrite of the log make: the replay law, tried on what is
// there. If it does not hold, the keyspace stays. The lock is held for as long as a start would take.
func (c *Call) reload() error {
	e := c.engine
	want := e.digest()
	var before [Databases]keyset
	for i, d := range e.dbs {
		before[i] = d.keyset
	}
	err := e.rebuild()
	if err == nil && e.digest() != want {
		err = errReloaded
	}
	if err != nil {
		for i, d := range e.dbs {
			d.keyset = before[i]
		}
		return fmt.Errorf("reload: %w", err)
	}
	for i, d := range e.dbs {
		c.Tx.replaced(d, before[i].keys)
	}
	return nil
}

// rebuild makes every key anew, the oldest first.
func (e *Engine) rebuild() error {
	tx := &e.tx
	here, events := tx.db, e.events
	tx.replay, e.events = true, 0
	defer func() { tx.db, tx.replay, e.events = here, false, events }()
	for _, d := range e.dbs {
		entries := make([]*Entry, 0, len(d.keys))
		for _, entry := range d.keys {
			entries = append(entries, entry)
		}
		slices.SortFunc(entries, func(a, b *Entry) int { return cmp.Compare(a.Born, b.Born) })
		d.clear()
		for _, entry := range entries {
			for args := range Commands(entry) {
				tx.db = d
				if err := e.run(args); err != nil {
					return fmt.Errorf("%s %q: %w", args[0], entry.Key, err)
				}
			}
		}
	}
	return nil
}
