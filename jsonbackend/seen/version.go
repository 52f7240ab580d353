package seen

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// ID is the SHA-256 of a file's content.
type ID [sha256.Size]byte

// IDOf returns the ID of a content.
func IDOf(doc []byte) ID { return sha256.Sum256(doc) }

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what String returns.
func ParseID(s string) (id ID, ok bool) {
	b, err := hex.DecodeString(s)
	return id, err == nil && copy(id[:], b) == len(id) && len(b) == len(id)
}

// Kind is how a version came to be known.
type Kind byte

// The kinds.
const (
	Published Kind = 'p' // we wrote it
	Read      Kind = 'r' // somebody else wrote it, and it stood under the file's name when it was read
	Aside     Kind = 'a' // somebody else wrote it while we published over it
)

func (k Kind) String() string {
	switch k {
	case Published:
		return "published"
	case Read:
		return "read"
	}
	return "aside"
}

func parseKind(s string) (Kind, bool) {
	for _, k := range []Kind{Published, Read, Aside} {
		if k.String() == s {
			return k, true
		}
	}
	return 0, false
}

// Version is one content of the file. Numbers grow from version to version.
type Version struct {
	Number int
	Kind   Kind
	ID     ID
}

// line is the version's first line in the history: "version 12 published SHA256".
func (v Version) line() string { return fmt.Sprintf("version %d %s %s\n", v.Number, v.Kind, v.ID) }

func parseVersion(line string) (v Version, ok bool) {
	words := strings.Split(line, " ")
	if len(words) != 4 || words[0] != "version" {
		return v, false
	}
	number, err := strconv.Atoi(words[1])
	kind, kindOK := parseKind(words[2])
	id, idOK := ParseID(words[3])
	return Version{number, kind, id}, err == nil && kindOK && idOK
}
