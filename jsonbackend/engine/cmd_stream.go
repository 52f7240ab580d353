package engine

import (
	"math"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Streams: https://redis.io/commands/?group=stream
var streamHandlers = handlers{
	"XADD":   xadd,
	"XDEL":   xdel,
	"XLEN":   xlen,
	"XSETID": xsetid,
	"XTRIM":  xtrim,

	"XRANGE":     func(c *Call) error { return xrange(c, false) },
	"XREAD":      xread,
	"XREADGROUP": xread,
	"XREVRANGE":  func(c *Call) error { return xrange(c, true) },

	"XGROUP CREATE":         xgroupCreate,
	"XGROUP CREATECONSUMER": xgroupCreateConsumer,
	"XGROUP DELCONSUMER":    xgroupDelConsumer,
	"XGROUP DESTROY":        xgroupDestroy,
	"XGROUP HELP":           containerHelp,
	"XGROUP SETID":          xgroupSetID,

	"XACK":       xack,
	"XAUTOCLAIM": xautoclaim,
	"XCLAIM":     xclaim,
	"XPENDING":   xpending,

	"XINFO CONSUMERS": xinfoConsumers,
	"XINFO GROUPS":    xinfoGroups,
	"XINFO HELP":      containerHelp,
	"XINFO STREAM":    xinfoStream,
}

// containerHelp answers the HELP of a command that has subcommands.
func containerHelp(c *Call) error {
	container, _, _ := strings.Cut(c.Spec.FullName, "|")
	command.Help(c.Reply, command.Find(container), c.engine.Supports)
	return nil
}

// stream returns the stream at key for reading, nil if there is none.
func (c *Call) stream(key []byte) (*value.Stream, error) {
	s, err := c.Tx.Stream(key)
	c.lookedUp(key, s != nil || err != nil)
	return s, err
}

// streamID reads the i-th word as the ID of an entry.
func (c *Call) streamID(i int) (value.StreamID, error) {
	id, ok := value.ParseStreamID(c.Args[i], 0)
	if !ok {
		return id, wire.ErrInvalidStreamID
	}
	return id, nil
}

// streamIDs reads the words from the i-th on as IDs.
func (c *Call) streamIDs(i int) ([]value.StreamID, error) {
	ids := make([]value.StreamID, 0, len(c.Args)-i)
	for ; i < len(c.Args); i++ {
		id, err := c.streamID(i)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// rangeStart reads the i-th word as the least ID of an interval.
func (c *Call) rangeStart(i int) (value.StreamID, error) {
	id, exclusive, ok := value.ParseStreamBound(c.Args[i], 0)
	if !ok {
		return id, wire.ErrInvalidStreamID
	}
	if exclusive {
		if id, ok = id.Next(); !ok {
			return id, wire.ErrXStart
		}
	}
	return id, nil
}

// rangeEnd reads the i-th word as the greatest ID of an interval.
func (c *Call) rangeEnd(i int) (value.StreamID, error) {
	id, exclusive, ok := value.ParseStreamBound(c.Args[i], math.MaxUint64)
	if !ok {
		return id, wire.ErrInvalidStreamID
	}
	if exclusive {
		if id, ok = id.Prev(); !ok {
			return id, wire.ErrXEnd
		}
	}
	return id, nil
}

// id replies with the ID of an entry.
func (c *Call) id(id value.StreamID) {
	var text [41]byte
	c.Reply.Bulk(id.Append(text[:0]))
}

// entry replies with an entry: its ID, and its fields and values in one array.
func (c *Call) entry(e value.StreamEntry) {
	c.Reply.Array(2)
	c.id(e.ID)
	c.Reply.Array(2 * e.Len())
	for field, v := range e.Fields() {
		c.Reply.Bulk(field)
		c.Reply.Bulk(v)
	}
}

// arrayOf makes an array of the n replies that were written since mark.
func (c *Call) arrayOf(mark, n int) { c.Reply.Precede(mark, func() { c.Reply.Array(n) }) }

// trimming is what XADD and XTRIM are asked to delete at a stream's beginning.
type trimming struct {
	by      trimBy
	maxLen  int64
	minID   value.StreamID
	approx  bool
	limit   int64 // 0 = none
	limited bool  // a limit was given
	noMake  bool  // NOMKSTREAM of XADD
}

type trimBy int

const (
	trimNothing trimBy = iota
	trimByLength
	trimByID
)

// trimOptions reads the options of XADD or XTRIM and returns where they end.
func (c *Call) trimOptions() (t trimming, end int, err error) {
	i := 2
	for ; i < len(c.Args); i++ {
		more := i+1 < len(c.Args)
		switch {
		case more && c.Is(i, "MAXLEN"):
			i, err = t.threshold(c, i, trimByLength)
		case more && c.Is(i, "MINID"):
			i, err = t.threshold(c, i, trimByID)
		case more && c.Is(i, "LIMIT"):
			i++
			if t.limit, err = c.Int(i); err == nil && t.limit < 0 {
				err = wire.ErrXLimit
			}
			t.limited = true
		case c.Spec.Name == "XADD" && c.Is(i, "NOMKSTREAM"):
			t.noMake = true
		default:
			return t, i, nil
		}
		if err != nil {
			return t, i, err
		}
	}
	return t, i, nil
}

// threshold reads [=|~] threshold behind the i-th word, and returns where it is.
func (t *trimming) threshold(c *Call, i int, by trimBy) (at int, err error) {
	if t.by != trimNothing {
		return i, wire.ErrXTrimBoth
	}
	t.by = by
	i++
	if sign := string(c.Args[i]); i+1 < len(c.Args) && (sign == "~" || sign == "=") {
		t.approx = sign == "~"
		i++
	}
	if by == trimByID {
		t.minID, err = c.streamID(i)
		return i, err
	}
	if t.maxLen, err = c.Int(i); err == nil && t.maxLen < 0 {
		err = wire.ErrXMaxLen
	}
	return i, err
}

// settle checks that the options fit together and sets the limit that approximate trimming has if none is given: 100
// nodes.
func (t *trimming) settle(c *Call) error {
	nodeEntries := c.engine.streamLimits.NodeEntries
	switch {
	case t.limit > 0 && t.by == trimNothing:
		return wire.ErrXLimitAlone
	case t.by == trimNothing && c.Spec.Name == "XTRIM":
		return wire.ErrXTrimNone
	case t.limited && !t.approx:
		return wire.ErrXLimitExact
	case t.limited || !t.approx:
		return nil
	case nodeEntries <= 0:
		t.limit = 10_000
	default:
		t.limit = min(100*int64(nodeEntries), 1_000_000)
	}
	return nil
}

// trim deletes entries and returns how many.
func (t *trimming) trim(s *value.Stream) int {
	limit := int(min(t.limit, math.MaxInt))
	switch t.by {
	case trimByLength:
		return s.TrimMaxLen(int(min(t.maxLen, math.MaxInt)), t.approx, limit)
	case trimByID:
		return s.TrimMinID(t.minID, t.approx, limit)
	}
	return 0
}

// maxEntryBytes bounds the fields and values of one entry: Redis' STREAM_LISTPACK_MAX_SIZE.
const maxEntryBytes = 1 << 30

var errEntryTooLarge = wire.Error("ERR Elements are too large to be stored")

func xadd(c *Call) error {
	t, at, err := c.trimOptions()
	if err != nil {
		return err
	}
	var id newID
	if at < len(c.Args) {
		if id, err = parseNewID(c.Args[at]); err != nil {
			return err
		}
	}
	if err := t.settle(c); err != nil {
		return err
	}
	if n := len(c.Args) - at - 1; n < 2 || n%2 != 0 {
		return wire.WrongArity(c.Spec.FullName)
	}
	if id.given == wholeID && id.IsZero() {
		return wire.ErrXAddZero
	}
	key, pairs := c.Args[1], c.Args[at+1:]
	s, err := c.Tx.Stream(key)
	switch {
	case err != nil:
		return err
	case s == nil && t.noMake:
		c.Reply.Null()
		return nil
	case s == nil:
		s = noStream
	}
	if err := id.resolve(s, c.Tx.Now); err != nil {
		return err
	}
	if size(pairs) > maxEntryBytes {
		return errEntryTooLarge
	}
	s, _ = c.Tx.EditStream(key)
	if err := s.Append(id.StreamID, pairs); err != nil {
		panic("XADD: " + err.Error()) // everything it refuses was checked
	}
	trimmed := t.trim(s) + c.trimToCap(key, s)
	c.Tx.Changed(key)
	c.Tx.Notify(streamEvent, "xadd", key)
	if trimmed > 0 {
		c.Tx.Notify(streamEvent, "xtrim", key)
	}
	c.added(id, t.by != trimNothing, trimmed, s.Len(), at)
	c.id(id.StreamID)
	if added := c.engine.opts.Added; added != nil && c.conn != nil {
		added(c.Tx.db.id, key, pairs)
	}
	return nil
}

var noStream = value.NewStream(nil) // what a key that is not there holds; never edited

func size(words [][]byte) (n int) {
	for _, w := range words {
		n += len(w)
	}
	return n
}

// newID is the ID that XADD is given.
type newID struct {
	value.StreamID
	given partOfID
}

type partOfID int

const (
	wholeID partOfID = iota
	msOfID           // "ms-*"
	noID             // "*"
)

func parseNewID(word []byte) (id newID, err error) {
	if string(word) == "*" {
		return newID{given: noID}, nil
	}
	parsed, auto, ok := value.ParseNewStreamID(word)
	switch {
	case !ok:
		return id, wire.ErrInvalidStreamID
	case auto:
		return newID{parsed, msOfID}, nil
	}
	return newID{parsed, wholeID}, nil
}

// resolve completes the ID of an entry that is to be added to s at now, in Unix milliseconds.
func (id *newID) resolve(s *value.Stream, now int64) (err error) {
	if s.LastID() == value.MaxStreamID() {
		return wire.ErrXAddExhausted
	}
	switch id.given {
	case noID:
		id.StreamID, err = s.NextID(uint64(now))
	case msOfID:
		if id.Ms == s.LastID().Ms && s.LastID().Seq == math.MaxUint64 {
			return errEntryTooLarge // Redis' mistake
		}
		id.StreamID, err = s.NextSeq(id.Ms)
	default:
		if !s.LastID().Less(id.StreamID) {
			return wire.ErrXAddSmall
		}
	}
	if err != nil {
		return wire.ErrXAddSmall
	}
	return nil
}

// trimToCap trims a stream that is capped by the engine's owner, behind an XADD by a client: not in a replay, a load or
// an edit, which must do what they say and nothing else.
func (c *Call) trimToCap(key []byte, s *value.Stream) int {
	if c.conn == nil || c.engine.opts.StreamCap == nil {
		return 0
	}
	maxLen, capped := c.engine.opts.StreamCap(c.Tx.db.id, key)
	if !capped {
		return 0
	}
	t := trimming{by: trimByLength, maxLen: maxLen}
	return t.trim(s)
}

// added says what an XADD did: the ID as it became, and of whatever trimming the length it led to. What approximate
// trimming deletes depends on how the entries lie in nodes, which is not the same after a rewrite of the log.
func (c *Call) added(id newID, trims bool, trimmed, length, at int) {
	if id.given == wholeID && !trims && trimmed == 0 || c.Tx.replay {
		return // the command itself says it
	}
	words := make([][]byte, 0, 16)
	words = append(words, c.Args[0], c.Args[1])
	if trimmed > 0 {
		words = append(words, []byte("MAXLEN"), []byte("="), strconv.AppendInt(nil, int64(length), 10))
	}
	words = append(words, id.Append(make([]byte, 0, 24)))
	c.Tx.EffectWords(append(words, c.Args[at+1:]...))
}

func xtrim(c *Call) error {
	t, end, err := c.trimOptions()
	switch {
	case err != nil:
		return err
	case end < len(c.Args):
		return wire.ErrSyntax
	}
	if err := t.settle(c); err != nil {
		return err
	}
	key := c.Args[1]
	if s, err := c.Tx.Stream(key); s == nil || err != nil {
		c.Reply.Int(0)
		return err
	}
	s, _ := c.Tx.EditStream(key)
	trimmed := t.trim(s)
	if trimmed > 0 {
		c.Tx.ChangedQuietly(key)
		c.Tx.Notify(streamEvent, "xtrim", key)
		c.Tx.Effect("XTRIM", key, "MAXLEN", "=", s.Len()) // see added
	}
	c.Reply.Int(int64(trimmed))
	return nil
}

func xlen(c *Call) error {
	s, err := c.stream(c.Args[1])
	if s == nil || err != nil {
		c.Reply.Int(0)
		return err
	}
	c.Reply.Int(int64(s.Len()))
	return nil
}

func xdel(c *Call) error {
	key := c.Args[1]
	if s, err := c.Tx.Stream(key); s == nil || err != nil {
		c.Reply.Int(0)
		return err
	}
	ids, err := c.streamIDs(2)
	if err != nil {
		return err
	}
	s, _ := c.Tx.EditStream(key)
	deleted := int64(0)
	for _, id := range ids {
		if s.Delete(id) {
			deleted++
		}
	}
	if deleted > 0 {
		c.Tx.ChangedQuietly(key)
		c.Tx.Notify(streamEvent, "xdel", key)
	}
	c.Reply.Int(deleted)
	return nil
}

func xsetid(c *Call) error {
	id, err := c.streamID(2)
	if err != nil {
		return err
	}
	added, maxDeleted := int64(value.KeepAdded), value.StreamID{}
	for i := 3; i < len(c.Args); i += 2 {
		more := i+1 < len(c.Args)
		switch {
		case more && c.Is(i, "ENTRIESADDED"):
			if added, err = c.Int(i + 1); err == nil && added < 0 {
				err = wire.ErrXSetIDAdded
			}
		case more && c.Is(i, "MAXDELETEDID"):
			if maxDeleted, err = c.streamID(i + 1); err == nil && id.Less(maxDeleted) {
				err = wire.ErrXSetIDDeleted
			}
		default:
			err = wire.ErrSyntax
		}
		if err != nil {
			return err
		}
	}
	key := c.Args[1]
	s, err := c.Tx.Stream(key)
	switch {
	case err != nil:
		return err
	case s == nil:
		return wire.ErrNoSuchKey
	}
	if last, ok := s.Last(); ok {
		if id.Less(last.ID) {
			return wire.ErrXSetIDTop
		}
		if added != value.KeepAdded && added < int64(s.Len()) {
			return wire.ErrXSetIDLength
		}
	}
	s, _ = c.Tx.EditStream(key)
	if err := s.SetID(id, added, maxDeleted); err != nil {
		panic("XSETID: " + err.Error()) // everything it refuses was checked
	}
	c.Tx.ChangedWithin(key)
	c.Tx.Notify(streamEvent, "xsetid", key)
	c.Reply.OK()
	return nil
}
