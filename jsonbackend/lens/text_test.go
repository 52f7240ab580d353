package lens

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

func TestSecondsSayMillisecondsExactly(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "0.0", 1: "0.001", 10: "0.01", 1000: "1.0", 1795402102633: "1795402102.633", 9223372036854775807: "9223372036854775.807",
	} {
		if got := seconds(ms); got != want {
			t.Errorf("seconds(%d) = %s, want %s", ms, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Min(0).Draw(t, "ms")
		if got, ok := millis([]byte(seconds(ms))); !ok || got != ms {
			t.Fatalf("%d ms are %s, which are %d ms", ms, seconds(ms), got)
		}
		if ms < 1<<43 && string(seconds(ms)) != pyjson.FloatRepr(float64(ms)/1000) {
			t.Fatalf("%d ms are %s, Python prints %s", ms, seconds(ms), pyjson.FloatRepr(float64(ms)/1000))
		}
	})
}

func TestDeadline(t *testing.T) {
	for lit, want := range map[string]int64{
		"1.5": 1500, "0": 0, "0.0": 0, "-0.0": 0, "0e5": 0, "0.0001": 1, "-5": -5000, "1.0009": 1000, "1.00099999999999999999": 1001, "1e3": 1000000,
		"9223372036854775.807": 9223372036854775807,
	} {
		if got, ok := deadline([]byte(lit)); !ok || got != want {
			t.Errorf("deadline(%s) = %d, %v, want %d", lit, got, ok, want)
		}
	}
	for _, lit := range []string{`"1"`, "null", "true", "[]", "NaN", "Infinity", "1e300"} {
		if got, ok := deadline([]byte(lit)); ok {
			t.Errorf("deadline(%s) = %d", lit, got)
		}
	}
}
