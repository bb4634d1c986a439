package store

import "k8s.io/apimachinery/pkg/types"

// Relist is what a watcher sees of changes when its watch broke before them and it lists anew: each object once, as the last
// change left it, against what stood before the first. An object that came and went between is never seen.
func Relist(changes []Event) []Event {
	type identity struct {
		kind *kind
		key  types.NamespacedName
	}
	first, last := map[identity]*version{}, map[identity]int{}
	for i, e := range changes {
		id := identity{e.kind, e.Key}
		if _, seen := last[id]; !seen {
			first[id] = e.previous
		}
		last[id] = i
	}
	var seen []Event
	for i, e := range changes {
		id := identity{e.kind, e.Key}
		if last[id] != i || first[id] == nil && e.now.gone {
			continue
		}
		e.previous = first[id]
		e.Type = eventOf(e.previous, e.now.gone)
		seen = append(seen, e)
	}
	return seen
}
