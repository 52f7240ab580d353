package jsonbackend

import (
	"syscall"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
)

// day is a scenario of publications, edits that are consumed, a rewrite of the log, and a client all the time. It goes on
// whatever fails.
func day(p *play) {
	step := func(key, value string) {
		p.set(key, value)
		p.pass(300e6)
	}
	saves := &editor{p: p}
	step("a", "client-a1")
	saves.read()
	step("c", "client-c")
	saves.save()
	p.pass(300e6)
	p.pass(300e6)
	step("a", "client-a2")
	p.lives.rewrite()
	step("d", "client-d")
	p.pass(3e9)
	p.pass(3e9)
}

// save is rename as an editor does it that wants to be safe: synced.
func (e *editor) save() {
	e.rename()
	must(e.p.t, e.p.disk.SyncDir(modelDir))
}

// hooked starts a process with a hook on its disk.
func (s *subject) hooked(t *testing.T, from *disktest.Disk, policy aof.Policy, hook func(disktest.Op) error) *play {
	p := &play{of: s, t: t, disk: from.Kill()}
	d := p.disk.Aside()
	m, err := openedOn(t, d, policy)
	if err != nil {
		t.Fatal(err)
	}
	d.Before(hook)
	p.lives = m
	return p
}

func TestNoPowerCutLosesAnything(t *testing.T) {
	for _, s := range []*subject{aboutConfig, aboutResults} {
		t.Run(s.file, s.noPowerCut)
	}
}

func (s *subject) noPowerCut(t *testing.T) {
	t.Parallel()
	from := s.template(t)
	for _, policy := range []aof.Policy{aof.Always, aof.No} {
		count, changes := disktest.Count()
		whole := s.hooked(t, from, policy, count)
		day(whole)
		whole.lives.crash()
		whole.verify(true)
		every := 3
		switch {
		case exhaustive():
			every = 1
		case testing.Short():
			every = 5
		}
		for n := 1; n <= changes(); n++ {
			for seed := 0; seed < 8; seed += every {
				p := s.hooked(t, from, policy, disktest.CrashAt(n))
				day(p)
				p.lives.crash()
				after := &play{of: s, t: t, disk: p.disk.PowerCut(disktest.Some(seed)), tried: p.tried, over: p.over, places: []int{n, seed}}
				if policy == aof.Always {
					after.acked = p.acked
				}
				after.live()
				for range 8 {
					after.pass(3e9)
				}
				after.verify(true)
				after.lives.crash()
			}
		}
		t.Logf("%v: %d changes", policy, changes())
	}
}

func TestNoFailureLosesAnything(t *testing.T) {
	for _, s := range []*subject{aboutConfig, aboutResults} {
		t.Run(s.file, s.noFailure)
	}
}

func (s *subject) noFailure(t *testing.T) {
	t.Parallel()
	from := s.template(t)
	count, changes := disktest.Count()
	whole := s.hooked(t, from, aof.Always, count)
	day(whole)
	whole.lives.crash()
	for n := 1; n <= changes(); n++ {
		for _, failure := range []error{syscall.EIO, syscall.ENOSPC} {
			p := s.hooked(t, from, aof.Always, disktest.FailAt(n, failure))
			p.places = []int{n}
			day(p)
			p.lives.crash()
			p.live()
			for range 8 {
				p.pass(3e9)
			}
			p.verify(true)
			p.lives.crash()
		}
	}
}

// Where a file system cannot exchange files the old one gets a second name first: who had it open is still heard.
func TestWithoutExchangeInPlaceWritersAreHeard(t *testing.T) {
	from := aboutConfig.template(t)
	edits := editors["in place"]
	without := func(p *play) { p.refused = "exchange" }
	alone := aboutConfig.played(t, from, edits, nil, 0, without)
	n, every := 0, sample(alone.ops*alone.ops*alone.ops/6)
	for at := range places(3, alone.ops+1) {
		if n++; n%every == 0 {
			aboutConfig.played(t, from, edits, at, 0, without)
		}
	}
}
