package aof

import (
	"bytes"
	"hash/crc32"
	"strconv"
)

// Annotations are lines that begin with '#', between commands. Redis' loader and redis-check-aof skip them, reading at
// most lineLimit bytes as one line (AOF_ANNOTATION_LINE_MAX_LEN less its NUL). A line that closes something ends with
// its checksum, which covers every byte since the line before it that did so, and this line up to the field itself.
const (
	lineLimit = 1023 // with CRLF

	unitField = "#unit seq="   // closes a unit of an increment
	syncField = "#synced seq=" // between units: those up to that one were synced when this was written; it closes itself
	selectTag = "#select"      // closes a SELECT between units
	baseField = "#base seq="   // opens a base; the first part covers it
	partTag   = "#part"        // closes a part of a base
	endTag    = "#end"         // closes a base
	timeTag   = "#TS:"         // Redis' own, aof-timestamp-enabled yes

	noteField = " note="
	crcField  = " crc=" // and 8 hexadecimal digits
	crcLen    = len(crcField) + 8
)

// MaxNote is the most bytes of a note that are kept.
const MaxNote = 900

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	multiCommand = AppendCommand(nil, "MULTI")
	execCommand  = AppendCommand(nil, "EXEC")
)

// AppendCommand appends a command, encoded as RESP, to dst.
func AppendCommand[T ~string | ~[]byte](dst []byte, args ...T) []byte {
	dst = append(dst, '*')
	dst = strconv.AppendInt(dst, int64(len(args)), 10)
	dst = append(dst, '\r', '\n')
	for _, a := range args {
		dst = append(dst, '$')
		dst = strconv.AppendInt(dst, int64(len(a)), 10)
		dst = append(dst, '\r', '\n')
		dst = append(dst, a...)
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// appendUnit appends n encoded effects as unit seq.
func appendUnit(dst []byte, seq uint64, effects []byte, n int, note string) []byte {
	from := len(dst)
	if n > 1 {
		dst = append(dst, multiCommand...)
	}
	dst = append(dst, effects...)
	if n > 1 {
		dst = append(dst, execCommand...)
	}
	dst = append(dst, unitField...)
	dst = strconv.AppendUint(dst, seq, 10)
	if note != "" {
		dst = append(dst, noteField...)
		dst = appendNote(dst, note)
	}
	return appendCRC(dst, from)
}

// appendNote appends what a line can hold of note.
func appendNote(dst []byte, note string) []byte {
	for i := range min(len(note), MaxNote) {
		c := note[i]
		if c < ' ' || c == 0x7f {
			c = '?'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendSelect appends a SELECT of db and the line that closes it. A real Redis opens each session with a SELECT, too;
// for want of that line theirs can be told from ours.
func appendSelect(dst []byte, db int) []byte {
	from := len(dst)
	dst = AppendCommand(dst, "SELECT", strconv.Itoa(db))
	return appendCRC(append(dst, selectTag...), from)
}

// appendSynced appends the line that says that the units up to seq are durable.
func appendSynced(dst []byte, seq uint64) []byte {
	from := len(dst)
	return appendCRC(strconv.AppendUint(append(dst, syncField...), seq, 10), from)
}

// appendCRC ends the annotation that ends dst; what it closes begins at from.
func appendCRC(dst []byte, from int) []byte {
	sum := crc32.Checksum(dst[from:], castagnoli)
	return append(appendSum(append(dst, crcField...), sum), '\r', '\n')
}

// appendSum appends the 8 digits of a checksum.
func appendSum(dst []byte, sum uint32) []byte {
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[sum>>shift&15])
	}
	return dst
}

// parseUnit reads "#unit seq=18 note=...", without the checksum field.
func parseUnit(line []byte) (seq uint64, note string, ok bool) {
	digits, text, found := bytes.Cut(line[len(unitField):], []byte(noteField))
	if found {
		note = string(text)
	}
	seq, err := strconv.ParseUint(string(digits), 10, 64)
	return seq, note, err == nil
}
