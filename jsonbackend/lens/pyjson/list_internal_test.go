package pyjson

import (
	"testing"
	"unsafe"
)

// A file has some hundred thousand members.
func TestMemberIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(member{}); size > 56 {
		t.Errorf("a member takes %d bytes", size)
	}
}
