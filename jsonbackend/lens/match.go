package lens

import "slices"

// matches pairs equal elements of a and b in order: it returns for each element of a its place in b, -1 for none, and
// places ascend. What both begin and end with is paired; between, of each value the n-th in a can be paired with the n-th
// in b, and the most pairs that are in order win.
func matches(a, b []uint64) (at []int) {
	at = make([]int, len(a))
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		at[head] = head
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
		at[len(a)-tail] = len(b) - tail
	}
	middle := at[head : len(a)-tail]
	places := make(map[uint64][]int, len(middle))
	for i := head; i < len(b)-tail; i++ {
		places[b[i]] = append(places[b[i]], i)
	}
	for i := range middle {
		middle[i] = -1
		if at := places[a[head+i]]; len(at) > 0 {
			middle[i], places[a[head+i]] = at[0], at[1:]
		}
	}
	keepAscending(middle)
	return at
}

// keepAscending sets to -1 as few elements of at as possible, none of them twice there, so that the others ascend.
func keepAscending(at []int) {
	ends := []int{}                // ends[n]: where the chain of n+1 that ends lowest ends
	before := make([]int, len(at)) // the element before this one in its chain
	for i, v := range at {
		if v < 0 {
			continue
		}
		n, _ := slices.BinarySearchFunc(ends, v, func(end, v int) int { return at[end] - v })
		before[i] = -1
		if n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	keep := make([]bool, len(at))
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = before[i] {
			keep[i] = true
		}
	}
	for i := range at {
		if !keep[i] {
			at[i] = -1
		}
	}
}
