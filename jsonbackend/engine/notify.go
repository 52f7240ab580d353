package engine

import (
	"strconv"
	"strings"
)

// Keyspace notifications: https://redis.io/docs/latest/develop/use/keyspace-notifications/

// eventClass is a set of classes of events, and of ways to tell of them.
type eventClass uint16

const (
	toldByKey   eventClass = 1 << iota // on channel __keyspace@db__:key, the event's name
	toldByEvent                        // on channel __keyevent@db__:event, the key
	genericEvent
	stringEvent
	listEvent
	setEvent
	hashEvent
	zsetEvent
	expiredEvent
	evictedEvent // none happens here
	streamEvent
	missEvent
	moduleEvent // none happens here
	newEvent

	// allEvents is what "A" means: all but those that are many.
	allEvents = genericEvent | stringEvent | listEvent | setEvent | hashEvent | zsetEvent | expiredEvent | evictedEvent | streamEvent | moduleEvent
)

// eventLetters are the classes as notify-keyspace-events spells them, in Redis' order.
var eventLetters = []struct {
	letter byte
	class  eventClass
}{
	{'A', allEvents}, {'g', genericEvent}, {'$', stringEvent}, {'l', listEvent}, {'s', setEvent}, {'h', hashEvent}, {'z', zsetEvent},
	{'x', expiredEvent}, {'e', evictedEvent}, {'t', streamEvent}, {'d', moduleEvent}, {'n', newEvent},
	{'K', toldByKey}, {'E', toldByEvent}, {'m', missEvent},
}

// parseEventClasses reads a value of notify-keyspace-events.
func parseEventClasses(text string) (classes eventClass, ok bool) {
	for _, letter := range []byte(text) {
		known := false
		for _, l := range eventLetters {
			if l.letter == letter {
				classes |= l.class
				known = true
			}
		}
		if !known {
			return 0, false
		}
	}
	return classes, true
}

// String spells classes as CONFIG GET does: behind "A" not even "n" is shown, which it does not mean.
func (c eventClass) String() string {
	var b strings.Builder
	all := c&allEvents == allEvents
	for _, l := range eventLetters {
		hidden := all && l.class != allEvents && l.class&(allEvents|newEvent) != 0
		if c&l.class == l.class && !hidden {
			b.WriteByte(l.letter)
		}
	}
	return b.String()
}

// Notify tells of an event of a key in the unit's database: where Redis calls notifyKeyspaceEvent. It costs a branch unless
// somebody asked for events of the class.
func (tx *Tx) Notify(class eventClass, event string, key []byte) {
	if tx.e.events&class != 0 {
		tx.e.notify(tx.db.id, event, key)
	}
}

// lookedUp counts a look-up of a key for reading, and tells of a miss.
func (c *Call) lookedUp(key []byte, found bool) {
	c.found(found)
	if !found {
		c.Tx.Notify(missEvent, "keymiss", key)
	}
}

// NotifyRemoved is Notify of what may have left nothing of the key: then "del" follows. Changed comes before it.
func (tx *Tx) NotifyRemoved(class eventClass, event string, key []byte) {
	if tx.e.events == 0 {
		return
	}
	tx.Notify(class, event, key)
	if tx.db.keys[string(key)] == nil {
		tx.Notify(genericEvent, "del", key)
	}
}

func (e *Engine) notify(db int, event string, key []byte) {
	if e.topics[channel].len()+e.topics[pattern].len() == 0 {
		return
	}
	name := func(space string, about []byte) []byte {
		b := append(make([]byte, 0, 64), space...)
		b = strconv.AppendInt(append(b, '@'), int64(db), 10)
		return append(append(b, "__:"...), about...)
	}
	if e.events&toldByKey != 0 {
		e.publish(name("__keyspace", key), []byte(event))
	}
	if e.events&toldByEvent != 0 {
		e.publish(name("__keyevent", []byte(event)), key)
	}
}
