package engine

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// kind is what a parameter may be told.
type kind interface {
	// shown returns the text by which CONFIG GET shows what CONFIG SET was told, or why that is refused. before is the text
	// shown until now.
	shown(told, before string) (string, error)
}

// yesNo is a switch.
type yesNo struct{}

func (yesNo) shown(told, _ string) (string, error) {
	switch told = strings.ToLower(told); told {
	case "yes", "no":
		return told, nil
	}
	return "", wire.ReasonNotYesNo
}

// noDefragmentation is a switch that stays off: Go does not move objects.
type noDefragmentation struct{}

func (noDefragmentation) shown(told, before string) (string, error) {
	text, err := yesNo{}.shown(told, before)
	if text == "yes" {
		return "", wire.ReasonNoDefragmentation
	}
	return text, err
}

// wholeNumber is an integer from min to max.
type wholeNumber struct{ min, max int64 }

func (k wholeNumber) shown(told, _ string) (string, error) {
	n, ok := integer([]byte(told))
	switch {
	case !ok:
		return "", wire.ReasonNotInteger
	case n < k.min || n > k.max:
		return "", wire.ReasonRange(k.min, k.max)
	}
	return told, nil
}

// clamped is a number of another kind, which is moved between low and high where it is not.
type clamped struct {
	kind
	low, high int64
}

func (k clamped) shown(told, before string) (string, error) {
	text, err := k.kind.shown(told, before)
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return strconv.FormatInt(min(max(n, k.low), k.high), 10), err
}

// byteSize is a number of bytes from min to max, perhaps with a unit.
type byteSize struct{ min, max uint64 }

func (k byteSize) shown(told, _ string) (string, error) {
	n, ok := parseMemory(told)
	switch {
	case !ok:
		return "", wire.ReasonNotMemory
	case n < k.min || n > k.max:
		return "", wire.ReasonRange(k.min, k.max)
	}
	return strconv.FormatUint(n, 10), nil
}

// byteSizeOrPercent is a number of bytes, or up to 100 percent of another.
type byteSizeOrPercent struct{}

func (byteSizeOrPercent) shown(told, _ string) (string, error) {
	n, ok := parseMemory(told)
	if !ok {
		digits, percent := strings.CutSuffix(told, "%")
		p, ok := integer([]byte(digits))
		if !percent || !ok || p < 0 {
			return "", wire.ReasonNotMemoryOrPercent
		}
		n = uint64(-p)
	}
	switch percent := -int64(n); {
	case percent <= 0:
		return strconv.FormatUint(n, 10), nil
	case percent > 100:
		return "", wire.ReasonPercentage
	default:
		return strconv.FormatInt(percent, 10) + "%", nil
	}
}

// memoryUnits are Redis' units of memory, in lower case.
var memoryUnits = map[string]uint64{"": 1, "b": 1, "k": 1e3, "kb": 1 << 10, "m": 1e6, "mb": 1 << 20, "g": 1e9, "gb": 1 << 30}

// parseMemory reads a number of bytes as leniently as Redis does: no digits mean 0, too many the largest number, and what a
// unit makes too large wraps around.
func parseMemory(text string) (n uint64, ok bool) {
	const longest = 127 // digits
	unit := strings.TrimLeft(text, "0123456789")
	digits := text[:len(text)-len(unit)]
	factor, ok := memoryUnits[strings.ToLower(unit)]
	if !ok || len(digits) > longest {
		return 0, false
	}
	n, _ = strconv.ParseUint(digits, 10, 64) // out of range, the largest number
	return n * factor, true
}

// oneOf is a choice of words. "yes=relative" means that "relative" is another word for "yes".
type oneOf []string

func (k oneOf) shown(told, _ string) (string, error) {
	var words []string
	for _, choice := range k {
		word, other, _ := strings.Cut(choice, "=")
		if strings.EqualFold(told, word) || other != "" && strings.EqualFold(told, other) {
			return word, nil
		}
		words = append(words, word)
		if other != "" {
			words = append(words, other)
		}
	}
	return "", wire.ReasonNotOneOf(words)
}

// shutdownFlags are options of a shutdown, several of them perhaps.
type shutdownFlags struct{}

func (shutdownFlags) shown(told, _ string) (string, error) {
	words := []string{"default", "save", "nosave", "now", "force"}
	set := map[string]bool{}
	for _, word := range strings.Split(told, " ") {
		word = strings.ToLower(word)
		if !slices.Contains(words, word) {
			return "", wire.ReasonNotOneOf(words)
		}
		set[word] = true
	}
	if set["save"] && set["nosave"] {
		return "", wire.ReasonSaveAndNoSave
	}
	text := slices.DeleteFunc(words[1:], func(word string) bool { return !set[word] })
	if len(text) == 0 {
		return "default", nil
	}
	return strings.Join(text, " "), nil
}

// anyText is any text.
type anyText struct{}

func (anyText) shown(told, _ string) (string, error) { return told, nil }

// cString is a text that ends at a NUL, and that valid takes.
type cString struct{ valid func(text string) error }

