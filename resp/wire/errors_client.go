package wire

// CLIENT PAUSE and client-side caching.
const (
	// ErrPauseMode: CLIENT PAUSE with something other than WRITE or ALL.
	ErrPauseMode Error = "ERR CLIENT PAUSE mode must be WRITE or ALL"
	// ErrRedirectTwice: a second REDIRECT of CLIENT TRACKING.
	ErrRedirectTwice Error = "ERR A client can only redirect to a single other client"
	// ErrRedirectNobody: CLIENT TRACKING REDIRECT to a client that is not there.
	ErrRedirectNobody Error = "ERR The client ID you want redirect to does not exist"
	// ErrPrefixWithoutBcast: PREFIX of CLIENT TRACKING without BCAST.
	ErrPrefixWithoutBcast Error = "ERR PREFIX option requires BCAST mode to be enabled"
	// ErrSwitchBcast: CLIENT TRACKING with BCAST while it is on without, or the other way round.
	ErrSwitchBcast Error = "ERR You can't switch BCAST mode on/off before disabling tracking for this client, " +
		"and then re-enabling it with a different mode."
	// ErrOptBcast: OPTIN or OPTOUT of CLIENT TRACKING together with BCAST.
	ErrOptBcast Error = "ERR OPTIN and OPTOUT are not compatible with BCAST"
	// ErrOptBoth: OPTIN and OPTOUT of CLIENT TRACKING together.
	ErrOptBoth Error = "ERR You can't specify both OPTIN mode and OPTOUT mode"
	// ErrSwitchOpt: CLIENT TRACKING with OPTIN while it is on with OPTOUT, or the other way round.
	ErrSwitchOpt Error = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, " +
		"and then re-enabling it with a different mode."
	// ErrCachingOff: CLIENT CACHING without CLIENT TRACKING.
	ErrCachingOff Error = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
	// ErrCachingYes: CLIENT CACHING YES without OPTIN.
	ErrCachingYes Error = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
	// ErrCachingNo: CLIENT CACHING NO without OPTOUT.
	ErrCachingNo Error = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
)

// PrefixOverlaps answers a prefix of CLIENT TRACKING that begins one the client has already, or begins with it.
func PrefixOverlaps(prefix, existing []byte) Error {
	return Errorf("ERR Prefix '%s' overlaps with an existing prefix '%s'. Prefixes for a single client must not overlap.", text(prefix), text(existing))
}

// PrefixesOverlap answers two prefixes of one CLIENT TRACKING of which one begins the other.
func PrefixesOverlap(prefix, other []byte) Error {
	return Errorf("ERR Prefix '%s' overlaps with another provided prefix '%s'. Prefixes for a single client must not overlap.", text(prefix), text(other))
}
