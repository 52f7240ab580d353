package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"unsafe"
)

// Limits bounds what a client may send. Redis 7.0.15 has the values of [DefaultLimits] and, until a client that must
// authenticate has done so, those of Unauthenticated.
type Limits struct {
	Bulk            int64 // bytes of one argument of a multibulk command
	Args            int   // arguments of one multibulk command
	Inline          int   // bytes before the end of an inline command or of a "*" or "$" line
	Query           int   // bytes of one command as sent
	Unauthenticated bool  // at most 10 arguments of 16,384 bytes as well
}

// Redis' limits for a client that must authenticate first; they do not apply to inline commands.
const (
	unauthArgs = 10
	unauthBulk = 16384
)

// What a Reader keeps for its next batch besides its buffer: idleBytes of slice headers and of spans.
const (
	idleArgs  = idleBytes / 24
	idleSpans = idleBytes / 16
)

// DefaultLimits returns those of an unconfigured Redis 7.0.15: 512 MB an argument, 2^31-1 arguments, 64 KB a line, 1 GB a
// command. (Redis counts its 1 GB without the arguments it has already taken from its buffer.)
func DefaultLimits() Limits {
	return Limits{Bulk: 512 << 20, Args: math.MaxInt32, Inline: 64 << 10, Query: 1 << 30}
}

// ErrQuery says that a command is longer than Limits.Query. Redis closes such a client without a reply.
var ErrQuery = errors.New("read command: longer than the query limit")

// Reader cuts a client's bytes into commands, multibulk and inline. The zero value is ready to use; it is not safe for
// concurrent use.
//
// A batch goes Feed, Next until ok is false or the caller has enough, Keep. A command that lies whole in the bytes fed is
// returned as slices of them; one that came in pieces is put together in a buffer of the Reader's own, which grows as bytes
// arrive and, but for who has sent megabytes of it, never because a client announced them. Bytes seen once are not parsed again when more arrive.
//
// Like Redis, the Reader does not look at the byte after CR that ends a line or at the two bytes after an argument, and to
// it a line with a NUL byte never ends: it waits until the line is too long.
type Reader struct {
	buf  []byte   // bytes of earlier feeds
	feed []byte   // the caller's bytes, which follow those of buf
	pos  int      // first byte of buf and feed that no returned command holds
	cmd  progress // how far the command at pos is parsed
	args [][]byte // arguments of the commands of this batch, one after another
	err  error
	lent bool // somebody keeps bytes of buf

	// Room is asked, unless it is nil, before a buffer of more than [Roomy] bytes is made. Where it says no, the client's
	// command ends in [ErrRoom].
	Room func(bytes int) bool
}

// Roomy is how large a Reader's buffer may be without asking.
const Roomy = 1 << 20

// progress is what is known of a command that has not come whole, in offsets from its first byte: they stay true when the
// bytes move.
type progress struct {
	at    int    // first byte not parsed
	clean int    // first byte not searched for the end of the line being read
	args  int    // arguments announced, 0 until the line of "*" is parsed
	need  int    // bytes that the argument at at takes with its CR LF, 0 until its "$" line is parsed
	spans []span // arguments parsed
}

type span struct{ from, to int }

func (c *progress) reset() { *c = progress{spans: c.spans[:0]} }

// Mark is a place between two commands; see [Reader.Mark].
type Mark struct{ pos int }

// Feed gives the Reader the next bytes of the stream. They stay the caller's and must not change before Keep. Feed itself
// does what Keep does first.
func (r *Reader) Feed(p []byte) {
	r.Keep()
	r.feed = p
}

