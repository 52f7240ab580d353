package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Users: https://redis.io/commands/?name=acl, as far as it is true of the only one, who may do everything.
var aclHandlers = handlers{
	"ACL CAT":     aclCategories,
	"ACL DELUSER": aclDelete,
	"ACL DRYRUN":  aclDryRun,
	"ACL GENPASS": aclPassword,
	"ACL GETUSER": aclUser,
	"ACL HELP":    containerHelp,
	"ACL LIST":    aclList,
	"ACL LOAD":    func(*Call) error { return wire.ErrNoACLFile },
	"ACL LOG":     aclLog,
	"ACL SAVE":    func(*Call) error { return wire.ErrNoACLFile },
	"ACL USERS":   func(c *Call) error { c.bulks(onlyUser); return nil },
	"ACL WHOAMI":  func(c *Call) error { c.Reply.BulkString(onlyUser); return nil },
}

const onlyUser = "default"

// bulks replies with an array of strings.
func (c *Call) bulks(texts ...string) {
	c.Reply.Array(len(texts))
	for _, text := range texts {
		c.Reply.BulkString(text)
	}
}

// aclCategories answers ACL CAT [category] with the categories, or the commands of one that there are here.
func aclCategories(c *Call) error {
	all := ^command.Categories(0)
	if len(c.Args) == 2 {
		var names []string
		for _, name := range all.Names() {
			names = append(names, strings.TrimPrefix(name, "@"))
		}
		c.bulks(names...)
		return nil
	}
	if len(c.Args) > 3 {
		return wire.BadSubcommand(c.Args[0], c.Args[1])
	}
	for bit := command.Categories(1); bit&all != 0 && len(bit.Names()) > 0; bit <<= 1 {
		if !strings.EqualFold(bit.Names()[0], "@"+string(c.Args[2])) {
			continue
		}
		var names []string
		for spec := range command.All() {
			if spec.Categories&bit != 0 && c.engine.Supports(spec) {
				names = append(names, spec.FullName)
			}
		}
		c.bulks(names...)
		return nil
	}
	return wire.UnknownCategory(c.Args[2])
}

func aclDelete(c *Call) error {
	for _, name := range c.Args[2:] {
		if string(name) == onlyUser {
			return wire.ErrDeleteDefault
		}
	}
	c.Reply.Int(0)
	return nil
}

func aclDryRun(c *Call) error {
	if string(c.Args[2]) != onlyUser {
		return wire.UserNotFound(c.Args[2])
	}
	spec, err := command.Check(c.Args[3:])
	switch {
	case spec == nil:
		return wire.CommandNotFound(c.Args[3])
	case err != nil:
		return err
	}
	c.Reply.OK()
	return nil
}

// aclPassword answers ACL GENPASS [bits] with as many random bits, 256 unless told, in hexadecimal digits.
func aclPassword(c *Call) error {
	const usual, most = 256, 4096
	bits := int64(usual)
	if len(c.Args) > 3 {
		return wire.BadSubcommand(c.Args[0], c.Args[1])
	}
	if len(c.Args) == 3 {
		var err error
		if bits, err = c.Int(2); err != nil {
			return err
		}
	}
	if bits <= 0 || bits > most {
		return wire.ErrGenPassBits
	}
	digits := (bits + 3) / 4
	random := make([]byte, (digits+1)/2)
	rand.Read(random)
	c.Reply.BulkString(hex.EncodeToString(random)[:digits])
	return nil
}

// passwordHash is how ACL LIST and ACL GETUSER show the password; "" if there is none.
func (c *Call) passwordHash() string {
	password := c.conn.s.Server().Password()
	if password == "" {
		return ""
	}
	hash := sha256.Sum256([]byte(password))
	return hex.EncodeToString(hash[:])
}

func aclList(c *Call) error {
	secret := "nopass"
	if hash := c.passwordHash(); hash != "" {
		secret = "#" + hash
	}
	c.bulks("user " + onlyUser + " on " + secret + " ~* &* +@all")
	return nil
}

func aclUser(c *Call) error {
	if string(c.Args[2]) != onlyUser {
		c.Reply.Null()
		return nil
	}
	flags, passwords := []string{"on", "nopass"}, []string(nil)
	if hash := c.passwordHash(); hash != "" {
		flags, passwords = flags[:1], []string{hash}
	}
	c.Reply.Map(6)
	c.Reply.BulkString("flags")
	c.Reply.Set(len(flags))
	for _, flag := range flags {
		c.Reply.BulkString(flag)
	}
	c.Reply.BulkString("passwords")
	c.bulks(passwords...)
	for _, rule := range [][2]string{{"commands", "+@all"}, {"keys", "~*"}, {"channels", "&*"}} {
		c.Reply.BulkString(rule[0])
		c.Reply.BulkString(rule[1])
	}
	c.Reply.BulkString("selectors")
	c.Reply.Array(0)
	return nil
}
