package pyjson

import (
	"bytes"
	"math"
	"strconv"
)

// FloatRepr is f as Python's json module prints it: repr(f), and NaN, Infinity
// and -Infinity.
func FloatRepr(f float64) string { return string(appendFloat(nil, f)) }

// appendFloat appends the shortest digits that read back as f, with an exponent
// of at least two digits below 1e-4 and from 1e16 on, else with a point.
func appendFloat(dst []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case abs != 0 && abs < 1e-4 || abs >= 1e16:
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendScalar appends a scanned number or constant as json.dumps prints it.
func appendScalar(dst, lit []byte, k kind) []byte {
	switch {
	case k == float:
		return appendFloat(dst, parseFloat(lit))
	case k == integer && string(lit) == "-0":
		return append(dst, '0')
	default:
		return append(dst, lit...)
	}
}

// parseFloat is Python's float() of a scanned number. Beyond the range of
// doubles it is an infinity or zero. (A literal whose exponent has five digits
// and is made up for by ten thousand others may lose its value.)
func parseFloat(lit []byte) float64 {
	f, _ := strconv.ParseFloat(string(lit), 64) // the error is ErrRange, and f right
	return f
}

// Float is Python's float(json.loads(lit)). It is not ok if lit is no number
// literal (NaN and the infinities are) or an integer beyond doubles.
func Float(lit []byte) (f float64, ok bool) {
	switch string(lit) {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	n, k := number(lit)
	if n == 0 || n < len(lit) {
		return 0, false
	}
	f = parseFloat(lit)
	if k == integer {
		return f + 0, !math.IsInf(f, 0) // an int has no -0
	}
	return f, true
}

// MillisTrunc is trunc(lit * 1000) for a number literal in seconds, computed on
// its decimal digits: no double rounds in between, so that one literal has one
// result everywhere. It is not ok if lit is no number, not finite, or if the
// result leaves int64.
func MillisTrunc(lit []byte) (millis int64, ok bool) {
	if n, _ := number(lit); n == 0 || n < len(lit) {
		return 0, false
	}
	mantissa, exp := lit, int64(0)
	if e := bytes.IndexAny(lit, "eE"); e >= 0 {
		mantissa, exp = lit[:e], exponent(lit[e+1:])
	}
	mantissa, negative := bytes.CutPrefix(mantissa, []byte{'-'})
	whole, fraction, _ := bytes.Cut(mantissa, []byte{'.'})
	left := int64(len(whole)) + exp + 3 // digits before the point of the product
	for _, part := range [...][]byte{whole, fraction} {
		for _, c := range part {
			if left <= 0 {
				break
			}
			if millis > (math.MaxInt64-int64(c-'0'))/10 {
				return 0, false
			}
			millis = millis*10 + int64(c-'0')
			left--
		}
	}
	for ; left > 0 && millis > 0; left-- {
		if millis > math.MaxInt64/10 {
			return 0, false
		}
		millis *= 10
	}
	if negative {
		millis = -millis
	}
	return millis, true
}

// exponent reads the digits after the e, up to a bound that is beyond the
// length of any literal.
func exponent(b []byte) int64 {
	const bound = 1 << 40
	sign := int64(1)
	switch b[0] {
	case '-':
		sign, b = -1, b[1:]
	case '+':
		b = b[1:]
	}
	var n int64
	for _, c := range b {
		n = min(n*10+int64(c-'0'), bound)
	}
	return sign * n
}
