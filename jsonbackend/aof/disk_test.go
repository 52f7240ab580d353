package aof

import (
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
)

// errDisk is what a disk fails with here.
const errDisk = syscall.EIO

// memory is the directory of a log in memory.
type memory struct {
	*disktest.Disk
	changes atomic.Int64 // since the last fault was set
}

const memoryDir = "/aof"

func newMemory() *memory {
	m := &memory{Disk: disktest.New()}
	if err := disk.MakeDir(m.Disk, memoryDir, 0o755); err != nil {
		panic(err)
	}
	return m
}

func (m *memory) folder() folder { return folder{m.Disk, memoryDir} }

// onDisk is a folder of the operating system.
func onDisk(t testing.TB) folder { return folder{disk.OS{}, t.TempDir()} }

// fault sets what decides which changes fail from now on, nil for none.
func (m *memory) fault(hook func(disktest.Op) error) *memory {
	m.changes.Store(0)
	m.Before(func(op disktest.Op) error {
		if op.Change {
			m.changes.Add(1)
		}
		if hook == nil {
			return nil
		}
		return hook(op)
	})
	return m
}

func (m *memory) failAt(n int)  { m.fault(disktest.FailAt(n, errDisk)) }
func (m *memory) crashAt(n int) { m.fault(disktest.CrashAt(n)) }

// failing makes operations of a name fail until the next fault is set.
func (m *memory) failing(name string) {
	m.fault(func(op disktest.Op) error {
		if op.Name == name {
			return errDisk
		}
		return nil
	})
}

func (m *memory) killed() *memory { return &memory{Disk: m.Kill()} }

// cut is what a power cut leaves; see [disktest.Some].
func (m *memory) cut(seed int) *memory { return &memory{Disk: m.PowerCut(disktest.Some(seed))} }

// content returns every file by its name.
func (m *memory) content() map[string]string {
	all := map[string]string{}
	for path, text := range m.Files() {
		all[filepath.Base(path)] = text
	}
	return all
}

// put makes a file hold text, whatever it held.
func (m *memory) put(name, text string) {
	if err := disk.WriteFile(m.Aside(), filepath.Join(memoryDir, name), []byte(text), 0o644); err != nil {
		panic(err)
	}
	m.Aside().SyncDir(memoryDir)
}

// drop removes a file.
func (m *memory) drop(name string) {
	if err := m.Aside().Remove(filepath.Join(memoryDir, name)); err != nil {
		panic(err)
	}
}
