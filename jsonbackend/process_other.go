//go:build !linux

package jsonbackend

import "github.com/omniproxy/omniproxy/jsonbackend/engine"

// usage is what the system knows about this process and the machine.
func usage() (p engine.Process) {
	processorTime(&p)
	return p
}
