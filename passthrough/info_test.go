package passthrough

import (
	"regexp"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

func TestInfoOmniproxyTellsOfTheProxy(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "secret")
	for _, pool := range []Pool{Session, Shared} {
		addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) {
			o.Pool, o.URL, o.Passthrough = pool, "redis://:secret@"+redis, false
		})
		c := connect(t, addr)
		c.do("SET a 1", "+OK")
		told(t, c, "upstream_version:7.0.15")
		told(t, c, "upstream_connections:1")
		c.send("INFO OMNIPROXY")
		info, _ := c.reply()
		if !regexp.MustCompile(`^\$\d+\r\n# Omniproxy\r\npool:(session|shared)\r\nupstream_up:1\r\n([a-z_]+:[a-z0-9.]+\r\n)+\r\n$`).MatchString(info) {
			t.Errorf("%q", info)
		}
		if strings.Contains(info, "secret") || strings.Contains(info, redis) {
			t.Errorf("names what not everybody is to know: %q", info)
		}
		c.send("INFO")
		if info, _ := c.reply(); strings.Contains(info, "Omniproxy") {
			t.Error("INFO is not Redis' own")
		}
		c.send("HELLO 3")
		c.reply()
		c.send("INFO omniproxy")
		if info, _ := c.reply(); !strings.HasPrefix(info, "=") {
			t.Errorf("%q", info)
		}
		c.send("CLIENT REPLY OFF", "INFO omniproxy", "CLIENT REPLY ON", "PING")
		c.expect("+OK", "+PONG")
		c.send("MULTI", "INFO omniproxy", "EXEC")
		c.expect("+OK", "+QUEUED", "*1 =4 txt:")
	}
}

func TestInfoOmniproxyNeedsThePassword(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), func(o *Options, v *resp.Server) {
		o.Passthrough = false
		v.SetPassword("ours")
	})
	connect(t, addr).do("INFO omniproxy", "-NOAUTH Authentication required.")
}

// Clients who ask at once wait for each other's locks in no order.
func TestManyMayAskAtOnce(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), shared)
	var all []*client
	for range 20 {
		all = append(all, connect(t, addr))
	}
	for range 20 {
		for _, c := range all {
			c.send("INFO omniproxy", "PING")
		}
		for _, c := range all {
			c.reply()
			c.expect("+PONG")
		}
	}
}
