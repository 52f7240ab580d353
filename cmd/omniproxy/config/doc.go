// Package config reads and writes the file of omniproxy serve, which is YAML of two levels: settings at the top, and a list
// of listeners that have settings of their own.
//
//	log-level: warn
//	dir: /var/lib/omniproxy
//	listeners:
//	  - listen: unix:/run/omniproxy/json.sock
//	  - listen: 127.0.0.1:6380
//	    backend: redis
//	    upstream: redis://db.example:6379
//
// It knows YAML, positions and the kinds of values. Which settings there are it is told; what they mean it must never know.
// The invariant: what it returns has text for known settings only, each at most once in its section, and where it stands.
// An error never quotes a value, which may be a password.
package config
