package jsonbackend

import (
	"maps"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// verdict is what a content is that stands, or stood, under a file's name.
type verdict int

const (
	unchanged verdict = iota // what we know stands there
	outdated                 // an earlier version: whoever wrote it has edited nothing since he read it
	edited                   // somebody's, to be merged
)

// judge decides what a content is that was found where the version before the one of a number stood.
//
// A content that comes again is outdated: OmniDaemon's JSON store writes what it once read, at the latest when it is closed.
// There is one exception. Where the last version is somebody's own, with nothing of ours after it, an earlier content is
// that edit taken back, by undo or git checkout; unless a program is known here that never reads again.
func (b *Backend) judge(f *file, id seen.ID, before int) verdict {
	last := f.seen.Last(before)
	switch {
	case last == nil:
		return edited
	case last.ID == id:
		return unchanged
	}
	if before != seen.Newest { // it may have been merged before
		if v := f.seen.Find(id, seen.Newest); v != nil && v.Number > before && v.Kind == seen.Aside {
			return unchanged
		}
	}
	if f.seen.Find(id, before) != nil && (last.Kind != seen.Read || b.stranger.known()) {
		return outdated
	}
	return edited
}

// startedFrom is what somebody had most plausibly read who wrote a document where the version before the one of a number
// stood: of the versions that are remembered the one that differs in the fewest records.
//
// Directly after somebody's own version, with nothing of ours in between, the writer may be the same who goes on. Then a
// record that differs from that version has been changed, even if it is as it was in an older one: only what is missing is
// judged by that. And a document that says just what an older one said is that edit taken back.
func (b *Backend) startedFrom(f *file, doc lens.Base, before int) (lens.Base, bool, error) {
	last := f.seen.Last(before)
	v, base, differing, err := f.seen.Plausible(doc, before)
	if err != nil || v == nil {
		return base, false, err
	}
	old := last != nil && v.Number < last.Number
	if !old || last.Kind != seen.Read || b.stranger.known() {
		return base, old, nil
	}
	latest, err := f.seen.Base(*last)
	if differing > 0 {
		latest = goneOn(base, latest, doc)
	}
	return latest, false, err
}

// goneOn is the base for who wrote doc after latest, and may have started from base.
func goneOn(base, latest, doc lens.Base) lens.Base {
	merged := lens.Base{Named: maps.Clone(base.Named), Order: base.Order}
	if merged.Named == nil {
		merged.Named = map[string]uint64{}
	}
	for name := range doc.Named {
		if sum, ok := latest.Named[name]; ok {
			merged.Named[name] = sum
		} else {
			delete(merged.Named, name)
		}
	}
	return merged
}
