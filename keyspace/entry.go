package keyspace

// Entry is a key and what it holds, or a part of that: what is large comes in several entries, one after the other, of which
// the first has First set and the last one Last. Which of the fields of content is filled Type says.
type Entry struct {
	Key     string
	Family  Family
	Type    Type  // Any for a type of a Redis module, whose content is not read
	Expires int64 // when the key goes, in Unix milliseconds; 0 = it stays
	Size    int64 // of all parts: bytes of a string, else elements
	First   bool
	Last    bool

	Text    string       // of a string
	Fields  []Field      // of a hash
	Members []Member     // of a set, a sorted set, or a list in its order
	Items   []Item       // of a stream, in order
	Stream  *StreamState // of a stream, in the first part
}

// Field is a field of a hash, or of an item of a stream.
type Field struct{ Name, Value string }

// Member is a member of a set, an element of a list, or a member of a sorted set with its score.
type Member struct {
	Text  string
	Score float64
}

// Item is an entry of a stream.
type Item struct {
	ID     string
	Fields []Field
}

// StreamState is what a stream has beside its items.
type StreamState struct {
	LastID       string
	MaxDeletedID string // "" if the server does not say (before Redis 7)
	EntriesAdded int64  // -1 if the server does not say
	Groups       []Group
}

// Group is a consumer group.
type Group struct {
	Name        string
	LastID      string
	EntriesRead int64 // -1 = not known
	Lag         int64 // -1 = not known
	Consumers   []Consumer
	Pending     []Pending // by ID
}

// Consumer is a consumer of a group.
type Consumer struct {
	Name    string
	Seen    int64 // when it last asked, in Unix milliseconds
	Pending int64
}

// Pending is a delivery that was not acknowledged.
type Pending struct {
	ID        string
	Consumer  string
	Delivered int64 // in Unix milliseconds
	Count     int64 // how often it was delivered
}
