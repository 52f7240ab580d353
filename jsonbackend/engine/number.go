package engine

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Redis reads numbers with strtod and strtold, and sums some of them in x87 long doubles. Clients see the digits, so both
// are reproduced here to the last one.

const (
	longDoubleBits = 64         // of the mantissa
	longDoubleMax  = 16384      // finite numbers are below 2 to this power,
	longDoubleMin  = -16445     // and not below half of 2 to this power, or they round to zero
	longDoubleText = 5*1024 - 1 // the longest text, in bytes, that Redis reads as a long double
)

// parseDouble reads a score or a weight: what strtod takes whole, without leading spaces, NaN, overflow and underflow to
// zero.
func parseDouble(b []byte) (float64, bool) {
	f, err := strtod(b)
	if err != nil || math.IsNaN(f) || f == 0 && !isZero(b) {
		return 0, false
	}
	return f, true
}

// parseScoreBound reads one end of a range by score. It is more lenient than a score: strtod's leading spaces, the empty
// text for 0, overflow for infinity, and whatever stands behind a NUL.
func parseScoreBound(b []byte) (bound value.ScoreBound, ok bool) {
	if len(b) > 0 && b[0] == '(' {
		bound.Exclusive, b = true, b[1:]
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	if len(b) == 0 {
		return bound, true
	}
	var err error
	bound.Score, err = strtod(bytes.TrimLeft(b, " \t\n\v\f\r"))
	return bound, !errors.Is(err, strconv.ErrSyntax) && !math.IsNaN(bound.Score)
}

// strtod reads a number as C does: the same syntax and rounding. On strconv.ErrRange the number is infinite.
func strtod(b []byte) (float64, error) {
	s, ok := goFloat(b)
	if !ok {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(s, 64)
}

// goFloat translates C's syntax of numbers to Go's: a hexadecimal number needs an exponent in Go and must not have
// underscores in C. Where ok, and if strconv takes it, the text is a number in C.
func goFloat(b []byte) (s string, ok bool) {
	if bytes.IndexByte(b, '_') >= 0 {
		return "", false
	}
	s = string(b)
	if isHex(b) && !strings.ContainsAny(s, "pP") {
		s += "p0"
	}
	return s, true
}

func unsigned(b []byte) []byte {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		return b[1:]
	}
	return b
}

func isHex(b []byte) bool {
	b = unsigned(b)
	return len(b) > 1 && b[0] == '0' && b[1]|0x20 == 'x'
}

// isZero reports whether the digits of a number are all zero, so that it did not underflow.
func isZero(b []byte) bool {
	exponent := "eE"
	if isHex(b) {
		exponent = "pP"
	}
	digits := b
	if i := bytes.IndexAny(b, exponent); i >= 0 {
		digits = b[:i]
	}
	return len(bytes.Trim(digits, "+-.0xX")) == 0
}

// parseLongDouble reads what INCRBYFLOAT, HINCRBYFLOAT and timeouts are given: what strtold takes whole, with the restrictions of
// [parseDouble]. The result may be infinite.
func parseLongDouble(b []byte) (*big.Float, bool) {
	if len(b) > longDoubleText {
		return nil, false
	}
	double, err := strtod(b)
	if errors.Is(err, strconv.ErrSyntax) || math.IsNaN(double) {
		return nil, false
	}
	f := new(big.Float).SetPrec(longDoubleBits)
	if math.IsInf(double, 0) && err == nil {
		return f.SetInf(double < 0), true
	}
	s, _ := goFloat(b)
	base := 10
	if isHex(b) {
		base = 0
	}
	f, _, err = f.Parse(s, base)
	if err != nil || f.Sign() == 0 && !isZero(b) || f.Sign() != 0 && f.MantExp(nil) < longDoubleMin || isOverflow(f) {
		return nil, false
	}
	return f, true
}

// add returns a + b; ok is false if that is no int64.
func add(a, b int64) (sum int64, ok bool) {
	sum = a + b
	return sum, (sum > a) == (b > 0) || b == 0
}

// isOverflow reports whether a number is beyond the finite long doubles.
func isOverflow(f *big.Float) bool { return f.IsInf() || f.MantExp(nil) > longDoubleMax }

// formatLongDouble prints f as Redis does for people: %.17Lf without trailing zeros, and never -0.
func formatLongDouble(f *big.Float) string {
	s := strings.TrimRight(f.Text('f', 17), "0")
	s = strings.TrimSuffix(s, ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// atLeast reads the i-th word as an integer not below low. Redis answers both what is no integer and what is below with
// the same refusal.
func (c *Call) atLeast(i int, low int64, refusal error) (int64, error) {
	n, ok := integer(c.Args[i])
	if !ok || n < low {
		return 0, refusal
	}
	return n, nil
}

// timeout reads the i-th word as how long to block, in seconds; 0 means for ever. Fractions of milliseconds are rounded
// up.
func (c *Call) timeout(i int) (time.Duration, error) {
	seconds, ok := parseLongDouble(c.Args[i])
	if !ok {
		return 0, wire.ErrTimeoutNotFloat
	}
	millis, accuracy := seconds.Mul(seconds, big.NewFloat(1000)).Int64()
	if accuracy == big.Below && millis < math.MaxInt64 {
		millis++
	}
	if millis < 0 || millis == math.MaxInt64 { // Redis' cast makes what is too long negative
		return 0, wire.ErrTimeoutNegative
	}
	return time.Duration(min(millis, int64(math.MaxInt64/time.Millisecond))) * time.Millisecond, nil
}
