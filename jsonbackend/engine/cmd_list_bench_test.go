package engine

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkLPush(b *testing.B) { benchmarkOne(b, nil, "LPUSH l element") }

func BenchmarkRPopLPush(b *testing.B) { benchmarkOne(b, []string{"RPUSH l a b c"}, "RPOPLPUSH l l") }

func BenchmarkRPopLPushOfAMillion(b *testing.B) { benchmarkOne(b, aMillion(), "RPOPLPUSH l l") }

func BenchmarkLIndexOfAMillion(b *testing.B) { benchmarkOne(b, aMillion(), "LINDEX l 500000") }

// aMillion makes a list of so many elements.
func aMillion() (lines []string) {
	for i := range 1000 {
		lines = append(lines, "RPUSH l"+strings.Repeat(fmt.Sprintf(" element:%08d", i), 1000))
	}
	return lines
}
