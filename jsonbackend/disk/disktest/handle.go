package disktest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// handle is an open file.
type handle struct {
	disk   *Disk
	node   *node
	path   string
	flag   int
	pos    int
	closed bool
}

// do does an operation under the lock, if the hook lets it; else failed, if it is set, does what is left of it.
func (h *handle) do(op Op, f func() error, failed func(err error)) error {
	op.Path = h.path
	err := h.disk.call(op)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	switch {
	case h.closed:
		err = fs.ErrClosed
	case err == nil:
		err = f()
	case failed != nil:
		failed(err)
	}
	if err != nil && err != io.EOF {
		return &fs.PathError{Op: op.Name, Path: h.path, Err: err}
	}
	return err
}

// Read implements [disk.File].
func (h *handle) Read(b []byte) (n int, err error) {
	err = h.do(Op{Name: "read", Size: len(b)}, func() error {
		if h.pos >= len(h.node.data) && len(b) > 0 {
			return io.EOF
		}
		n = copy(b, h.node.data[h.pos:])
		h.pos += n
		return nil
	}, nil)
	return n, err
}

// Write implements [disk.File].
func (h *handle) Write(b []byte) (n int, err error) {
	err = h.do(Op{Name: "write", Size: len(b), Change: true}, func() (err error) {
		n, err = h.put(b)
		return err
	}, func(err error) {
		if torn, ok := errors.AsType[Torn](err); ok {
			n, _ = h.put(b[:min(len(b), torn.N)])
		}
	})
	return n, err
}

// put writes what fits. The caller holds the lock.
func (h *handle) put(b []byte) (n int, err error) {
	if h.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return 0, syscall.EBADF
	}
	if h.flag&os.O_APPEND != 0 {
		h.pos = len(h.node.data)
	}
	if room := h.room(); int64(len(b)) > room {
		b, err = b[:room], syscall.ENOSPC
	}
	h.node.write(b, h.pos)
	h.node.changed = h.disk.now()
	h.pos += len(b)
	return len(b), err
}

// room is how many bytes can be written at the handle's position.
func (h *handle) room() int64 {
	if h.disk.capacity == 0 {
		return 1 << 62
	}
	return max(0, h.disk.capacity-h.disk.used()) + max(0, int64(len(h.node.data)-h.pos))
}

// Seek implements [disk.File].
func (h *handle) Seek(offset int64, whence int) (int64, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	at := offset
	switch whence {
	case io.SeekCurrent:
		at += int64(h.pos)
	case io.SeekEnd:
		at += int64(len(h.node.data))
	}
	if at < 0 {
		return 0, &fs.PathError{Op: "seek", Path: h.path, Err: fs.ErrInvalid}
	}
	h.pos = int(at)
	return at, nil
}

// Sync implements [disk.File].
func (h *handle) Sync() error {
	return h.do(Op{Name: "sync", Change: true}, func() error {
		h.node.sync()
		h.disk.syncs++
		return nil
	}, func(err error) {
		if !errors.Is(err, ErrCrashed) {
			h.node.failSync()
		}
	})
}

// Truncate implements [disk.File].
func (h *handle) Truncate(size int64) error {
	return h.do(Op{Name: "truncate", Change: true}, func() error {
		h.node.truncate(int(size))
		h.node.changed = h.disk.now()
		return nil
	}, nil)
}

// Stat implements [disk.File].
func (h *handle) Stat() (info disk.Info, err error) {
	err = h.do(Op{Name: "fstat"}, func() error {
		info = h.node.info()
		return nil
	}, nil)
	return info, err
}

// Resemble implements [disk.File].
func (h *handle) Resemble(like disk.Info) error {
	return h.do(Op{Name: "resemble", Change: true}, func() error {
		h.node.mode, h.node.uid, h.node.gid = like.Mode.Perm(), like.UID, like.GID
		return nil
	}, nil)
}

// Close implements [disk.File].
func (h *handle) Close() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.closed {
		return fs.ErrClosed
	}
	h.closed = true
	return nil
}
