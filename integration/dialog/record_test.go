package dialog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

func TestRecordingFillsInWhatRedisAnswers(t *testing.T) {
	addr2, addr3 := redistest.Start(t), redistest.Start(t)
	for _, c := range []struct{ name, source, want string }{
		{
			"alike in both protocols",
			"# A title.\n# k holds a number.\na> SET k 5\nb> XREAD BLOCK 0 STREAMS s $ &\n#mask int\n#save b\nc> CLIENT ID\n#silent\nc> CLIENT REPLY SKIP\n#silent\nc> PING\n" +
				"#close b\na>+ GET k\na> NOPE\nc> CLIENT KILL ID $b SKIPME no\nc<\na>> \"PING\\r\\n\"\na<\n",
			"# A title.\n# k holds a number.\n\na> SET k 5\nOK\nb> XREAD BLOCK 0 STREAMS s $ &\n#mask int\n#save b\nc> CLIENT ID\n(integer) <int>\n#silent\nc> CLIENT REPLY SKIP\n#silent\nc> PING\n" +
				"#close b\na>+ GET k\n\"5\"\na> NOPE\n(error) \"ERR unknown command 'NOPE', with args beginning with: \"\nc> CLIENT KILL ID $b SKIPME no\n(integer) 1\nc<\n(closed)\na>> \"PING\\r\\n\"\na<\nPONG\n",
		},
		{
			"different",
			"# A title.\n\n# None.\na> GET none\n\na> PING\nold answer\n",
			"# A title.\n-- resp2 --\n# None.\na> GET none\n(nil)\n\na> PING\nPONG\n-- resp3 --\na> GET none\n(null)\n\na> PING\nPONG\n",
		},
	} {
		text := []byte(c.source)
		for range 2 { // the second time on what it wrote itself
			f, err := Parse("d", text)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if err := f.Record(addr2, addr3); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			text = f.Format()
			if d := cmp.Diff(c.want, string(text)); d != "" {
				t.Fatalf("%s (-want +got):\n%s", c.name, d)
			}
		}
	}
}

func TestRecordingStopsWhereADirectiveDoesNotFit(t *testing.T) {
	addr := redistest.Start(t)
	f, err := Parse("d", []byte("# t\n#mask int\na> TTL none\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = f.Record(addr, addr)
	if err == nil || !strings.Contains(err.Error(), "d:3: a> TTL none: #mask int does not fit (integer) -2") {
		t.Errorf("error %v", err)
	}
}
