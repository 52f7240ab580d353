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
func TestReadingInPiecesAgreesWithParseList(t *testing.T) {
	for _, text := range corpus() {
		if len(text) < 200 {
			checkRead(t, text)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		text := jsonText(3).Draw(r, "text")
		if rapid.Bool().Draw(r, "damage") {
			text = damaged(r, text)
		}
		checkRead(t, text)
	})
}

func TestReadMembersStopsWhereItIsTold(t *testing.T) {
	broken := errors.New("broken")
	var keys []string
	visit := func(m pyjson.Member) error {
		if keys = append(keys, string(m.Key)); len(keys) == 2 {
			return broken
		}
		return nil
	}
	if err := pyjson.ReadMembers(io.MultiReader(strings.NewReader(`{"a": `), iotest.ErrReader(broken)), visit); err != broken || keys != nil {
		t.Errorf("an error of the reader: %v after %v", err, keys)
	}
	if err := pyjson.ReadMembers(strings.NewReader(`{"a": 1, "b": 2, "c": 3}`), visit); err != broken || strings.Join(keys, " ") != `"a" "b"` {
		t.Errorf("an error of visit: %v after %v", err, keys)
	}
}
