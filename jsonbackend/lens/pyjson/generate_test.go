package pyjson_test

import (
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

func key(i int) string    { return fmt.Sprintf(`"key-%d"`, i) }
func number(i int) string { return strconv.Itoa(i) }

// corpus is JSON and what only looks like it.
func corpus() [][]byte {
	texts := strings.Fields(`
		null true false NaN Infinity -Infinity nul nulll True None -NaN +Infinity Inf -Inf -infinity
		0 -0 1 -1 01 -01 00 +1 - -- .5 -.5 1. 1.e1 1.5 1.50 0.0 -0.0 1e 1e+ 1E5 1e-5 1e+5 1e05 1e5.5 0x10 1_0 0e0 -0e0
		1e15 1e16 1e17 123456789012345678 1234567890123456.7 12345678901234567.8 0.0001 0.00001 0.00012345 4.9e-324 2e-324
		1.7976931348623157e308 1.7976931348623159e308 1e309 -1e309 1e-400 -1e-400 1e99999999999999999999 0.1 0.30000000000000004
		9007199254740993 9007199254740993.0 2.2250738585072011e-308 5e-324 1e22 1e23 1795402102.6481564
		"" "a" "a 'a' "\u00" "\u00e9" "\u00E9" "\u12g4" "\u+123" "\x41" "\'" "\/" "/" "\u002f" "\\" "\" "\\\" "\u" "\
		"\ud800" "\udc00" "\ud800\udc00" "\uD83D\uDE80" "\udc00\ud800" "\ud800\ud800\udc00" "\ud800\u0041" "\ud800\uzzzz" "\ud800\n" "\ud800\
		"\u0000\u001f\u007f\u0080\u00ff\u2028\uffff" "\b\f\n\r\t\a" "é" "ж日🚀" "` + "\x7f" + `"
		[] [] [[]] [1,2] [1,2,] [,1] [1,,2] [1 [1 2] [1;2] ] [ [}] [1}
		{} {} {"a":1} {"a":1,} {"a"} {"a":} {"a":,} {a:1} {'a':1} {1:1} {"a":1"b":2} {"a"1} {"a":1,,"b":2} {,"a":1} { {"a" {"a": {"a":1 {"a":1, {"a":1] }
		{"a":1,"a":2} {"a":1,"\u0061":2,"b":3,"a":{}} {"":{"":{"":0}}} {"a":{"b":1,"b":2},"a":{"b":3,"c":4}}
		//x /**/ [1]//x [1,2]x 1,2 "a""b" {}{} null,null`)
	texts = append(texts, "", " ", " \t\n\r1\r\n\t ", "\v1", "\f1", "\u00a01", "1\x00", "\x00", "[1,\x002]", "\ufeff1", " \ufeff1",
		"\"\x00\"", "\"\x1f\"", "\"a\nb\"", "\"a\tb\"", "[1 , 2\n,\r\n3 ]", "{ \"a\" : 1 , \"b\"\n:\t2 }", "[1, ]", "{\"a\": 1 , }", "[ ]", "{ }", "[ ,]",
		"{\n  \"ж\": 1,\n  \"日本🚀\": x}", "[\"é\", nope]", "é", "[é]", "{é:1}", "[1é]", "{\"a\"é}",
		"\"\xff\"", "\xff", "[1]\xff", "\"\xc3\"", "\"\xc0\x80\"", "\"\xe0\x80\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf0\x9f\x9a\"", "\"\xed\xa0\"",
		"\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xed\xa0\xbd\xed\xba\x80\"", "\"\xed\xa0\xbd\\ude80\"", "\"\\ud83d\xed\xba\x80\"",
		"{\"\xed\xa0\xbd\xed\xba\x80\":1,\"🚀\":2}", "{\"\\ud83d\xed\xba\x80\":1,\"x\":0,\"\\ud83d\\ude80\":2}", "\xed\xa0\x80", "[\xed\xa0\x80]", "\xed\xa0\x80x",
		strings.Repeat("[", 300)+strings.Repeat("]", 300), strings.Repeat("[", 300), strings.Repeat("9", 5000), "0."+strings.Repeat("1234567890", 200),
		strings.Repeat("9", 400)+".0", "1"+strings.Repeat("0", 309)+".0")
	var many, fewer string // keys, more than are compared one by one
	for i := range 40 {
		many += key(i%30) + ":" + number(i) + ","
	}
	for i := range 20 {
		fewer += key(29-i) + ":" + number(i) + ","
	}
	texts = append(texts, "[{"+many+`"a":{`+many+`"a":1}},{`+many+`"key-1":{`+many+`"b":{}}},{`+fewer+`"key-29":null}]`)
	for n := range 60 {
		texts = append(texts, `{"a":0`+strings.Repeat(`,"b":[],"c":{"a":1}`, n)+`,"a":1}`)
		var keys strings.Builder
		for i := range n {
			keys.WriteString(key(i) + ":" + number(i) + ",")
		}
		texts = append(texts, "{"+keys.String()+`"key-0":null,"\u006bey-1":[1]}`)
	}
	all := make([][]byte, len(texts))
	for i, s := range texts {
		all[i] = []byte(s)
	}
	return all
}

// space is white space between tokens, mostly none.
func space() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "", "", "", " ", "\n", "\n  ", "\t", " \r\n ", "\n\n    "})
}

