package resp

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/command"
)

// capped returns what the filter makes of a line.
func capped(t *testing.T, f Filter, s *Session, line string) string {
	t.Helper()
	args := make([][]byte, 0, 10)
	for _, word := range strings.Fields(line) {
		args = append(args, []byte(word))
	}
	c := Command{Args: args, Raw: []byte("as sent")}
	if c.Spec, c.Refused = command.Check(args); c.Refused != nil {
		t.Fatal(c.Refused)
	}
	f(s, &c)
	var words []string
	for _, a := range c.Args {
		words = append(words, string(a))
	}
	got := strings.Join(words, " ")
	if changed := got != line; changed != (c.Raw == nil) {
		t.Errorf("%s: became %s, Raw %q", line, got, c.Raw)
	}
	return got
}

func ignore(string, time.Duration, time.Duration) {}

func TestBlockIsCappedWhereItStands(t *testing.T) {
	for line, want := range map[string]string{
		"XREAD BLOCK 5000 STREAMS s $":                            "XREAD BLOCK 4000 STREAMS s $",
		"xread count 10 block 5000 streams s $":                   "xread count 10 block 4000 streams s $",
		"XREAD BLOCK 0 STREAMS s $":                               "XREAD BLOCK 4000 STREAMS s $", // 0 is for ever
		"XREAD BLOCK 4000 STREAMS s $":                            "",
		"XREAD BLOCK 1 STREAMS s $":                               "",
		"XREAD BLOCK -1 STREAMS s $":                              "", // Redis' error to tell
		"XREAD BLOCK +5000 STREAMS s $":                           "",
		"XREAD BLOCK x STREAMS s $":                               "",
		"XREAD BLOCK 1 BLOCK 5000 STREAMS s $":                    "XREAD BLOCK 1 BLOCK 4000 STREAMS s $", // the last counts
		"XREAD STREAMS BLOCK 5000":                                "",
		"XREAD COUNT BLOCK 5000 STREAMS s $":                      "",
		"XREADGROUP GROUP g c COUNT 10 BLOCK 5000 STREAMS s >":    "XREADGROUP GROUP g c COUNT 10 BLOCK 4000 STREAMS s >",
		"XREADGROUP GROUP BLOCK 9000 BLOCK 5000 STREAMS s >":      "XREADGROUP GROUP BLOCK 9000 BLOCK 4000 STREAMS s >",
		"XREADGROUP GROUP g STREAMS NOACK BLOCK 5000 STREAMS s >": "XREADGROUP GROUP g STREAMS NOACK BLOCK 4000 STREAMS s >",
		"BLPOP BLOCK 5000":                                        "",
		"SET BLOCK 5000":                                          "",
		"XREAD BLOCK 9223372036854775807 STREAMS s $":             "XREAD BLOCK 4000 STREAMS s $",
	} {
		if want == "" {
			want = line
		}
		h, _ := connect(t)
		if got := capped(t, CapBlock(4*time.Second, ignore), h.s, line); got != want {
			t.Errorf("%s became %s, want %s", line, got, want)
		}
	}
}

func TestWithoutALimitOnlyImpatientClientsAreCapped(t *testing.T) {
	const line = "XREAD BLOCK 5000 STREAMS s $"
	for client, want := range map[string]string{
		"":                      "5000",
		"redis-py 7.0.1":        "5000",
		"redis-py 8.0.0":        "4000",
		"redis-py 8":            "4000",
		"redis-py(async) 10.1b": "4000",
		"redis-py x":            "5000",
		"go-redis 9.0.0":        "5000",
	} {
		h, _ := connect(t)
		if name, version, named := strings.Cut(client, " "); named {
			h.turn(requests("CLIENT SETINFO LIB-NAME "+name, "client setinfo lib-ver "+version))
		}
		if got := capped(t, CapBlock(0, ignore), h.s, line); got != strings.Replace(line, "5000", want, 1) {
			t.Errorf("%q: %s", client, got)
		}
	}
}

func TestALimitBelowAMillisecondIsNotForEver(t *testing.T) {
	h, _ := connect(t)
	if got := capped(t, CapBlock(time.Microsecond, ignore), h.s, "XREAD BLOCK 5000 STREAMS s $"); got != "XREAD BLOCK 1 STREAMS s $" {
		t.Errorf("got %s", got)
	}
}

func TestTheFirstCapIsReported(t *testing.T) {
	type report struct {
		Client       string
		Asked, Given time.Duration
	}
	var got []report
	f := CapBlock(time.Second, func(client string, asked, given time.Duration) { got = append(got, report{client, asked, given}) })
	h, _ := connect(t)
	for _, ms := range []string{"1000", "5000", "6000"} {
		capped(t, f, h.s, "XREAD BLOCK "+ms+" STREAMS s $")
	}
	if diff := cmp.Diff([]report{{"peer:1", 5 * time.Second, time.Second}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestALongLibraryNameIsNotRemembered(t *testing.T) {
	h, _ := connect(t)
	h.turn(requests("CLIENT SETINFO LIB-NAME "+strings.Repeat("x", longestLibrary+1), "CLIENT SETINFO LIB-VER 1.0"))
	if name, version := h.s.Client.Library(); name != "" || version != "1.0" {
		t.Errorf("remembered %q %q", name, version)
	}
}
