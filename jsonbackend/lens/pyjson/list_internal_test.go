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

// ReadListInPieces is ReadList with pieces of another size.
func ReadListInPieces(r io.Reader, level, size int, forget func(Ref, Member) (bool, error)) (*List, error) {
	return readList(&stream{from: r, size: size, depth: level, line: 1, column: 1}, forget)
}
