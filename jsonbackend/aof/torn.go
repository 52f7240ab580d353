package aof

import (
	"bufio"
	"bytes"
	"hash/crc32"
	"io"
	"strconv"
)

// searchStep is how many bytes of a file are searched at once.
const searchStep = 64 << 10

// written returns where the zeros at the end of f begin. A power cut may leave them behind where data was not written
// yet; no unit ends in one.
func written(f io.ReadSeeker, size int64) (int64, error) {
	buf := make([]byte, min(size, searchStep))
	for end := size; end > 0; {
		b := buf[:min(end, searchStep)]
		if _, err := f.Seek(end-int64(len(b)), io.SeekStart); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(f, b); err != nil {
			return 0, err
		}
		end -= int64(len(b))
		if kept := len(bytes.TrimRight(b, "\x00")); kept > 0 {
			_, err := f.Seek(0, io.SeekStart)
			return end + int64(kept), err
		}
	}
	_, err := f.Seek(0, io.SeekStart)
	return 0, err
}

// sector is how many bytes a disk writes whole or not at all.
const sector = 512

// remains is what stands in a file from a unit on that is not whole.
type remains struct {
	units  bool   // others follow
	synced uint64 // what a line says that was synced
	hole   bool   // a part of it was never written: zeros up to the end of a sector
}

// damage says why unit seq, which d is wrong with, is damaged rather than torn; "" if it is torn. Torn is what was not
// synced: the end of the file, or what a power cut left of several writes, which need not be the first of them.
func (r remains) damage(d damage, seq uint64) string {
	switch {
	case r.synced >= seq:
		return d.why + ", but it was synced"
	case r.hole || d.end && !r.units:
		return ""
	case r.units && d.end:
		return d.why + ", but units follow"
	}
	return d.why
}

// lookBehind looks at what stands between from, where a unit begins that is not whole, and to, where the file ends.
func lookBehind(f io.ReadSeeker, from, to int64) (remains, error) {
	var r remains
	next, synced, err := linesBehind(f, from, to)
	if err != nil {
		return r, err
	}
	r.units, r.synced = next < to, synced
	r.hole, err = holeIn(f, from, next)
	return r, err
}

// linesBehind returns where the first line of a unit stands that ends between from and to, and not at to; to if there is
// none. When a wrong length has swallowed what follows, such a line is the evidence. synced is the highest unit that a
// line calls synced.
func linesBehind(f io.ReadSeeker, from, to int64) (next int64, synced uint64, err error) {
	next = to
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return 0, 0, err
	}
	lineEnd := []byte("\r\n")
	buf := make([]byte, searchStep)
	kept := 0 // bytes of the chunk before, in which a line may begin
	for at := from; at < to; {
		n, err := io.ReadFull(f, buf[kept:min(searchStep, int64(kept)+to-at)])
		if err != nil {
			return 0, 0, err
		}
		at += int64(n)
		chunk := buf[:kept+n]
		for i := 0; i < len(chunk); i++ {
			found := bytes.IndexByte(chunk[i:], '#')
			if found < 0 {
				break
			}
			i += found
			end := bytes.Index(chunk[i:min(len(chunk), i+lineLimit)], lineEnd)
			switch begins := at - int64(len(chunk)-i); {
			case end < 0:
			case bytes.HasPrefix(chunk[i:], []byte(syncField)):
				synced = max(synced, parseProof(chunk[i:i+end]))
			case bytes.HasSuffix(chunk[:i], lineEnd) && bytes.HasPrefix(chunk[i:], []byte(unitField)) && begins+int64(end)+2 < to:
				next = min(next, begins)
			}
		}
		kept = copy(buf, chunk[max(0, len(chunk)-lineLimit-2):])
	}
	return next, synced, nil
}

// parseProof returns the unit that a line calls synced; 0 if the line is not whole.
func parseProof(line []byte) (seq uint64) {
	at := len(line) - crcLen
	if at < len(syncField) {
		return 0
	}
	sum := appendSum(append([]byte{}, crcField...), crc32.Checksum(line[:at], castagnoli))
	seq, err := strconv.ParseUint(string(line[len(syncField):at]), 10, 64)
	if err != nil || !bytes.Equal(sum, line[at:]) {
		return 0
	}
	return seq
}

// holeIn reports whether something between from and to was never written: from from on to the end of that sector, or all
// of a later one.
func holeIn(f io.ReadSeeker, from, to int64) (bool, error) {
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return false, err
	}
	in := bufio.NewReaderSize(f, searchStep)
	var buf [sector]byte
	for at := from; at < to; {
		n := min(sector-at%sector, to-at)
		if _, err := io.ReadFull(in, buf[:n]); err != nil {
			return false, err
		}
		if at += n; at%sector == 0 && len(bytes.Trim(buf[:n], "\x00")) == 0 {
			return true, nil
		}
	}
	return false, nil
}
