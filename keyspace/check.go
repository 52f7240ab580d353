package keyspace

import (
	"bytes"
	"strings"
)

// DefaultResultBytes is the size from which a result is too large.
const DefaultResultBytes = 1 << 20

// Checker judges writes, and what is stored.
type Checker struct {
	Layout      Layout
	ResultBytes int // of a result, at most; 0 = DefaultResultBytes
}

// Check judges one command by itself, in time that grows with its length: args are its words, the first one its name.
// Reads, and writes to keys that are nothing like OmniDaemon's, cost one look-up and nothing is allocated.
//
// unchecked reports that it writes, or may write, what cannot be judged by looking at it: a script, or a copy, a
// combination or a part of a value that ends up in one of OmniDaemon's keys.
func (c Checker) Check(args [][]byte) (found []Finding, unchecked bool) {
	if len(args) < 2 || !c.Layout.anyNear(args[1:]) && !mayBeScript(args[0]) {
		return nil, false
	}
	w, ok := writeOf(args)
	if !ok {
		return nil, false
	}
	if w.script {
		return nil, true
	}
	for i := w.key; i < len(args); i += w.step {
		if c.Layout.near(args[i]) {
			j := judge{Checker: c, command: args[0]}
			j.at(string(args[i]))
			j.write(w, args, i)
			found = append(found, j.found...)
			unchecked = unchecked || w.blind && j.k.Family != Other
		}
		if w.step == 0 {
			break
		}
	}
	return found, unchecked
}

// mayBeScript reports whether a name may be that of a command that runs a script: it writes without naming a key.
func mayBeScript(name []byte) bool {
	return len(name) > 0 && (name[0]|0x20 == 'e' || name[0]|0x20 == 'f')
}

// anyNear reports whether one of some words is near, taken for a key.
func (l Layout) anyNear(words [][]byte) bool {
	for _, word := range words {
		if l.near(word) {
			return true
		}
	}
	return false
}

// near reports whether a key is OmniDaemon's, or might be thought to be.
func (l Layout) near(key []byte) bool {
	if len(key) == 0 {
		return false
	}
	begins := byte(':')
	if l.Prefix != "" {
		begins = l.Prefix[0]
	}
	if first := key[0]; first != 'o' && first != 'r' && first != 'd' && first != begins {
		return false // as nearly all are
	}
	if n := len(l.Prefix); len(key) > n && key[n] == ':' && string(key[:n]) == l.Prefix {
		return true
	}
	for _, start := range [...]string{"omni-", "omni_", "retry", "dlq:"} {
		if len(key) >= len(start) && string(key[:len(start)]) == start {
			return true
		}
	}
	return false
}

// write is what is known of a command that writes.
type write struct {
	key, step int  // the key's place among the words; step leads to the next one, 0 if there is one
	makes     Type // the type of a value that it makes; Any = of the one that is there
	script    bool // it may write anything
	blind     bool // what it writes does not stand in it
	judge     func(j *judge, args [][]byte, key int)
}

// writes are the commands that write and may break a rule.
var writes = map[string]write{
	"SET": {key: 1, makes: String, judge: second}, "SETNX": {key: 1, makes: String, judge: second}, "GETSET": {key: 1, makes: String, judge: second},
	"SETEX": {key: 1, makes: String, judge: third}, "PSETEX": {key: 1, makes: String, judge: third},
	"MSET": {key: 1, step: 2, makes: String, judge: second}, "MSETNX": {key: 1, step: 2, makes: String, judge: second},
	"INCR": {key: 1, makes: String, judge: counted}, "DECR": {key: 1, makes: String, judge: counted},
	"INCRBY": {key: 1, makes: String, judge: counted}, "DECRBY": {key: 1, makes: String, judge: counted},
	"INCRBYFLOAT": {key: 1, makes: String, judge: counted},
	"APPEND":      {key: 1, makes: String, blind: true}, "SETRANGE": {key: 1, makes: String, blind: true},
	"SETBIT": {key: 1, makes: String, blind: true}, "BITFIELD": {key: 1, makes: String, blind: true},
	"BITOP": {key: 2, makes: String, blind: true}, "PFADD": {key: 1, makes: String, blind: true}, "PFMERGE": {key: 1, makes: String, blind: true},

	"HSET": {key: 1, makes: Hash, judge: hashFields}, "HMSET": {key: 1, makes: Hash, judge: hashFields}, "HSETNX": {key: 1, makes: Hash, judge: hashFields},
	"HINCRBY": {key: 1, makes: Hash, judge: hashCounted}, "HINCRBYFLOAT": {key: 1, makes: Hash, judge: hashCounted},

	"SADD": {key: 1, makes: Set, judge: setMembers}, "SMOVE": {key: 2, makes: Set, judge: setMembers},
	"ZADD": {key: 1, makes: ZSet, judge: scoredMembers}, "ZINCRBY": {key: 1, makes: ZSet}, "GEOADD": {key: 1, makes: ZSet, blind: true},

	"LPUSH": {key: 1, makes: List}, "RPUSH": {key: 1, makes: List},
	"RPOPLPUSH": {key: 2, makes: List}, "BRPOPLPUSH": {key: 2, makes: List}, "LMOVE": {key: 2, makes: List}, "BLMOVE": {key: 2, makes: List},

	"XADD": {key: 1, makes: Stream, judge: streamEntry}, "XGROUP": {key: 2, makes: Stream},

	"EXPIRE": {key: 1, judge: expires}, "PEXPIRE": {key: 1, judge: expires}, "EXPIREAT": {key: 1, judge: expires}, "PEXPIREAT": {key: 1, judge: expires},

	"RENAME": {key: 2, blind: true}, "RENAMENX": {key: 2, blind: true}, "COPY": {key: 2, blind: true}, "RESTORE": {key: 1, blind: true},
	"SINTERSTORE": {key: 1, makes: Set, blind: true}, "SUNIONSTORE": {key: 1, makes: Set, blind: true}, "SDIFFSTORE": {key: 1, makes: Set, blind: true},
	"ZINTERSTORE": {key: 1, makes: ZSet, blind: true}, "ZUNIONSTORE": {key: 1, makes: ZSet, blind: true}, "ZDIFFSTORE": {key: 1, makes: ZSet, blind: true},
	"ZRANGESTORE": {key: 1, makes: ZSet, blind: true}, "GEOSEARCHSTORE": {key: 1, makes: ZSet, blind: true},

	"EVAL": {script: true}, "EVALSHA": {script: true}, "FCALL": {script: true},
}

