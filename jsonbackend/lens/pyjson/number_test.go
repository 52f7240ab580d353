package pyjson_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"pgregory.net/rapid"
)

func TestFloatRepr(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.0", math.Copysign(0, -1): "-0.0", 1: "1.0", -1.5: "-1.5", 1e15: "1000000000000000.0", 9999999999999998: "9999999999999998.0",
		1e16: "1e+16", 1.5e16: "1.5e+16", 1e22: "1e+22", 1e100: "1e+100", 0.0001: "0.0001", 0.00001: "1e-05", 0.00012: "0.00012", 5e-324: "5e-324",
		math.MaxFloat64: "1.7976931348623157e+308", 0.1: "0.1", 1795402102.6481564: "1795402102.6481564",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity",
	} {
		if got := pyjson.FloatRepr(f); got != want {
			t.Errorf("FloatRepr(%g) = %s, want %s", f, got, want)
		}
	}
	if got := pyjson.FloatRepr(math.NaN()); got != "NaN" {
		t.Errorf("FloatRepr(NaN) = %s", got)
	}
}

// Random doubles, as Python reads and prints them.
func TestFloatReprAgreesWithPython(t *testing.T) {
	p := startPython(t)
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.OneOf(rapid.Float64(), rapid.Map(rapid.Uint64(), math.Float64frombits)).Draw(t, "f")
		repr := pyjson.FloatRepr(f)
		if want := p.loads([]byte(repr)).dumps; repr != want {
			t.Errorf("FloatRepr(%x) = %s; Python: %s", f, repr, want)
		}
		back, ok := pyjson.Float([]byte(repr))
		if !ok || back != f && !math.IsNaN(f) || math.IsNaN(back) != math.IsNaN(f) {
			t.Errorf("Float(%s) = %x, %v, want %x", repr, back, ok, f)
		}
	})
}

func TestFloat(t *testing.T) {
	for lit, want := range map[string]float64{
		"1": 1, "-0": 0, "-0.0": math.Copysign(0, -1), "1.50": 1.5, "1E400": math.Inf(1), "-1e400": math.Inf(-1), "1e-400": 0,
		"9007199254740993": 9007199254740992, "Infinity": math.Inf(1), "-Infinity": math.Inf(-1),
	} {
		got, ok := pyjson.Float([]byte(lit))
		if !ok || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("Float(%s) = %g, %v, want %g", lit, got, ok, want)
		}
	}
	for _, lit := range []string{"", "-", "01", "1.", ".5", "+1", "1e", " 1", "1 ", "1_0", "0x1p4", "inf", "nan", "null", `"1"`, "1" + strings.Repeat("0", 309)} {
		if got, ok := pyjson.Float([]byte(lit)); ok {
			t.Errorf("Float(%q) = %g", lit, got)
		}
	}
}

func TestMillisTrunc(t *testing.T) {
	for lit, want := range map[string]int64{
		"0": 0, "-0": 0, "-0.0": 0, "1": 1000, "1795402102.6481564": 1795402102648, "0.0009999": 0, "-0.0009999": 0, "-1.9999": -1999, "0.001": 1,
		"1.0009999999999999999999999": 1000, "4.035": 4035, "1e3": 1000000, "1E-3": 1, "1e-4": 0, "12345e-5": 123, "0.00000012345e10": 1234500,
		"0e999999999999999999999": 0, "0.0e99": 0, "1e-999999999999999999999": 0, "9223372036854775.807": math.MaxInt64, "-9223372036854775.807": -math.MaxInt64,
		"9223372036854775.8079": math.MaxInt64, "0." + strings.Repeat("0", 30) + "1e31": 1000,
	} {
		if got, ok := pyjson.MillisTrunc([]byte(lit)); !ok || got != want {
			t.Errorf("MillisTrunc(%s) = %d, %v, want %d", lit, got, ok, want)
		}
	}
	for _, lit := range []string{"", "NaN", "Infinity", "null", "1.", "1e", `"1"`, " 1", "9223372036854775.808", "1e17", "1e999999999999999999999", "-1e30", strings.Repeat("9", 100)} {
		if got, ok := pyjson.MillisTrunc([]byte(lit)); ok {
			t.Errorf("MillisTrunc(%q) = %d", lit, got)
		}
	}
}

func TestMillisTruncIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lit := numberLit().Draw(t, "literal")
		exact, ok := new(big.Rat).SetString(lit)
		if !ok {
			t.Fatalf("big.Rat does not read %s", lit)
		}
		exact.Mul(exact, big.NewRat(1000, 1))
		want := new(big.Int).Quo(exact.Num(), exact.Denom())
		got, ok := pyjson.MillisTrunc([]byte(lit))
		fits := want.IsInt64() && want.Int64() != math.MinInt64
		if ok != fits || ok && got != want.Int64() {
			t.Errorf("MillisTrunc(%s) = %d, %v, want %d", lit, got, ok, want)
		}
	})
}
