package engine

import (
	"bytes"
	"slices"
	"strings"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Client-side caching: https://redis.io/commands/client-tracking
var trackingHandlers = handlers{
	"CLIENT TRACKING":     clientTracking,
	"CLIENT CACHING":      clientCaching,
	"CLIENT GETREDIR":     clientGetRedir,
	"CLIENT TRACKINGINFO": clientTrackingInfo,
}

// trackingOptions are what CLIENT TRACKING asks for.
type trackingOptions struct {
	redirect                     int64
	bcast, optIn, optOut, noLoop bool
	prefixes                     [][]byte
}

func clientTracking(c *Call) error {
	o, err := parseTracking(c)
	if err != nil {
		return err
	}
	switch {
	case c.Is(2, "ON"):
		if err := o.check(c.conn.tracker); err != nil {
			return err
		}
		c.conn.track(&o)
	case c.Is(2, "OFF"):
		c.conn.untrack()
	default:
		return wire.ErrSyntax
	}
	c.Reply.OK()
	return nil
}

func parseTracking(c *Call) (o trackingOptions, err error) {
	for i := 3; i < len(c.Args); i++ {
		switch more := i+1 < len(c.Args); {
		case c.Is(i, "REDIRECT") && more:
			i++
			if o.redirect != 0 {
				return o, wire.ErrRedirectTwice
			}
			if o.redirect, err = c.Int(i); err != nil {
				return o, err
			}
			if c.conn.s.Peer(o.redirect) == nil {
				return o, wire.ErrRedirectNobody
			}
		case c.Is(i, "BCAST"):
			o.bcast = true
		case c.Is(i, "OPTIN"):
			o.optIn = true
		case c.Is(i, "OPTOUT"):
			o.optOut = true
		case c.Is(i, "NOLOOP"):
			o.noLoop = true
		case c.Is(i, "PREFIX") && more:
			i++
			o.prefixes = append(o.prefixes, c.Args[i])
		default:
			return o, wire.ErrSyntax
		}
	}
	return o, nil
}

// check says why the options are not to be had together, or not by who tracks already; now is nil for a client that does
// not.
func (o *trackingOptions) check(now *tracker) error {
	switch {
	case !o.bcast && len(o.prefixes) > 0:
		return wire.ErrPrefixWithoutBcast
	case now != nil && o.bcast != (now.mode == trackPrefix):
		return wire.ErrSwitchBcast
	case o.bcast && (o.optIn || o.optOut):
		return wire.ErrOptBcast
	case o.optIn && o.optOut:
		return wire.ErrOptBoth
	case now != nil && (o.optIn && now.mode == trackOptOut || o.optOut && now.mode == trackOptIn):
		return wire.ErrSwitchOpt
	}
	var existing []string
	if now != nil {
		existing = now.prefixes
	}
	return checkPrefixes(o.prefixes, existing)
}

// checkPrefixes refuses prefixes of which one begins another, or one of those that the client has: it would be told twice.
// existing is sorted. In sorted order, only texts that begin with some text as well stand between it and one that it begins.
func checkPrefixes(added [][]byte, existing []string) error {
	for _, p := range added {
		at, _ := slices.BinarySearch(existing, string(p))
		for _, i := range []int{0, at - 1, at} { // 0 may be the empty one, beside which there can be others
			if i >= 0 && i < len(existing) && overlap(p, []byte(existing[i])) {
				return wire.PrefixOverlaps(p, []byte(existing[i]))
			}
		}
	}
	sorted := slices.SortedFunc(slices.Values(added), bytes.Compare)
	for i := 1; i < len(sorted); i++ {
		if bytes.HasPrefix(sorted[i], sorted[i-1]) {
			return firstOverlap(added)
		}
	}
	return nil
}

// overlap reports whether one of two texts begins the other.
func overlap(a, b []byte) bool { return bytes.HasPrefix(a, b) || bytes.HasPrefix(b, a) }

// mostCompared bounds how many pairs firstOverlap looks at, for the sake of a message.
const mostCompared = 1 << 20

// firstOverlap names the first two prefixes that overlap.
func firstOverlap(prefixes [][]byte) error {
	compared := 0
	for i, p := range prefixes {
		for _, other := range prefixes[i+1:] {
			if overlap(p, other) {
				return wire.PrefixesOverlap(p, other)
			}
			if compared++; compared == mostCompared {
				return wire.ErrSyntax
			}
		}
	}
	return nil
}

// track begins to track, or changes how.
func (c *Conn) track(o *trackingOptions) {
	all := &c.e.tracking
	t := c.tracker
	if t == nil {
		t = &tracker{conn: c}
		c.tracker = t
		all.clients[c.s.Client.ID] = t
	}
	t.redirect, t.noLoop, t.broken = o.redirect, o.noLoop, false
	switch {
	case o.bcast:
		t.mode = trackPrefix
	case o.optIn:
		t.mode = trackOptIn
	case o.optOut:
		t.mode = trackOptOut
	default:
		t.mode = trackRead
	}
	var added []string
	for _, p := range o.prefixes {
		added = append(added, string(p))
	}
	if o.bcast && len(added) == 0 && !slices.Contains(t.prefixes, "") {
		added = []string{""}
	}
	all.addPrefixes(t, added)
	t.show()
}

// untrack ends tracking; a client that does not track may call it.
func (c *Conn) untrack() {
	if c.tracker == nil {
		return
	}
	c.e.tracking.forget(c.tracker)
	c.tracker = nil
	c.s.Client.Tracking.Store(nil)
}

// show tells the session how its client tracks, for CLIENT LIST.
func (t *tracker) show() {
	t.conn.s.Client.Tracking.Store(&resp.Tracking{Broadcast: t.mode == trackPrefix, Broken: t.broken, Redirect: t.redirect})
}

func clientCaching(c *Call) error {
	t := c.conn.tracker
	switch {
	case t == nil:
		return wire.ErrCachingOff
	case c.Is(2, "YES"):
		if t.mode != trackOptIn {
			return wire.ErrCachingYes
		}
	case c.Is(2, "NO"):
		if t.mode != trackOptOut {
			return wire.ErrCachingNo
		}
	default:
		return wire.ErrSyntax
	}
	t.caching = true
	c.Reply.OK()
	return nil
}

// endCaching ends what CLIENT CACHING said of the command or transaction behind it, but for commands of CLIENT, unless
// cmd is one of those.
func (t *tracker) endCaching(args [][]byte) {
	if t.conn.inMulti {
		return
	}
	if spec := command.Lookup(args); spec == nil || !strings.HasPrefix(spec.FullName, "client|") {
		t.caching = false
	}
}

func clientGetRedir(c *Call) error {
	c.Reply.Int(c.conn.tracker.redirection())
	return nil
}

// redirection is what Redis shows: -1 for a client that does not track, 0 for one that is told itself.
func (t *tracker) redirection() int64 {
	if t == nil {
		return -1
	}
	return t.redirect
}

func clientTrackingInfo(c *Call) error {
	t, w := c.conn.tracker, c.Reply
	var prefixes []string
	flags := []string{"off"}
	if t != nil {
		flags, prefixes = t.flags(), t.prefixes
	}
	w.Map(3)
	w.BulkString("flags")
	w.Set(len(flags))
	for _, flag := range flags {
		w.BulkString(flag)
	}
	w.BulkString("redirect")
	w.Int(t.redirection())
	w.BulkString("prefixes")
	w.Array(len(prefixes))
	for _, p := range prefixes {
		w.BulkString(p)
	}
	return nil
}

// flags are those of CLIENT TRACKINGINFO, in Redis' order.
func (t *tracker) flags() []string {
	flags := []string{"on"}
	switch t.mode {
	case trackPrefix:
		flags = append(flags, "bcast")
	case trackOptIn:
		flags = append(flags, "optin")
	case trackOptOut:
		flags = append(flags, "optout")
	}
	switch {
	case t.caching && t.mode == trackOptIn:
		flags = append(flags, "caching-yes")
	case t.caching && t.mode == trackOptOut:
		flags = append(flags, "caching-no")
	}
	if t.noLoop {
		flags = append(flags, "noloop")
	}
	if t.broken {
		flags = append(flags, "broken_redirect")
	}
	return flags
}
