package resp

import (
	"testing"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// While it loads, Redis does what the flag loading says, and refuses the rest.
func TestOnlySomeCommandsMayBeAskedWhileLoading(t *testing.T) {
	loading := true
	filter := RefuseWhile(func() bool { return loading })
	for name, allowed := range map[string]bool{
		"INFO": true, "AUTH": true, "HELLO": true, "MULTI": true, "SUBSCRIBE": true, "LASTSAVE": true, "SHUTDOWN": true,
		"PING": false, "GET": false, "SET": false, "DBSIZE": false, "BGREWRITEAOF": false,
	} {
		c := Command{Spec: command.Find(name)}
		filter(nil, &c)
		if refused := c.Refused == wire.ErrLoading; refused == allowed {
			t.Errorf("%s: refused with %v", name, c.Refused)
		}
		loading = false
		c.Refused = nil
		if filter(nil, &c); c.Refused != nil {
			t.Errorf("%s is refused when all is loaded: %v", name, c.Refused)
		}
		loading = true
	}
}
