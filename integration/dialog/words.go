package dialog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// word is one word of a command line.
type word struct {
	text   string
	quoted bool // then it means only itself, even if it is & or $name
}

// reference returns the name a word stands for.
func (w word) reference() (name string, ok bool) {
	if w.quoted || len(w.text) < 2 || w.text[0] != '$' {
		return "", false
	}
	return w.text[1:], true
}

// splitWords cuts a line into words by redis-cli's rules: blanks separate,
// "..." knows \n \r \t \b \a \\ \" and \xHH, '...' knows \' only, and a closing
// quote ends its word.
func splitWords(line string) ([]word, error) {
	var words []word
	for rest := strings.TrimLeft(line, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		w, n, err := firstWord(rest)
		if err != nil {
			return nil, err
		}
		words = append(words, w)
		rest = rest[n:]
	}
	return words, nil
}

// firstWord returns the word at the start of s and its length there.
func firstWord(s string) (word, int, error) {
	quote := strings.IndexAny(s[:1], `"'`) == 0
	if !quote {
		n := strings.IndexByte(s, ' ')
		if n < 0 {
			n = len(s)
		}
		if strings.ContainsAny(s[:n], `"'`) {
			return word{}, 0, fmt.Errorf("quote inside the word %s", s[:n])
		}
		return word{text: s[:n]}, n, nil
	}
	text, n, err := unquote(s)
	if err != nil {
		return word{}, 0, err
	}
	if n < len(s) && s[n] != ' ' {
		return word{}, 0, fmt.Errorf("no blank after %s", s[:n])
	}
	return word{text: text, quoted: true}, n, nil
}

var errUnclosed = errors.New("quote is not closed")

// unquote reads the quoted text at the start of s and returns it with the
// length of its source.
func unquote(s string) (string, int, error) {
	var b strings.Builder
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			return b.String(), i + 1, nil
		case c != '\\' || i+1 == len(s):
			b.WriteByte(c)
		case quote == '\'':
			if s[i+1] == '\'' {
				i++
			}
			b.WriteByte(s[i])
		case s[i+1] == 'x':
			if i+4 > len(s) {
				return "", 0, errUnclosed
			}
			n, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
			if err != nil {
				return "", 0, fmt.Errorf("bad escape %s", s[i:i+4])
			}
			b.WriteByte(byte(n))
			i += 3
		default:
			i++
			b.WriteByte(unescape(s[i]))
		}
	}
	return "", 0, errUnclosed
}

func unescape(c byte) byte {
	if i := strings.IndexByte("nrtba", c); i >= 0 {
		return "\n\r\t\b\a"[i]
	}
	return c
}

// quote is the inverse of unquote for double quotes; the result is printable
// ASCII on one line.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		switch j := strings.IndexByte("\n\r\t\b\a", c); {
		case j >= 0:
			b.WriteByte('\\')
			b.WriteByte("nrtba"[j])
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// maxRaw bounds what one line of raw bytes may expand to.
const maxRaw = 8 << 20

// parseRaw reads what stands behind ">>": quoted texts, each with an optional
// *N that repeats it.
func parseRaw(line string) (string, error) {
	var b strings.Builder
	for rest := strings.TrimLeft(line, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		if rest[0] != '"' {
			return "", fmt.Errorf("raw bytes must be quoted: %s", rest)
		}
		text, n, err := unquote(rest)
		if err != nil {
			return "", err
		}
		rest = rest[n:]
		times := 1
		if after, ok := strings.CutPrefix(rest, "*"); ok {
			count, tail, _ := strings.Cut(after, " ")
			if times, err = strconv.Atoi(count); err != nil || times < 0 {
				return "", fmt.Errorf("bad repeat *%s", count)
			}
			rest = tail
		}
		if len(text) > 0 && times > (maxRaw-b.Len())/len(text) {
			return "", fmt.Errorf("more than %d raw bytes", maxRaw)
		}
		b.WriteString(strings.Repeat(text, times))
	}
	return b.String(), nil
}