// Next returns the next command: its arguments, at least one, and its bytes as sent. ok is false when no whole command is
// left. Empty commands ("*0", "*-1", a blank line) are skipped. args and raw, which share their bytes, are valid until the
// next Keep or Feed; lim may differ from call to call.
//
// An error is final unless the caller rewinds: an [Error] to be sent to the client before it is closed, or [ErrQuery].
func (r *Reader) Next(lim *Limits) (args [][]byte, raw []byte, ok bool, err error) {
	for r.err == nil {
		b := r.rest()
		if len(b) == 0 {
			break
		}
		var n int
		first := len(r.args)
		n, r.err = r.parse(b, lim)
		if n == 0 {
			if r.err == nil && r.pull() {
				continue
			}
			break
		}
		r.pos += n
		r.cmd.reset()
		if last := len(r.args); last > first {
			return r.args[first:last:last], b[:n:n], true, nil
		}
	}
	return nil, nil, false, r.err
}

// Mark returns the place of the next command, for Rewind. It is valid until the next Keep or Feed.
func (r *Reader) Mark() Mark { return Mark{r.pos} }

// Rewind un-reads the commands that Next returned since m was taken, and an error it met. What they returned stays valid.
func (r *Reader) Rewind(m Mark) {
	r.pos = m.pos
	r.cmd.reset()
	r.err = nil
}

// Lend returns raw, which Next returned as the bytes of a command, so that it stays valid for ever: in place where the
// Reader put it together in a buffer that holds little else, else as a copy.
func (r *Reader) Lend(raw []byte) []byte {
	if len(raw) > idleBytes && len(raw) > cap(r.buf)/2 && holds(r.buf, raw) {
		r.lent = true
		return raw
	}
	return bytes.Clone(raw)
}

// holds reports whether part lies in whole.
func holds(whole, part []byte) bool {
	begin, at := uintptr(unsafe.Pointer(unsafe.SliceData(whole))), uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	return begin <= at && at < begin+uintptr(len(whole))
}

// Pending returns how many bytes are held that no returned command contains.
func (r *Reader) Pending() int { return len(r.buf) + len(r.feed) - r.pos }

// Unread returns a copy of the bytes that Pending counts, between two batches: another Reader goes on with them.
func (r *Reader) Unread() []byte { return slices.Concat(r.buf[min(r.pos, len(r.buf)):], r.feed) }

// Keep ends a batch: what no returned command contains is copied to the Reader's own buffer, and the bytes fed are the
// caller's again. After an error there is nothing to keep. It returns [ErrRoom] where there is no room for the rest.
func (r *Reader) Keep() error {
	if r.err != nil {
		r.buf, r.feed, r.pos = nil, nil, 0
	}
	if r.lent && r.pos > 0 {
		kept := r.buf[min(r.pos, len(r.buf)):]
		r.pos -= len(r.buf) - len(kept)
		r.buf, r.lent = append([]byte(nil), kept...), false
	}
	if read := r.pos - len(r.buf); read >= 0 {
		r.buf, r.feed, r.pos = r.buf[:0], r.feed[read:], 0
	}
	switch left := len(r.buf) - r.pos; {
	case cap(r.buf) > idleBytes && left+len(r.feed) <= cap(r.buf)/4 && left <= trusted:
		r.buf, r.pos = append([]byte(nil), r.buf[r.pos:]...), 0
	case r.pos >= left:
		r.buf, r.pos = r.buf[:copy(r.buf, r.buf[r.pos:])], 0
	}
	err := r.hold(len(r.feed))
	r.feed = nil

	clear(r.args)
	r.args = r.args[:0]
	if cap(r.args) > idleArgs {
		r.args = nil
	}
	if len(r.cmd.spans) == 0 && cap(r.cmd.spans) > idleSpans {
		r.cmd.spans = nil
	}
	return err
}

// Held returns how many bytes the Reader has for what came and is not whole.
func (r *Reader) Held() int { return cap(r.buf) + cap(r.cmd.spans)*int(unsafe.Sizeof(span{})) }

// rest returns the bytes at pos that lie together: those of buf, or when they are all read those of feed.
func (r *Reader) rest() []byte {
	if r.pos < len(r.buf) {
		return r.buf[r.pos:]
	}
	return r.feed[r.pos-len(r.buf):]
}

