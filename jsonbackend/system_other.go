//go:build !unix

package jsonbackend

import (
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

// processorTime is not known here.
func processorTime(*engine.Process) {}