// stringLit is a string literal in any spelling.
func stringLit() *rapid.Generator[string] {
	parts := rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "key", "ж", "日本", "🚀", "\x7f", "/", `\/`, `\"`, `\\`, `\n`, `\t`, `\u0000`, `\u0061`, `\u005C`, `\u00E9`,
			`\ud83d\ude80`, `\uD800`, `\udc00`, "\xed\xa0\x80", "\xed\xb0\x80", "<&>'", " ", "plain text of a certain length"}),
		rapid.StringMatching(`[ !#-\[\]-~]{0,20}`),
		rapid.StringMatching(`\\u[0-9a-fA-F]{4}`),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return `"` + strings.Join(rapid.SliceOfN(parts, 0, 4).Draw(t, "parts"), "") + `"`
	})
}

// numberLit is a number literal in any spelling.
func numberLit() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})`),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})\.[0-9]{1,20}([eE][-+]?[0-9]{1,3})?`),
		rapid.StringMatching(`-?[1-9](\.[0-9]{1,17})?[eE][-+]?[0-9]{1,3}`),
		rapid.Map(rapid.Float64(), func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }).
			Filter(func(s string) bool { return !strings.Contains(s, "n") }),
	)
}

// jsonText is a value of at most depth containers with random white space.
func jsonText(depth int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		return []byte(space().Draw(t, "before") + drawValue(t, depth) + space().Draw(t, "after"))
	})
}

func drawValue(t *rapid.T, depth int) string {
	kinds := 4
	if depth == 0 {
		kinds = 2
	}
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{"null", "true", "false", "NaN", "Infinity", "-Infinity"}).Draw(t, "constant")
	case 1:
		return numberLit().Draw(t, "number")
	case 2:
		return stringLit().Draw(t, "string")
	case 3:
		return drawContainer(t, depth, "[")
	default:
		return drawContainer(t, depth, "{")
	}
}

func drawContainer(t *rapid.T, depth int, open string) string {
	var b strings.Builder
	b.WriteString(open + space().Draw(t, "space"))
	for i := range rapid.IntRange(0, 5).Draw(t, "members") {
		if i > 0 {
			b.WriteString(space().Draw(t, "space") + "," + space().Draw(t, "space"))
		}
		if open == "{" {
			b.WriteString(stringLit().Draw(t, "key") + space().Draw(t, "space") + ":" + space().Draw(t, "space"))
		}
		b.WriteString(drawValue(t, depth-1))
	}
	b.WriteString(space().Draw(t, "space") + string(open[0]+2))
	return b.String()
}

// damaged is text with a few bytes taken out, put in or exchanged.
func damaged(t *rapid.T, text []byte) []byte {
	out := append([]byte(nil), text...)
	for range rapid.IntRange(1, 3).Draw(t, "damages") {
		at := rapid.IntRange(0, len(out)).Draw(t, "at")
		with := rapid.SampledFrom([]string{"", ",", ":", "]", "}", "[", "{", `"`, `\`, "0", "-", ".", "e", "u", "\n", "\x01", "\xff", "\xed", "é", "n"}).Draw(t, "with")
		gone := rapid.IntRange(0, min(2, len(out)-at)).Draw(t, "gone")
		out = append(out[:at:at], append([]byte(with), out[at+gone:]...)...)
	}
	return out
}
