package aof

import (
	"io"
	"path/filepath"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// folder is the directory of a log. Names have no path.
type folder struct {
	disk disk.Disk
	path string
}

func (d folder) at(name string) string { return filepath.Join(d.path, name) }

// open opens a file; flag is made of os.O_....
func (d folder) open(name string, flag int) (disk.File, error) {
	return d.disk.Open(d.at(name), flag, 0o644)
}

func (d folder) rename(from, to string) error { return d.disk.Rename(d.at(from), d.at(to)) }

func (d folder) remove(name string) error { return d.disk.Remove(d.at(name)) }

func (d folder) names() ([]string, error) { return d.disk.List(d.path) }

// sync makes creations, renames and removals durable.
func (d folder) sync() error { return d.disk.SyncDir(d.path) }

// size returns the length of a file in bytes.
func (d folder) size(name string) (int64, error) {
	info, err := d.disk.Stat(d.at(name))
	return info.Size, err
}

// id tells this directory from a copy of it; 0 = the system does not say.
func (d folder) id() uint64 {
	info, err := d.disk.Stat(d.path)
	if err != nil {
		return 0
	}
	return info.ID
}

// write makes name hold text, synced.
func (d folder) write(name, text string) error {
	return disk.WriteFile(d.disk, d.at(name), []byte(text), 0o644)
}

// writeAgain writes what stands in a file from byte from on once more, to where it stands. A process before this one may
// have met a failed sync there and died of something else: then the system holds the bytes but will never write them.
func writeAgain(f disk.File, from int64) error {
	buf := make([]byte, searchStep)
	for {
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			return err
		}
		n, err := io.ReadFull(f, buf)
		if n == 0 && err == io.EOF {
			return nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return err
		}
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			return err
		}
		if _, err := f.Write(buf[:n]); err != nil {
			return err
		}
		from += int64(n)
	}
}
