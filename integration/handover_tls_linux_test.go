package integration

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Clients over TLS connect anew. The end of their connection comes together with a reply, so redis-py, which looks before it
// uses a connection again, fails no command. go-redis finds out by its next command and tries that again, but for transactions,
// which the test tries again: what ended in EOF was not done, and nothing is done twice.
func TestARestartOverTLSLeavesNoCommandInDoubt(t *testing.T) {
	dir := certificates(t)
	onEveryBackend(t, func(t *testing.T, o *omniproxy) {
		labour := beginLabour(t, o, redis.Options{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
		py := python(t, "handover.py", strings.Replace(o.url("?ssl_cert_reqs=none"), "redis:", "rediss:", 1))
		stdin, err := py.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		told := make(chan string, 1)
		go func() { told <- output(t, py) }()
		for n := 0; n <= *restarts; n++ {
			if n > 0 {
				o.restart()
			}
			goal := labour.done.Load() + 100
			o.eventually("labour goes on", func() bool { return labour.done.Load() >= goal })
		}
		labour.stop()
		stdin.Close()
		if _, failures, _ := strings.Cut(await(t, told), "\n"); failures != "" {
			t.Errorf("redis-py:\n%.1000s", failures)
		}
		if len(labour.failed) > 0 {
			t.Errorf("go-redis:\n%.1000s", strings.Join(labour.failed, "\n"))
		}
	}, "--drain-timeout", "10s", "--tls-cert", filepath.Join(dir, "server.crt"), "--tls-key", filepath.Join(dir, "server.key"))
}
