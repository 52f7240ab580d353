package jsonbackend

import "testing"

// Until the directory is loaded INFO says so, and how far it is.
func TestLoadingIsTold(t *testing.T) {
	d := opened(t, small(t))
	for range 100 {
		d.do("SET", "omni:config:a", "1")
	}
	d.crash()
	told := &events{}
	opts := testOptions(d.opts.Dir, told)
	var loaded []int64
	var b *Backend
	opts.Events.Loading = func(done, total int64) {
		p := b.host.Persistence()
		if p.Loading == nil || p.Loading.Done != done || p.Loading.Total != total || total == 0 || p.Loading.Began.IsZero() {
			t.Errorf("%d of %d bytes are loaded, INFO says %+v", done, total, p.Loading)
		}
		loaded = append(loaded, done)
	}
	b, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if !b.Loading() {
		t.Error("not loading before Load")
	}
	if err := b.Load(); err != nil {
		t.Fatal(err)
	}
	if b.Loading() || b.host.Persistence().Loading != nil {
		t.Error("loading after Load")
	}
	if len(loaded) < 2 || loaded[0] != 0 || loaded[len(loaded)-1] == 0 {
		t.Errorf("told of %v bytes", loaded)
	}
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}
