package pyjson

import (
	"io"
	"testing"
	"unsafe"
)

// A file has some hundred thousand members.
func TestMemberIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(member{}); size > 56 {
		t.Errorf("a member takes %d bytes", size)
	}
}

// ReadObjectInPieces is ReadObject inside level containers, with pieces of another size.
func ReadObjectInPieces(r io.Reader, level, size int, forget func(Ref, Member) bool) (*List, error) {
	s := newStream(r)
	s.depth, s.size = level, size
	return s.list(forget)
}
