package pyjson_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// In pieces the same is read, and refused with the same words at the same place, as at once.
func TestReadListAgreesWithParseList(t *testing.T) {
	for _, text := range corpus() {
		if len(text) < 200 {
			checkReadList(t, text)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		text := jsonText(3).Draw(r, "text")
		if rapid.Bool().Draw(r, "damage") {
			text = damaged(r, text)
		}
		checkReadList(t, text)
	})
}

func TestReadListStopsWhereItIsTold(t *testing.T) {
	broken := errors.New("broken")
	keep := func(pyjson.Ref, pyjson.Member) (bool, error) { return false, nil }
	if _, err := pyjson.ReadList(io.MultiReader(strings.NewReader(`{"a": `), iotest.ErrReader(broken)), 0, keep); err != broken {
		t.Errorf("of the reader: %v", err)
	}
	var keys []string
	_, err := pyjson.ReadList(strings.NewReader(`{"a": 1, "b": 2, "c": 3}`), 0, func(r pyjson.Ref, m pyjson.Member) (bool, error) {
		if keys = append(keys, string(m.Key)); len(keys) == 2 {
			return false, broken
		}
		return false, nil
	})
	if err != broken || strings.Join(keys, " ") != `"a" "b"` {
		t.Errorf("of forget: %v after %v", err, keys)
	}
}
