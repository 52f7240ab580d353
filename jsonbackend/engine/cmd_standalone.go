package engine

import (
	"strings"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// standaloneHandlers are commands that a server answers which has no replicas, no cluster and no modules, and those that
// concern the process.
func standaloneHandlers() handlers {
	h := handlers{
		"ROLE":      role,
		"REPLICAOF": replicaOf,
		"SLAVEOF":   replicaOf,
		"FAILOVER":  failover,
		"SHUTDOWN":  shutdown,
		"LOLWUT":    lolwut,

		"READONLY":  noCluster,
		"READWRITE": noCluster,
		"ASKING":    noCluster,

		"MODULE HELP":   containerHelp,
		"MODULE LIST":   func(c *Call) error { c.Reply.Array(0); return nil },
		"MODULE LOAD":   noModules,
		"MODULE LOADEX": noModules,
		"MODULE UNLOAD": noModules,
	}
	for _, sub := range command.Find("cluster").Subcommands {
		h[sub.Name] = noCluster
	}
	return h
}

func noCluster(*Call) error { return wire.ErrNoCluster }

func noModules(*Call) error { return wire.ActionNotAllowed("MODULE", "enable-module-command") }

// role answers ROLE: a master without replicas, and so without an offset.
func role(c *Call) error {
	c.Reply.Array(3)
	c.Reply.BulkString("master")
	c.Reply.Int(0)
	c.Reply.Array(0)
	return nil
}

// replicaOf answers REPLICAOF NO ONE, which it always is, and refuses REPLICAOF host port.
func replicaOf(c *Call) error {
	if c.Is(1, "NO") && c.Is(2, "ONE") {
		c.Reply.OK()
		return nil
	}
	if port, err := c.Int(2); err != nil || port < 0 || port > 65535 {
		return wire.ErrMasterPort
	}
	return unsupported(c.Spec)
}

// failover checks FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]; there is no replica that could take over.
func failover(c *Call) error {
	if len(c.Args) == 2 && c.Is(1, "ABORT") {
		return wire.ErrNoFailover
	}
	var timeout, to, force bool
	for i := 1; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "TIMEOUT") && i+1 < len(c.Args) && !timeout:
			ms, err := c.Int(i + 1)
			if err != nil {
				return err
			}
			if ms <= 0 {
				return wire.ErrFailoverTimeout
			}
			timeout = true
			i++
		case c.Is(i, "TO") && i+2 < len(c.Args) && !to:
			if _, err := c.Int(i + 2); err != nil {
				return err
			}
			to = true
			i += 2
		case c.Is(i, "FORCE") && !force:
			force = true
		default:
			return wire.ErrSyntax
		}
	}
	return wire.ErrFailoverReplicas
}

// shutdown answers SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]. All of them mean the same stop, as a signal does: what
// was acknowledged is in the append-only file, and nothing of it is lost. There is no reply.
func shutdown(c *Call) error {
	said := map[string]bool{}
	for _, arg := range c.Args[1:] {
		switch word := strings.ToUpper(string(arg)); word {
		case "NOSAVE", "SAVE", "NOW", "FORCE", "ABORT":
			said[word] = true
		default:
			return wire.ErrSyntax
		}
	}
	switch {
	case said["ABORT"] && len(said) > 1 || said["NOSAVE"] && said["SAVE"]:
		return wire.ErrSyntax
	case said["ABORT"]:
		return wire.ErrNoShutdown
	}
	if err := c.engine.opts.Host.Shutdown(); err != nil {
		return err
	}
	c.conn.s.CloseAfterReply()
	return nil
}
