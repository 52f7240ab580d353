package dialog

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// value is one reply, with the text of scalars exactly as it was sent.
type value struct {
	kind   byte    // the type byte of RESP
	null   bool    // $-1 or *-1
	text   string  // of a scalar; of a verbatim string without its format
	format string  // of a verbatim string: "txt"
	elems  []value // of an aggregate; a map's are keys and values in turn

	masked string // what stands in place of the whole value: "<int>"
	edited bool   // text contains a mask
}

// Limits of what a server under test may make us allocate.
const (
	maxText  = 64 << 20
	maxElems = 1 << 20
	maxDepth = 32
	maxLine  = 64 << 10
)

// aggregate kinds and how many values one counted element has.
var perElement = map[byte]int{'*': 1, '~': 1, '>': 1, '%': 2}

func (v *value) aggregate() bool { return perElement[v.kind] > 0 && !v.null }

// readValue reads one reply. io.EOF means that none had begun. Lengths must
// have their shortest form, so that the text of a value determines its bytes.
func readValue(r *bufio.Reader) (value, error) { return readNested(r, 0) }

func readNested(r *bufio.Reader, depth int) (value, error) {
	line, err := readLine(r)
	if err != nil {
		return value{}, err
	}
	if line == "" {
		return value{}, fmt.Errorf("reply has no type: empty line")
	}
	v := value{kind: line[0], text: line[1:]}
	switch v.kind {
	case '+', '-', ':', ',', '(':
		return v, nil
	case '_':
		if v.text != "" {
			return value{}, fmt.Errorf("null with text %q", line)
		}
		return v, nil
	case '#':
		if v.text != "t" && v.text != "f" {
			return value{}, fmt.Errorf("bad boolean %q", line)
		}
		return v, nil
	case '$', '=', '!':
		return readBlob(r, v)
	case '*', '~', '>', '%':
		return readElements(r, v, depth)
	}
	return value{}, fmt.Errorf("unknown reply type in %q", line)
}

var verbatimFormat = regexp.MustCompile(`^[a-z0-9]{3}$`)

func readBlob(r *bufio.Reader, v value) (value, error) {
	n, null, err := length(v, maxText)
	v.text, v.null = "", null
	if err != nil || null {
		return v, err
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(r, b); err != nil {
		return value{}, inside(err)
	}
	if string(b[n:]) != "\r\n" {
		return value{}, fmt.Errorf("no CRLF after %d bytes of text", n)
	}
	v.text = string(b[:n])
	if v.kind == '=' {
		format, text, ok := strings.Cut(v.text, ":")
		if !ok || !verbatimFormat.MatchString(format) {
			return value{}, fmt.Errorf("verbatim string without format: %q", v.text)
		}
		v.format, v.text = format, text
	}
	return v, nil
}

func readElements(r *bufio.Reader, v value, depth int) (value, error) {
	n, null, err := length(v, maxElems)
	v.text, v.null = "", null
	if err != nil || null {
		return v, err
	}
	if depth == maxDepth {
		return value{}, fmt.Errorf("reply nested deeper than %d", maxDepth)
	}
	for range n * perElement[v.kind] {
		e, err := readNested(r, depth+1)
		if err != nil {
			return value{}, inside(err)
		}
		if v.kind == '%' && len(v.elems)%2 == 0 && e.aggregate() {
			return value{}, fmt.Errorf("aggregate as a key of a map")
		}
		v.elems = append(v.elems, e)
	}
	return v, nil
}

// length reads the length that stands in the header of v.
func length(v value, limit int) (n int, null bool, err error) {
	if v.text == "-1" && (v.kind == '$' || v.kind == '*') {
		return 0, true, nil
	}
	n, err = strconv.Atoi(v.text)
	if err != nil || n < 0 || n > limit || strconv.Itoa(n) != v.text {
		return 0, false, fmt.Errorf("bad length %q", string(v.kind)+v.text)
	}
	return n, false, nil
}

func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == bufio.ErrBufferFull && len(line) < maxLine {
			continue
		}
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		text, ok := strings.CutSuffix(string(line), "\r\n")
		if !ok {
			return "", fmt.Errorf("line without CR: %q", line)
		}
		return text, nil
	}
}

// inside makes the end of the stream an error where a reply had begun.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
