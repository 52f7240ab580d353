package tool

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
)

// claimAtOnce is how many deliveries one XCLAIM makes pending.
const claimAtOnce = 64

// streamRewrite makes a stream anew.
//
// A delivery can be pending though its entry is gone, but XCLAIM takes no entry that is not there. So entries of the past come
// first, claimed and trimmed away again, and then the stream begins anew at 0-0.
type streamRewrite struct {
	key     string
	beside  *beside
	yield   func([]any) bool
	stopped bool // yield wants no more
}

func (r *streamRewrite) put(args ...any) { r.stopped = r.stopped || !r.yield(args) }

// part adds a part of the stream.
func (r *streamRewrite) part(e *source.Entry) {
	if e.First {
		r.past(len(e.Items) == 0)
	}
	for _, item := range e.Items {
		args := []any{"XADD", r.key, item.ID}
		for _, f := range item.Fields {
			args = append(args, f.Name, f.Value)
		}
		r.put(args...)
	}
	if e.Last {
		r.counters()
		if !r.hasPast() {
			r.groups()
		}
		r.pending(func(id string) bool { return !r.beside.gone[id] })
	}
}

// beyond reports whether an entry was deleted that is younger than the last one, which XSETID does not take.
func (r *streamRewrite) beyond() bool {
	return r.beside.MaxDeletedID != "" && compareIDs(r.beside.LastID, r.beside.MaxDeletedID) < 0
}

func (r *streamRewrite) hasPast() bool { return len(r.beside.gone) > 0 || r.beyond() }

// past makes groups and whatever else of them belongs to entries that are gone, and leaves an empty stream. If there is
// nothing of the kind only the key is made, where no entry will make it.
func (r *streamRewrite) past(empty bool) {
	if !r.hasPast() {
		if empty {
			r.put("XADD", r.key, "MAXLEN", "0", "0-1", "x", "y")
		}
		return
	}
	ids := slices.Collect(maps.Keys(r.beside.gone))
	if r.beyond() {
		ids = append(ids, r.beside.MaxDeletedID)
	}
	slices.SortFunc(ids, compareIDs)
	for _, id := range slices.Compact(ids) {
		r.put("XADD", r.key, id, "x", "y")
	}
	r.groups()
	r.pending(func(id string) bool { return r.beside.gone[id] })
	if r.beyond() {
		r.put("XDEL", r.key, r.beside.MaxDeletedID)
	}
	r.put("XTRIM", r.key, "MAXLEN", "0")
	r.put("XSETID", r.key, "0-0")
}

// counters sets what the stream remembers of entries that it does not have.
func (r *streamRewrite) counters() {
	args := []any{"XSETID", r.key, r.beside.LastID}
	if r.beside.EntriesAdded >= 0 {
		args = append(args, "ENTRIESADDED", r.beside.EntriesAdded)
	}
	if r.beside.MaxDeletedID != "" && !r.beyond() { // past has set it
		args = append(args, "MAXDELETEDID", r.beside.MaxDeletedID)
	}
	r.put(args...)
}

// groups makes the groups and consumers.
func (r *streamRewrite) groups() {
	for _, g := range r.beside.Groups {
		args := []any{"XGROUP", "CREATE", r.key, g.Name, g.LastID}
		if r.beside.EntriesAdded >= 0 { // the source knows of such numbers
			args = append(args, "ENTRIESREAD", g.EntriesRead)
		}
		r.put(args...)
		for _, consumer := range g.Consumers {
			r.put("XGROUP", "CREATECONSUMER", r.key, g.Name, consumer.Name)
		}
	}
}

// pending makes deliveries pending, of the entries that are wanted. Neighbours that are alike share a command.
func (r *streamRewrite) pending(wanted func(id string) bool) {
	for _, g := range r.beside.Groups {
		var run []source.Pending
		for _, p := range g.Pending {
			if !wanted(p.ID) {
				continue
			}
			if len(run) == claimAtOnce || len(run) > 0 && !alike(run[0], p) {
				r.claim(g.Name, run)
				run = run[:0]
			}
			run = append(run, p)
		}
		r.claim(g.Name, run)
	}
}

func alike(a, b source.Pending) bool {
	return a.Consumer == b.Consumer && a.Delivered == b.Delivered && a.Count == b.Count
}

func (r *streamRewrite) claim(group string, run []source.Pending) {
	if len(run) == 0 {
		return
	}
	args := []any{"XCLAIM", r.key, group, run[0].Consumer, 0}
	for _, p := range run {
		args = append(args, p.ID)
	}
	r.put(append(args, "TIME", run[0].Delivered, "RETRYCOUNT", run[0].Count, "JUSTID", "FORCE")...)
}

// compareIDs compares IDs of stream entries.
func compareIDs(a, b string) int {
	msA, seqA := parseID(a)
	msB, seqB := parseID(b)
	return cmp.Or(cmp.Compare(msA, msB), cmp.Compare(seqA, seqB))
}

func parseID(id string) (ms, seq uint64) {
	left, right, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(left, 10, 64)
	seq, _ = strconv.ParseUint(right, 10, 64)
	return ms, seq
}