func (k cString) shown(told, _ string) (string, error) {
	told, _, _ = strings.Cut(told, "\x00")
	if k.valid != nil {
		if err := k.valid(told); err != nil {
			return "", err
		}
	}
	return told, nil
}

func hostname(text string) error {
	if len(text) >= 256 {
		return wire.ReasonHostnameLength
	}
	for _, c := range []byte(text) {
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.') {
			return wire.ReasonHostname
		}
	}
	return nil
}

// titleTemplate takes a text with variables in braces, {{ for a brace, that is not blank.
func titleTemplate(text string) error {
	variables := []string{"title", "listen-addr", "server-mode", "port", "tls-port", "config-file", "unixsocket"}
	blank := true
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		blank = blank && strings.Trim(before, " ") == ""
		if !found {
			break
		}
		if text, found = strings.CutPrefix(rest, "{"); found {
			blank = false
			continue
		}
		name, behind, closed := strings.Cut(rest, "}")
		if !closed || !slices.Contains(variables, name) {
			blank = true
			break
		}
		blank = blank && (name == "title" || name == "config-file" || name == "unixsocket") // which are empty
		text = behind
	}
	if blank {
		return wire.ReasonTemplate
	}
	return nil
}

// eventClasses are letters of [eventLetters].
type eventClasses struct{}

func (eventClasses) shown(told, _ string) (string, error) {
	classes, ok := parseEventClasses(told)
	if !ok {
		return "", wire.ReasonEventClass
	}
	text := classes.String()
	if classes&newEvent != 0 && !strings.Contains(text, "n") {
		text += "n" // which CONFIG GET does not show, but which counts
	}
	return text, nil
}

// elements splits what a list is told. Nothing is no element.
func elements(told string) []string {
	if told == "" {
		return nil
	}
	return strings.Split(told, " ")
}

// parseLenient reads an integer as strtoll does, up to the end of the text: space and a plus sign before it are skipped,
// nothing means 0, and what is out of range is the nearest integer.
func parseLenient(text string) (n int64, ok bool) {
	digits := strings.TrimPrefix(strings.TrimLeft(text, " \t\n\v\f\r"), "+")
	if text == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// savePoints are pairs of seconds and changes. They are remembered; the append-only file has every change anyway.
type savePoints struct{}

func (savePoints) shown(told, _ string) (string, error) {
	list := elements(told)
	if len(list)%2 != 0 {
		return "", wire.ReasonSavePoints
	}
	for i, text := range list {
		n, ok := parseLenient(text)
		if !ok || i%2 == 0 && n < 1 || n < 0 {
			return "", wire.ReasonSavePoints
		}
		if i%2 == 1 {
			n = int64(int32(n))
		}
		list[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(list, " "), nil
}

// bufferLimits are, for classes of clients, a hard limit, a soft limit and how many seconds that may be passed. Classes that
// are not named keep theirs.
type bufferLimits struct{}

func (bufferLimits) shown(told, before string) (string, error) {
	list, limits := elements(told), strings.Split(before, " ")
	if len(list)%4 != 0 {
		return "", wire.ReasonBufferLimitCount
	}
	for limit := range slices.Chunk(list, 4) {
		class := strings.ToLower(limit[0])
		if class == "replica" {
			class = "slave"
		}
		i := slices.Index(limits, class)
		if i < 0 {
			return "", wire.ReasonBufferLimitClass
		}
		hard, ok := parseMemory(limit[1])
		soft, ok2 := parseMemory(limit[2])
		seconds, ok3 := parseLenient(limit[3])
		if !ok || !ok2 || !ok3 || int32(seconds) < 0 {
			return "", wire.ReasonBufferLimit
		}
		copy(limits[i+1:], []string{strconv.FormatUint(hard, 10), strconv.FormatUint(soft, 10), strconv.Itoa(int(int32(seconds)))})
	}
	return strings.Join(limits, " "), nil
}

// scoreAdjustments are three integers.
type scoreAdjustments struct{}

func (scoreAdjustments) shown(told, _ string) (string, error) {
	list := elements(told)
	if len(list) != 3 {
		return "", wire.ReasonCount
	}
	for i, text := range list {
		n, ok := parseLenient(text)
		if !ok || n < -2000 || n > 2000 {
			return "", wire.ReasonScoreAdjustment
		}
		list[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(list, " "), nil
}

// percentiles are numbers from 0 to 100.
type percentiles struct{}

func (percentiles) shown(told, _ string) (string, error) {
	list := elements(told)
	for i, text := range list {
		f, err := strtod([]byte(text))
		switch {
		case err != nil || math.IsNaN(f):
			return "", wire.ReasonNotPercentile
		case f < 0 || f > 100:
			return "", wire.ReasonPercentile
		}
		list[i] = trimZeros(strconv.AppendFloat(nil, f, 'f', 6, 64))
	}
	return strings.Join(list, " "), nil
}

// trimZeros drops the zeros at the end of a fraction.
func trimZeros(text []byte) string {
	return string(bytes.TrimRight(bytes.TrimRight(text, "0"), "."))
}