// stores are the commands that write where a word STORE says.
var stores = map[string]write{
	"SORT": {makes: List, blind: true}, "GEORADIUS": {makes: ZSet, blind: true}, "GEORADIUSBYMEMBER": {makes: ZSet, blind: true},
}

// writeOf finds what is known of a command. It is not ok if there is nothing to judge.
func writeOf(args [][]byte) (w write, ok bool) {
	var room [24]byte
	if len(args) < 2 || len(args[0]) > len(room) {
		return w, false
	}
	name := room[:len(args[0])]
	for i, c := range args[0] {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		name[i] = c
	}
	if w, ok = writes[string(name)]; ok {
		return w, w.script || w.key < len(args) && (!is(args[0], "XGROUP") || is(args[1], "CREATE"))
	}
	if w, ok = stores[string(name)]; !ok {
		return w, false
	}
	for i := 2; i+1 < len(args); i++ {
		if is(args[i], "STORE") || is(args[i], "STOREDIST") {
			w.key = i + 1
		}
	}
	return w, w.key > 0
}

func is(word []byte, name string) bool {
	return len(word) == len(name) && bytes.EqualFold(word, []byte(name))
}

// write judges what a command makes of the key at args[key].
func (j *judge) write(w write, args [][]byte, key int) {
	if w.makes != Any || w.blind { // it makes the key
		j.name()
	}
	if j.k.Family == Other {
		return
	}
	if want := families[j.k.Family].Type; w.makes != Any && w.makes != want {
		j.add(KeyType, Finding{}, "must be %s; %s writes %s", article(want), strings.ToUpper(string(j.command)), article(w.makes))
		return
	}
	if w.judge != nil {
		w.judge(j, args, key)
	}
}

func second(j *judge, args [][]byte, key int) {
	if key+1 < len(args) {
		j.text(args[key+1])
	}
}

func third(j *judge, args [][]byte, key int) {
	if key+2 < len(args) {
		j.text(args[key+2])
	}
}

// one is what the value of a counter looks like.
var one = []byte("1")

func counted(j *judge, _ [][]byte, _ int) { j.text(one) }

func hashFields(j *judge, args [][]byte, key int) {
	if j.k.Family != Agent {
		return
	}
	var topic, name []byte
	for i := key + 1; i+1 < len(args); i += 2 {
		j.agentField(args[i], args[i+1])
		switch string(args[i]) {
		case "topic":
			topic = args[i+1]
		case "name":
			name = args[i+1]
		}
	}
	j.agentKey(topic, name)
}

func hashCounted(j *judge, args [][]byte, key int) {
	if j.k.Family == Agent && key+1 < len(args) {
		j.agentField(args[key+1], one)
	}
}

func setMembers(j *judge, args [][]byte, key int) {
	for _, m := range args[key+1:] {
		j.member(m)
	}
}

func scoredMembers(j *judge, args [][]byte, key int) {
	i := key + 1
	for i < len(args) && (is(args[i], "NX") || is(args[i], "XX") || is(args[i], "GT") || is(args[i], "LT") || is(args[i], "CH") || is(args[i], "INCR")) {
		i++
	}
	for i++; i < len(args); i += 2 {
		j.member(args[i])
	}
}

// streamEntry judges XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] id field value ...
func streamEntry(j *judge, args [][]byte, key int) {
	i, trimmed := key+1, false
	for i < len(args) {
		switch {
		case is(args[i], "NOMKSTREAM"):
			i++
		case is(args[i], "LIMIT"):
			i += 2
		case is(args[i], "MAXLEN"), is(args[i], "MINID"):
			trimmed = true
			if i++; i < len(args) && (is(args[i], "=") || is(args[i], "~")) {
				i++
			}
			i++
		default:
			if (j.k.Family == MetricsStream || j.k.Family == BusMetrics) && !trimmed {
				j.add(MetricsTrim, Finding{}, "is written without MAXLEN, and so grows for ever")
			}
			j.entry("", args[i+1:])
			return
		}
	}
}

func expires(j *judge, _ [][]byte, _ int) { j.lasting() }

func article(t Type) string {
	if t == Any {
		return "a type of a module"
	}
	return "a " + t.String()
}