// pull moves bytes that the command begun in buf still waits for from feed to buf, and no others: what follows the command
// is read in place. It reports whether there were any.
func (r *Reader) pull() bool {
	if r.pos >= len(r.buf) || len(r.feed) == 0 {
		return false
	}
	n, c := len(r.feed), &r.cmd
	if c.need > 0 {
		n = r.pos + c.at + c.need - len(r.buf)
	} else if i := bytes.IndexByte(r.feed, '\n'); i >= 0 {
		n = i + 1
	}
	if more := c.args - len(c.spans) - 1; more > 0 {
		n += min(more, len(r.feed)) * len("$0\r\n\r\n") // the least that the arguments after this one take
	}
	r.err = r.hold(min(n, len(r.feed)))
	return true
}

// trusted is how much a client must have sent to be given room for all that it announced, 512 MB at the most: buffers that
// double hold a long argument three times.
const trusted = 32 << 20

// hold moves the first n bytes of feed to buf, whose capacity doubles when it is exhausted.
func (r *Reader) hold(n int) error {
	if need := len(r.buf) + n; need > cap(r.buf) {
		size := max(need, 2*cap(r.buf))
		if end := r.pos + r.cmd.at + r.cmd.need; need <= end && (end < size || need > trusted) {
			size = end // where the argument ends: a large one is often the last
		}
		if size > Roomy && r.Room != nil && !r.Room(size) {
			return ErrRoom
		}
		buf := make([]byte, len(r.buf), size)
		copy(buf, r.buf)
		r.buf = buf
	}
	r.buf = append(r.buf, r.feed[:n]...)
	r.feed = r.feed[n:]
	return nil
}

// parse goes on with the command that b begins with. It returns the command's length after appending its arguments to
// r.args, or 0 when bytes are missing.
func (r *Reader) parse(b []byte, lim *Limits) (n int, err error) {
	whole := len(b)
	// What was parsed or searched under a larger limit stays so.
	b = b[:min(whole, max(1, lim.Query, r.cmd.at, r.cmd.clean))]
	if b[0] == '*' {
		n, err = r.multibulk(b, lim)
	} else {
		n, err = r.inline(b, lim)
	}
	if n == 0 && err == nil && len(b) < whole {
		err = ErrQuery
	}
	return n, err
}

func (r *Reader) multibulk(b []byte, lim *Limits) (int, error) {
	c := &r.cmd
	if c.args == 0 {
		end, err := c.line(b, '\r', lim.Inline, ErrMultibulkLine)
		if err != nil || end < 0 || end+1 == len(b) {
			return 0, err
		}
		n, ok := parseInt(b[1:end])
		switch {
		case !ok || n > int64(lim.Args):
			return 0, ErrMultibulkLength
		case n > unauthArgs && lim.Unauthenticated:
			return 0, ErrMultibulkAuth
		case n <= 0:
			return end + 2, nil
		}
		c.at, c.args = end+2, int(n)
	}
	for len(c.spans) < c.args {
		if c.need == 0 {
			end, err := c.line(b, '\r', lim.Inline, ErrBulkLine)
			if err != nil || end < 0 || end+1 == len(b) {
				return 0, err
			}
			if b[c.at] != '$' {
				return 0, expectedBulk(b[c.at])
			}
			n, ok := parseInt(b[c.at+1 : end])
			switch {
			case !ok || n < 0 || n > lim.Bulk || n > math.MaxInt/2:
				return 0, ErrBulkLength
			case n > unauthBulk && lim.Unauthenticated:
				return 0, ErrBulkAuth
			}
			c.at, c.need = end+2, int(n)+2
		}
		if len(b)-c.at < c.need {
			return 0, nil
		}
		next := c.at + c.need
		c.spans = append(c.spans, span{c.at, next - 2})
		c.at, c.need = next, 0
	}
	r.args = slices.Grow(r.args, len(c.spans))
	for _, s := range c.spans {
		r.args = append(r.args, b[s.from:s.to:s.to])
	}
	return c.at, nil
}

