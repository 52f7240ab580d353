package tool

import (
	"context"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
)

// servesJSON reports whether a server is an omniproxy that serves a directory.
func servesJSON(ctx context.Context, s *source.Source) bool {
	backend, err := s.Info(ctx, "omniproxy", "backend")
	return err == nil && backend == "json"
}

// sameServer reports whether two sources are one database of one server.
func sameServer(ctx context.Context, a, b *source.Source) (bool, error) {
	if a.Redis.Options().DB != b.Redis.Options().DB {
		return false, nil
	}
	one, err := a.Info(ctx, "server", "run_id")
	if err != nil {
		return false, err
	}
	other, err := b.Info(ctx, "server", "run_id")
	return one != "" && one == other, err
}
