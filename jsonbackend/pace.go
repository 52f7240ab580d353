package jsonbackend

import (
	"crypto/sha256"
	"io"
	"os"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

const (
	paceFactor = 19       // publishing a file takes at most one part in twenty of the time
	pieceSize  = 64 << 10 // after so many bytes others have the processor for a while
)

// pace spreads the work on a large file, so that clients do not feel it: after a piece it rests three times as long as that took.
type pace struct {
	stop   <-chan struct{} // who is in a hurry does not rest
	rested time.Duration   // since the work began

	piece int
	begun time.Time
}

// through passes on to w what is written to it, piece by piece.
func (p *pace) through(w io.Writer) io.Writer {
	p.piece, p.begun = 0, time.Now()
	return pacedWriter{p, w}
}

type pacedWriter struct {
	*pace
	w io.Writer
}

// Write divides what is larger than a piece: what is untouched of a document comes in one.
func (p pacedWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		var m int
		m, err = p.w.Write(b[:min(len(b), pieceSize-p.piece)])
		n, b = n+m, b[m:]
		if p.piece += m; p.piece >= pieceSize {
			p.pause()
		}
	}
	return n, err
}

// pause rests after a piece.
func (p *pace) pause() {
	begun := time.Now()
	select {
	case <-p.stop:
	case <-time.After(3 * begun.Sub(p.begun)):
	}
	p.piece, p.begun = 0, time.Now()
	p.rested += p.begun.Sub(begun)
}

// rest sets the pace after work that began at begun.
func (f *file) rest(begun time.Time) {
	f.took = max(time.Since(begun)-f.pace.rested, 1)
	f.next = time.Now().Add(paceFactor * f.took)
	f.pace.rested = 0
}

// idOf hashes a file. A large one never is in memory as a whole.
func (f *file) idOf(path string) (id seen.ID, err error) {
	from, err := f.disk.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return id, err
	}
	defer from.Close()
	hash := sha256.New()
	if _, err := io.CopyBuffer(f.pace.through(hash), struct{ io.Reader }{from}, make([]byte, 1<<16)); err != nil {
		return id, err
	}
	return seen.ID(hash.Sum(nil)), nil
}
