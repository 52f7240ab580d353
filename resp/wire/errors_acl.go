package wire

// Users and what they may do.
const (
	// ErrNoACLFile: ACL LOAD and ACL SAVE.
	ErrNoACLFile Error = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the " +
		"ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store " +
		"users in the Redis configuration."
	// ErrDeleteDefault: ACL DELUSER of the default user.
	ErrDeleteDefault Error = "ERR The 'default' user cannot be removed"
	// ErrUserName: ACL SETUSER of a name that no rule could stand behind.
	ErrUserName Error = "ERR Usernames can't contain spaces or null characters"
	// ErrSaveACL: ACL SAVE to a file that cannot be written.
	ErrSaveACL Error = "ERR There was an error trying to save the ACLs. Please check the server logs for more information"
	// ErrGenPassBits: ACL GENPASS of too few or too many bits.
	ErrGenPassBits Error = "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096"
	// ErrDeniedKey: a key that the user may not touch.
	ErrDeniedKey Error = "NOPERM this user has no permissions to access one of the keys used as arguments"
	// ErrDeniedChannel: likewise.
	ErrDeniedChannel Error = "NOPERM this user has no permissions to access one of the channels used as arguments"
	// ErrSortBy: SORT ... BY a pattern, for who may not read every key.
	ErrSortBy Error = "ERR BY option of SORT denied due to insufficient ACL permissions."
	// ErrSortGet: SORT ... GET, likewise.
	ErrSortGet Error = "ERR GET option of SORT denied due to insufficient ACL permissions."
)

// Why a rule is refused. None quotes the rule, which may hold a password.
const (
	// ReasonUnknownRule: + or - of what is neither a command nor a category.
	ReasonUnknownRule Reason = "Unknown command or category name in ACL"
	// ReasonRuleSyntax: a rule that is none.
	ReasonRuleSyntax Reason = "Syntax error"
	// ReasonAllKeys: a pattern of keys behind one of all keys.
	ReasonAllKeys Reason = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. " +
		"Try 'resetkeys' to start with an empty list of patterns"
	// ReasonAllChannels: likewise, of channels.
	ReasonAllChannels Reason = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. " +
		"Try 'resetchannels' to start with an empty list of channels"
	// ReasonNoSuchPassword: < or ! of a password that the user does not have.
	ReasonNoSuchPassword Reason = "The password you are trying to remove from the user does not exist"
	// ReasonPasswordHash: # or ! of what is no sum.
	ReasonPasswordHash Reason = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
	// ReasonFirstArgument: +command|subcommand|argument.
	ReasonFirstArgument Reason = "Allowing first-arg of a subcommand is not supported"
)

// DeniedCommand answers a command that the user may not call.
func DeniedCommand(fullName string) Error {
	return Errorf("NOPERM this user has no permissions to run the '%s' command", fullName)
}

// DeniedScript is omniproxy's own: it answers a script of a user who may not do everything, for nobody would know what the
// script does.
func DeniedScript(fullName string) Error {
	return Errorf("NOPERM this user has no permissions to run the '%s' command: through omniproxy a script may do everything, so its user must be allowed ~* &* +@all", fullName)
}

// DeniedMeanwhile answers a command of a transaction that was allowed when it was queued and is not any more.
func DeniedMeanwhile(reason string) Error {
	return Errorf("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "+
		"This command is no longer allowed for the following reason: %s", reason)
}

// UnmatchedSelector answers rules of which a parenthesis is not closed.
func UnmatchedSelector(word []byte) Error {
	return Errorf("ERR Unmatched parenthesis in acl selector starting at '%s'.", text(word))
}

// BadRule answers a rule that cannot be.
func BadRule(rule []byte, why error) Error {
	return Errorf("ERR Error in ACL SETUSER modifier '%s': %s", text(rule), why)
}

// UnknownCategory answers ACL CAT of a category that does not exist.
func UnknownCategory(name []byte) Error { return Errorf("ERR Unknown category '%s'", clip(name, 128)) }

// UserNotFound answers ACL DRYRUN for a user that does not exist.
func UserNotFound(name []byte) Error { return Errorf("ERR User '%s' not found", text(name)) }

// CommandNotFound answers ACL DRYRUN of a command that does not exist.
func CommandNotFound(name []byte) Error { return Errorf("ERR Command '%s' not found", text(name)) }
