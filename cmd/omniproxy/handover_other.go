//go:build !linux

package main

import (
	"errors"
	"os"

	"go.uber.org/zap"
)

// Sockets are inherited, and handed over, on Linux only.

// restartSignal is none.
func restartSignal(chan<- os.Signal) {}

func inherit(*zap.Logger) (*inheritance, error) { return nil, nil }

func (p *process) prepare() (func() *inheritance, error) { return nil, errors.ErrUnsupported }
