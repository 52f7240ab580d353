package value

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestStreamIDsAreReadLikeRedis(t *testing.T) {
	o := newOracle(t)
	limits := DefaultStreamLimits()
	const invalid = "ERR Invalid stream ID specified as stream command argument"
	number := rapid.OneOf(
		rapid.SampledFrom([]string{"", "0", "-0", "1", "-1", "007", "-007", "+7", "+-7", " 7", "\t7", "7 ", "0x7", "1_0", "*", "**",
			"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
			"18446744073709551615", "18446744073709551616", "-18446744073709551615", "7\x00", "\x00",
			strings.Repeat("0", 60) + "7", strings.Repeat("0", 126) + "7", strings.Repeat("0", 127) + "7"}),
		rapid.StringOfN(rapid.RuneFrom([]rune("0123456789-+* (\x00")), 0, 6, -1),
	)
	texts := rapid.Custom(func(t *rapid.T) string {
		text := rapid.SampledFrom([]string{"", "", "", "("}).Draw(t, "prefix") + number.Draw(t, "ms")
		if rapid.Bool().Draw(t, "complete") {
			text += "-" + number.Draw(t, "seq")
		}
		return text
	})
	rapid.Check(t, func(t *rapid.T) {
		o.begin(&limits)
		o.do("OK", "XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
		for _, text := range append(rapid.SliceOfN(texts, 1, 30).Draw(t, "texts"), "-", "+", "(-", "(+") {
			id, auto, ok := ParseNewStreamID([]byte(text))
			if plain, plainOK := ParseStreamID([]byte(text), 0); !auto && (plain != id || plainOK != ok) {
				t.Fatalf("%q is %v, %v as a new ID and %v, %v otherwise", text, id, ok, plain, plainOK)
			}
			if auto && id.IsZero() {
				id.Seq = 1
			}
			switch {
			case string(cText([]byte(text))) == "*": // an option, not an ID
			case !ok:
				o.do(invalid, "XADD", "new", text, "f", "v")
			case id.IsZero():
				o.do("ERR The ID specified in XADD must be greater than 0-0", "XADD", "new", text, "f", "v")
			default:
				o.do(id.String(), "XADD", "new", text, "f", "v")
			}
			o.do(nil, "DEL", "new")
			if id, ok := ParseStreamEdge([]byte(text), 0); ok {
				o.do("OK", "XGROUP", "SETID", "s", "g", text)
				o.do([]any{[]any{"name", "g", "consumers", int64(0), "pending", int64(0), "last-delivered-id", id.String(),
					"entries-read", nil, "lag", int64(0)}}, "XINFO", "GROUPS", "s")
			} else {
				o.do(invalid, "XGROUP", "SETID", "s", "g", text)
			}
			if id, exclusive, ok := ParseStreamBound([]byte(text), 0); !ok {
				o.do(invalid, "XRANGE", "s", text, "+")
			} else if _, more := id.Next(); exclusive && !more {
				o.do("ERR invalid start ID for the interval", "XRANGE", "s", text, "+")
			} else {
				o.do([]any{}, "XRANGE", "s", text, "+")
			}
		}
		o.compare(t)
	})
}

func TestStreamIDArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 1<<64 - 1}), rapid.Uint64())
		id := StreamID{part.Draw(t, "ms"), part.Draw(t, "seq")}
		if back, ok := ParseStreamID([]byte(id.String()), 5); !ok || back != id {
			t.Fatalf("%v is read as %v, %v", id, back, ok)
		}
		next, ok := id.Next()
		if ok == (id == MaxStreamID()) {
			t.Fatalf("Next of %v: %v", id, ok)
		}
		if back, _ := next.Prev(); ok && (back != id || !id.Less(next) || id.Compare(next) != -1 || next.Compare(id) != 1) {
			t.Fatalf("%v is followed by %v, which follows %v", id, next, back)
		}
		if _, ok := id.Prev(); ok == id.IsZero() {
			t.Fatalf("Prev of %v: %v", id, ok)
		}
		incomplete, ok := ParseStreamID(strconv.AppendUint(nil, id.Ms, 10), id.Seq)
		if !ok || incomplete != id || slices.Contains([]int{-1, 1}, id.Compare(id)) {
			t.Fatalf("incomplete %d is read as %v, %v", id.Ms, incomplete, ok)
		}
	})
}
