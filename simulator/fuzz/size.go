package fuzz

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Size is how large the scenarios of seeds are. All sizes have all kinds of workloads, policies, changes and faults; in a small
// scenario there are fewer at a time.
type Size struct {
	name string
	// The least of them is also what a run must have to count.
	clusters, workloads, minutes span
	namespaces                   int
	// everywhere: each namespace has a policy of each kind, and so have all together; otherwise there is one of each kind somewhere.
	everywhere bool
	// offset has seeds begin with another kind of workload each, where they have fewer than there are kinds.
	offset bool
	// overrides are so many, and roles that let tenants through to clusters.
	overrides, roles int
	// bursts, tenancy and requests are the longest times between two bursts of changes, two changes of what tenants are given and two of
	// the requests for fresh placements.
	bursts, tenancy, requests time.Duration
	// calm is how long the fleet is left alone in the beginning and in the end. Faults cease to begin earlier, by fading.
	calm, fading time.Duration
	// aimed are the faults that are meant for one controller, and how often a scenario has each: often enough for a few seeds to
	// aim each at all controllers, each seed going on where the last one ended. Scattered ones are meant for any.
	aimed     []aimedFault
	scattered bool
	// once: each other fault strikes once at least; otherwise some of them do, so many in all.
	once bool
	some int
	// hit is how many faults must take effect for a run to count, and lasting how long it must be.
	hit     int
	lasting time.Duration
	// thorough is how many seeds there are to one whose writes are validated by schema and whose controllers are watched for
	// writing to what they have read, both of which take long.
	thorough uint64
}

// span is from the least to the most.
type span struct{ least, most int }

func (s span) draw(random *rand.Rand) int { return s.least + random.IntN(s.most-s.least+1) }

type aimedFault struct {
	kind  Action
	times int
}

// The names of the sizes.
const (
	Large = "large"
	Small = "small"
)

// SizeOf is the size of a name; that of none is large.
func SizeOf(name string) (Size, error) {
	switch name {
	case Large, "":
		return Size{
			clusters: span{5, 7}, workloads: span{20, 25}, minutes: span{31, 36}, namespaces: 3, everywhere: true, overrides: 4, roles: 3,
			bursts: 90 * time.Second, tenancy: 50 * time.Second, requests: 75 * time.Second, calm: time.Minute, fading: 4 * time.Minute,
			aimed: []aimedFault{{Crash, 4}, {PlaneDown, 3}, {Conflict, 3}, {Refuse, 3}, {SlowAPI, 3}}, once: true,
			hit: 10, lasting: 30 * time.Minute, thorough: 8,
		}, nil
	case Small:
		return Size{
			name: Small, clusters: span{2, 3}, workloads: span{3, 4}, minutes: span{3, 4}, namespaces: 2, offset: true, overrides: 2, roles: 1,
			bursts: 40 * time.Second, tenancy: 60 * time.Second, requests: 75 * time.Second, calm: 30 * time.Second, fading: 90 * time.Second,
			aimed: []aimedFault{{Crash, 1}, {PlaneDown, 1}, {Conflict, 1}, {Refuse, 1}, {SlowAPI, 1}}, scattered: true, some: 4,
			hit: 2, lasting: 3 * time.Minute, thorough: 64,
		}, nil
	}
	return Size{}, fmt.Errorf("there is no size %q; the sizes are %s and %s", name, Small, Large)
}
