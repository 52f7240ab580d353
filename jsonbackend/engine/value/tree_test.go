package value

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// checkTree fails if a law of the tree's shape is broken.
func checkTree[T comparable](t rapid.TB, tr *tree[T]) {
	t.Helper()
	if tr.root == nil {
		if tr.count != 0 {
			t.Fatalf("no root, count %d", tr.count)
		}
		return
	}
	leafDepth := -1
	var walk func(n *treeNode[T], depth int, leftEdge, rightEdge bool) int
	walk = func(n *treeNode[T], depth int, leftEdge, rightEdge bool) int {
		if n.size() == 0 || n.size() > treeFan {
			t.Fatalf("node of %d elements at depth %d", n.size(), depth)
		}
		if !leftEdge && !rightEdge && n.size() < treeThin {
			t.Fatalf("inner node of %d elements at depth %d", n.size(), depth)
		}
		if n.kids == nil {
			if leafDepth >= 0 && leafDepth != depth {
				t.Fatalf("leaves at depths %d and %d", leafDepth, depth)
			}
			leafDepth = depth
			return len(n.items)
		}
		sum := 0
		for i, k := range n.kids {
			count := walk(k.node, depth+1, leftEdge && i == 0, rightEdge && i == len(n.kids)-1)
			if count != k.count {
				t.Fatalf("kid says %d items, has %d", k.count, count)
			}
			if k.last != k.node.last() {
				t.Fatalf("kid says last is %v, it is %v", k.last, k.node.last())
			}
			sum += count
		}
		return sum
	}
	if count := walk(tr.root, 0, true, true); count != tr.count {
		t.Fatalf("tree says %d items, has %d", tr.count, count)
	}
	if tr.root.kids != nil && len(tr.root.kids) < 2 {
		t.Fatal("root with one kid")
	}
}

func treeItems[T any](tr *tree[T]) []T {
	var items []T
	var c treeCursor[T]
	for tr.seekAt(&c, 0); c.valid(); c.next() {
		items = append(items, *c.item())
	}
	return items
}

// copies is the state of a state machine: values that were cloned from each other, each with its model.
type copies[V, M any] []copied[V, M]

type copied[V, M any] struct {
	val   V
	model M
}

func (cs copies[V, M]) pick(t *rapid.T) *copied[V, M] {
	return &cs[rapid.IntRange(0, len(cs)-1).Draw(t, "copy")]
}

// add makes room for a new copy, at most a handful, by forgetting an older one.
func (cs *copies[V, M]) add(t *rapid.T, val V, model M) {
	if len(*cs) == 4 {
		i := rapid.IntRange(0, len(*cs)-1).Draw(t, "forget")
		*cs = slices.Delete(*cs, i, i+1)
	}
	*cs = append(*cs, copied[V, M]{val, model})
}

func TestTreeKeepsPositionsThroughEditsAndClones(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := copied[*tree[int], []int]{val: new(tree[int])}
		serial := 0
		for n := rapid.SampledFrom([]int{0, 0, treeFan, treeFan, treeFan*treeFan + 100}).Draw(t, "n"); serial < n; serial++ {
			first.val.insertAt(serial, serial)
			first.model = append(first.model, serial)
		}
		trees := copies[*tree[int], []int]{first}
		t.Repeat(map[string]func(*rapid.T){
			"insert run": func(t *rapid.T) {
				c := trees.pick(t)
				// Both ends often: they split differently.
				at := rapid.SampledFrom([]int{0, len(c.model), rapid.IntRange(0, len(c.model)).Draw(t, "middle")}).Draw(t, "at")
				step := rapid.IntRange(0, 1).Draw(t, "step") // 0 pushes each one before the one before
				for n := rapid.SampledFrom([]int{1, 10, 600}).Draw(t, "n"); n > 0; n-- {
					serial++
					c.val.insertAt(at, serial)
					c.model = slices.Insert(c.model, at, serial)
					at += step
				}
			},
			"delete run": func(t *rapid.T) {
				c := trees.pick(t)
				for n := rapid.SampledFrom([]int{1, 10, 500, 3000}).Draw(t, "n"); n > 0 && len(c.model) > 0; {
					at := rapid.SampledFrom([]int{0, len(c.model) - 1, len(c.model) / 2}).Draw(t, "at")
					for m := min(n, 70, len(c.model)-at); m > 0; m-- {
						c.val.deleteAt(at)
						c.model = slices.Delete(c.model, at, at+1)
						n--
					}
				}
			},
			"keep": func(t *rapid.T) {
				c := trees.pick(t)
				from := rapid.SampledFrom([]int{0, rapid.IntRange(0, len(c.model)).Draw(t, "front")}).Draw(t, "from")
				to := rapid.SampledFrom([]int{len(c.model), rapid.IntRange(from, len(c.model)).Draw(t, "back")}).Draw(t, "to")
				c.val.keep(from, to)
				c.model = slices.Clone(c.model[from:to])
			},
			"replace": func(t *rapid.T) {
				c := trees.pick(t)
				if len(c.model) == 0 {
					return
				}
				i := rapid.IntRange(0, len(c.model)-1).Draw(t, "at")
				var cur treeCursor[int]
				c.val.seekAt(&cur, i)
				serial++
				c.val.replace(&cur, serial)
				c.model[i] = serial
			},
			"clone": func(t *rapid.T) {
				c := trees.pick(t)
				cl := c.val.clone()
				trees.add(t, &cl, slices.Clone(c.model))
			},
			"seek": func(t *rapid.T) {
				c := trees.pick(t)
				i := rapid.IntRange(0, len(c.model)).Draw(t, "at")
				var cur treeCursor[int]
				c.val.seekAt(&cur, i)
				if cur.pos() != i || cur.valid() != (i < len(c.model)) {
					t.Fatalf("seekAt(%d) is at %d, valid %v", i, cur.pos(), cur.valid())
				}
				var back []int
				for cur.prev() {
					back = append(back, *cur.item())
				}
				slices.Reverse(back)
				if !slices.Equal(back, c.model[:i]) {
					t.Fatalf("backwards from %d: %v", i, cmp.Diff(c.model[:i], back))
				}
			},
			"": func(t *rapid.T) {
				for _, c := range trees {
					checkTree(t, c.val)
					if got := treeItems(c.val); !slices.Equal(got, c.model) {
						t.Fatal(cmp.Diff(c.model, got))
					}
				}
			},
		})
	})
}

func TestTreeGrownAtOneEndIsFull(t *testing.T) {
	const n = 20 * treeFan
	for _, back := range []bool{false, true} {
		var tr tree[int]
		for i := range n {
			if back {
				tr.insertAt(tr.count, i)
			} else {
				tr.insertAt(0, i)
			}
		}
		checkTree(t, &tr)
		if leaves := len(tr.root.kids); leaves != 20 {
			t.Errorf("back %v: %d items in %d leaves, want 20", back, n, leaves)
		}
	}
}

func TestTreeSeekFindsFirstReached(t *testing.T) {
	var tr tree[int]
	const n = 3*treeFan*treeFan + 7
	for i := range n {
		tr.insertAt(i, 2*i)
	}
	checkTree(t, &tr)
	for want := -1; want <= 2*n; want += 5 {
		var c treeCursor[int]
		tr.seek(&c, func(item *int) bool { return *item >= want })
		if got := c.pos(); got != (want+1)/2 {
			t.Fatalf("first item >= %d at %d, want %d", want, got, (want+1)/2)
		}
	}
}
