package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/omniproxy/omniproxy/resp"
)

// readUsers reads the users of --users-file. The lines are those of Redis' ACL files, as far as they say who may log in:
//
//	user alice on >password #5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8 ~* &* +@all
//
// A user who may do less than everything is Redis' business. Errors quote no word, for it could be a password.
func readUsers(path string) (resp.Users, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--users-file: %w", err)
	}
	users := resp.Users{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := addUser(users, words); err != nil {
			return nil, fmt.Errorf("--users-file=%s:%d: %w", path, number, err)
		}
	}
	if len(users) == 0 {
		return nil, fmt.Errorf("--users-file=%s: nobody may log in; write lines such as: user NAME on >PASSWORD", path)
	}
	return users, nil
}

// addUser reads a line.
func addUser(users resp.Users, words []string) error {
	if words[0] != "user" || len(words) < 2 {
		return fmt.Errorf("write: user NAME on >PASSWORD")
	}
	name := words[1]
	if _, twice := users[name]; twice {
		return fmt.Errorf("the user of this line has another one already")
	}
	if name == "default" {
		return fmt.Errorf("the default user's password is --requirepass")
	}
	on := false
	var sums [][sha256.Size]byte
	for i, word := range words[2:] {
		switch {
		case word == "on" || word == "off":
			on = word == "on"
		case word[0] == '>' && len(word) > 1:
			sums = append(sums, sha256.Sum256([]byte(word[1:])))
		case word[0] == '#' && len(word) == 1+2*sha256.Size:
			sum, err := hex.DecodeString(word[1:])
			if err != nil {
				return fmt.Errorf("word %d: a # is followed by a SHA-256 sum in hexadecimal", i+3)
			}
			sums = append(sums, [sha256.Size]byte(sum))
		case strings.Contains(" ~* allkeys &* allchannels +@all allcommands sanitize-payload ", " "+word+" "):
		default:
			return fmt.Errorf("word %d is none of on, off, >PASSWORD, #SHA256, ~*, &* and +@all: users have all rights here; to give less leave them to Redis with --auth passthrough", i+3)
		}
	}
	switch {
	case on && len(sums) == 0:
		return fmt.Errorf("give the user a password: >PASSWORD")
	case on:
		users[name] = sums
	}
	return nil
}