// line returns where in b the line that begins at c.at has its first end byte, -1 while that has not come, tooLong once
// more than limit bytes have come without it.
func (c *progress) line(b []byte, end byte, limit int, tooLong Error) (int, error) {
	from := max(c.at, c.clean)
	i := bytes.IndexByte(b[from:], end)
	if i >= 0 {
		i += from
		if i-c.at <= limit && bytes.IndexByte(b[c.at:i], 0) < 0 {
			return i, nil
		}
	}
	if len(b)-c.at > limit {
		return -1, tooLong
	}
	if i < 0 {
		c.clean = len(b)
	}
	return -1, nil
}

// parseInt reads a decimal as strictly as Redis does: no sign but a minus, no leading zero, no "-0", within 64 bits.
func parseInt(b []byte) (int64, bool) {
	digits, negative := bytes.CutPrefix(b, []byte{'-'})
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' {
		return 0, len(b) == 1 && b[0] == '0'
	}
	var n uint64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	if negative {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n <= math.MaxInt64
}

func (r *Reader) inline(b []byte, lim *Limits) (int, error) {
	end, err := r.cmd.line(b, '\n', lim.Inline, ErrInlineLine)
	if err != nil || end < 0 {
		return 0, err
	}
	args, ok := AppendWords(r.args, bytes.TrimSuffix(b[:end], []byte{'\r'}))
	if !ok {
		return 0, ErrQuotes
	}
	r.args = args
	return end + 1, nil
}

// AppendWords appends the words of a line, which spaces separate and quotes hold together, as an inline command has them. They
// share the bytes of line where these are plain. ok is false where a quote does not end, or something stands right behind it.
func AppendWords(words [][]byte, line []byte) (_ [][]byte, ok bool) {
	for {
		for len(line) > 0 && isSpace(line[0]) {
			line = line[1:]
		}
		if len(line) == 0 {
			return words, true
		}
		text, n, ok := word(line)
		if !ok {
			return words, false
		}
		words = append(words, text)
		line = line[n:]
	}
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// word reads the argument that line begins with and returns its text and its length as written: plain bytes, then perhaps
// one part in quotes, which ends it. Unlike between words, vertical tab and form feed are plain bytes inside one.
func word(line []byte) (text []byte, n int, ok bool) {
	for n < len(line) {
		switch c := line[n]; c {
		case ' ', '\t', '\r', '\n':
			return line[:n:n], n, true
		case '"', '\'':
			rest, size, ok := quoted(line[n+1:], c)
			end := n + 1 + size
			return append(line[:n:n], rest...), end, ok && (end == len(line) || isSpace(line[end]))
		}
		n++
	}
	return line[:n:n], n, true
}

// quoted reads up to the closing quote and returns the text meant and the length as written, quote included. Double quotes
// know \xHH, \n, \r, \t, \b, \a and a backslash before any other byte; single quotes know \' only.
func quoted(b []byte, quote byte) (text []byte, n int, ok bool) {
	text = []byte{}
	for n < len(b) {
		c := b[n]
		switch {
		case c == quote:
			return text, n + 1, true
		case c == '\\' && quote == '"' && n+1 < len(b), c == '\\' && n+1 < len(b) && b[n+1] == '\'':
			var size int
			c, size = escape(b[n+1:])
			n += size
		}
		text = append(text, c)
		n++
	}
	return nil, n, false
}

// escape reads what follows a backslash and returns the byte meant and the length as written.
func escape(b []byte) (c byte, n int) {
	switch b[0] {
	case 'x':
		var v [1]byte
		if len(b) < 3 {
			break
		}
		if _, err := hex.Decode(v[:], b[1:3]); err == nil {
			return v[0], 3
		}
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'b':
		return '\b', 1
	case 'a':
		return '\a', 1
	}
	return b[0], 1
}
