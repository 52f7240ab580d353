package main

import (
	"net"
	"os"

	"go.uber.org/zap"
)

// States that a service manager is told of, in the words of sd_notify(3).
const (
	stateReady     = "READY=1"
	stateReloading = "RELOADING=1"
	stateStopping  = "STOPPING=1"
)

// announceReady tells whoever started this process that clients can connect where it is bound.
func announceReady(s Settings, log *zap.Logger, bound []Address) {
	if err := writeReadyFile(s.ReadyFile, bound); err != nil {
		log.Error("ready file", zap.Error(err))
	}
	notify(log, stateReady)
}

// notify tells state to a service manager that asked for it, as systemd does with Type=notify. Nothing depends on it
// here: if it cannot be told, it is for the manager to decide what its silence means.
func notify(log *zap.Logger, state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.Dial("unixgram", path)
	if err == nil {
		_, err = c.Write([]byte(state))
		c.Close()
	}
	if err != nil {
		log.Error("cannot tell the service manager", zap.String("state", state), zap.Error(err))
	}
}
