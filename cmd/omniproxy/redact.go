package main

import (
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
)

// hidden stands where a password would.
const hidden = "***"

// Secret is a password. Printed it is ***, or nothing if there is none; string(s) is the password.
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString keeps %#v from showing it.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// RedisURL is the URL of a Redis. Printed it shows no password; string(u) is the URL.
type RedisURL string

func (u RedisURL) String() string { return redact(string(u)) }

// hasPassword reports whether the URL carries one.
func (u RedisURL) hasPassword() bool { return u.password() != "" }

// password returns it, "" if there is none.
func (u RedisURL) password() string {
	o, err := redis.ParseURL(string(u))
	if err != nil {
		return ""
	}
	return o.Password
}

// GoString keeps %#v from showing the password.
func (u RedisURL) GoString() string { return strconv.Quote(u.String()) }

// redact hides the passwords in a Redis URL. It takes any text.
func redact(text string) string { return source.Redact(text) }
