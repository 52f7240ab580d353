package source

import "strings"

// hidden stands where a password would.
const hidden = "***"

// Redact hides the passwords in a Redis URL: redis://user:***@host/0?password=***. It takes any text, and since a URL
// that does not parse is when errors quote it, it hides too much rather than too little.
func Redact(text string) string {
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
