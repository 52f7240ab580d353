package main

import (
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
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
func (u RedisURL) hasPassword() bool {
	o, err := redis.ParseURL(string(u))
	return err == nil && o.Password != ""
}

// GoString keeps %#v from showing the password.
func (u RedisURL) GoString() string { return strconv.Quote(u.String()) }

// redact hides the passwords in a Redis URL: redis://user:***@host/0?password=***. It takes any text, and since a URL
// that does not parse is when errors quote it, it hides too much rather than too little.
func redact(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if ok {
		scheme += "://"
	} else {
		scheme, rest = "", text
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if user, _, ok := strings.Cut(rest[:at], ":"); ok {
			rest = user + ":" + hidden + rest[at:]
		}
	}
	address, query, ok := strings.Cut(rest, "?")
	if !ok {
		return scheme + rest
	}
	options := strings.Split(query, "&")
	for i, option := range options {
		if strings.HasPrefix(option, "password=") {
			options[i] = "password=" + hidden
		}
	}
	return scheme + address + "?" + strings.Join(options, "&")
}
