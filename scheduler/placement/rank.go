package placement

import (
	"cmp"
	"slices"
)

// byRank puts the better candidate first: the earlier tier, the higher score, more room, the name that comes first.
func byRank(a, b candidate) int {
	return cmp.Or(
		cmp.Compare(a.tier, b.tier),
		cmp.Compare(b.score, a.score),
		cmp.Compare(b.room(), a.room()),
		cmp.Compare(a.row, b.row))
}

// A packed key holds, from the top, the class of a candidate, the room it lacks to the most a key can tell, and its place
// in the list, so that keys sort like candidates and faster.
const (
	keyPlaceBits = 24
	keyRoomBits  = 34
	keyClasses   = 1 << (64 - keyPlaceBits - keyRoomBits)
	keyMaxRoom   = 1<<keyRoomBits - 1
	keyMaxPlace  = 1 << keyPlaceBits
	// fewClasses bounds the linear search for a class.
	fewClasses = min(keyClasses, 16)
)

// class is what ranks before room.
type class struct {
	tier  int32
	score int64
}

func (c class) compare(other class) int {
	return cmp.Or(cmp.Compare(c.tier, other.tier), cmp.Compare(other.score, c.score))
}

// ranked returns the candidates, which must be in row order, in the order of byRank.
func ranked(candidates []candidate) []candidate {
	keys := packKeys(candidates)
	if keys == nil {
		sorted := slices.Clone(candidates)
		slices.SortFunc(sorted, byRank)
		return sorted
	}
	keys = sortedKeys(keys)
	sorted := make([]candidate, len(candidates))
	for i, key := range keys {
		sorted[i] = candidates[key%keyMaxPlace]
	}
	return sorted
}

// packKeys returns nil when the candidates do not fit into keys.
func packKeys(candidates []candidate) []uint64 {
	if len(candidates) >= keyMaxPlace {
		return nil
	}
	var known [fewClasses]class
	classes := known[:0]
	for i := range candidates {
		c := class{candidates[i].tier, candidates[i].score}
		if slices.Contains(classes, c) {
			continue
		}
		if len(classes) == fewClasses {
			return nil
		}
		classes = append(classes, c)
	}
	slices.SortFunc(classes, class.compare)
	keys := make([]uint64, len(candidates))
	for i := range candidates {
		room := candidates[i].room()
		if room < 0 || room > keyMaxRoom {
			return nil
		}
		at := slices.Index(classes, class{candidates[i].tier, candidates[i].score})
		keys[i] = (uint64(at)<<keyRoomBits|uint64(keyMaxRoom-room))<<keyPlaceBits | uint64(i)
	}
	return keys
}

// manyKeys is where sorting byte by byte begins to pay.
const manyKeys = 256

// sortedKeys sorts keys whose places ascend: many by one stable pass for each byte above the place in which they differ.
func sortedKeys(keys []uint64) []uint64 {
	if len(keys) < manyKeys {
		slices.Sort(keys)
		return keys
	}
	var differing uint64
	for _, key := range keys {
		differing |= key ^ keys[0]
	}
	other := make([]uint64, len(keys))
	for shift := keyPlaceBits; shift < 64; shift += 8 {
		if differing>>shift&0xff == 0 {
			continue
		}
		var starts [257]int
		for _, key := range keys {
			starts[key>>shift&0xff+1]++
		}
		for i := range 256 {
			starts[i+1] += starts[i]
		}
		for _, key := range keys {
			digit := key >> shift & 0xff
			other[starts[digit]] = key
			starts[digit]++
		}
		keys, other = other, keys
	}
	return keys
}
