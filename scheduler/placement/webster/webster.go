// Package webster apportions indivisible seats by the Webster (Sainte-Laguë) method: each seat goes to the party with the
// highest quotient votes / (2 x seats + 1).
//
// Source: A. Sainte-Laguë, "La représentation proportionnelle et la méthode des moindres carrés", 1910; D. Webster, 1832.
package webster

import (
	"hash/fnv"
	"math"
)

// Party takes part in an apportionment. Its index in the list of parties is its rank by name, ascending.
type Party struct {
	// Votes is the weight of the party. A negative weight counts as zero.
	Votes int64
	// Seats are the seats held; Apportion adds to them.
	Seats int64
}

// Descending reports whether equal parties are served in descending order of name for an object with this unique
// identifier. It spreads the rounding gains of many objects over the clusters: true when the identifier is not empty and
// its 32-bit FNV-1a sum is odd.
func Descending(uid string) bool {
	if uid == "" {
		return false
	}
	sum := fnv.New32a()
	sum.Write([]byte(uid))
	return sum.Sum32()&1 == 1
}

// Apportion hands out seats on top of those the parties hold. Of equal quotients the party with fewer seats comes first,
// then the one whose name comes first (last when descending). It takes O(n log n) steps for n parties, however many seats
// there are. Without parties or seats it does nothing.
func Apportion(parties []Party, seats int64, descending bool) {
	if len(parties) == 0 || seats <= 0 {
		return
	}
	if seats > 2*int64(len(parties)) {
		seats -= handOutSurely(parties, seats)
	}
	queue := newQueue(parties, descending)
	for ; seats > 0; seats-- {
		queue.serve()
	}
}

// handOutSurely gives the seats that stand above a quotient which fewer than the wanted number of seats exceed, and
// returns how many. At most about two seats a party are left, whose order matters.
func handOutSurely(parties []Party, seats int64) int64 {
	var votes, held float64
	for i := range parties {
		votes += float64(max(parties[i].Votes, 0))
		held += float64(parties[i].Seats)
	}
	if votes == 0 {
		return levelUp(parties, seats)
	}
	threshold := sureThreshold(parties, seats, votes/(2*(float64(seats)+held)))
	var given int64
	for i := range parties {
		gain := seatsAbove(parties[i], threshold, seats)
		parties[i].Seats += gain
		given += gain
	}
	return given
}

// sureThreshold searches the lowest quotient, within about two seats a party, that not more than the given seats exceed.
// Quotients of one party differ from seat to seat, so seats that tie at the threshold are at most one for each party.
func sureThreshold(parties []Party, seats int64, guess float64) float64 {
	low, high := 0.0, math.Inf(1)
	for threshold := guess; ; {
		above := countAbove(parties, threshold, seats)
		switch {
		case above > seats:
			low = threshold
		case seats-above <= 2*int64(len(parties)):
			return threshold
		default:
			high = threshold
		}
		next := between(low, high)
		if next == low || next == high {
			return high
		}
		threshold = next
	}
}

// between halves the distance of two non-negative numbers in their order as floating-point values, so that a search ends
// within 64 steps whatever their magnitude.
func between(low, high float64) float64 {
	a, b := math.Float64bits(low), math.Float64bits(high)
	return math.Float64frombits(a + (b-a)/2)
}

func countAbove(parties []Party, threshold float64, limit int64) int64 {
	var sum int64
	for i := range parties {
		sum += seatsAbove(parties[i], threshold, limit)
		if sum > limit {
			return sum
		}
	}
	return sum
}

// seatsAbove counts the further seats whose quotient exceeds the threshold, up to one more than limit.
func seatsAbove(p Party, threshold float64, limit int64) int64 {
	if p.Votes <= 0 || quotient(p.Votes, p.Seats) <= threshold {
		return 0
	}
	end := p.Seats + limit + 1
	estimate := (float64(p.Votes)/threshold - 1) / 2
	if estimate >= float64(end) {
		return limit + 1
	}
	seat := max(int64(estimate), p.Seats)
	for seat < end && quotient(p.Votes, seat) > threshold {
		seat++
	}
	for seat > p.Seats && quotient(p.Votes, seat-1) <= threshold {
		seat--
	}
	return seat - p.Seats
}

// levelUp raises parties without votes to the highest common level the seats allow, and returns the seats given.
func levelUp(parties []Party, seats int64) int64 {
	low, high := int64(0), int64(0)
	for i := range parties {
		high = max(high, parties[i].Seats)
	}
	high += seats
	for low < high {
		level := low + (high-low+1)/2
		var need int64
		for i := range parties {
			need += max(level-parties[i].Seats, 0)
			if need > seats {
				break
			}
		}
		if need > seats {
			high = level - 1
		} else {
			low = level
		}
	}
	var given int64
	for i := range parties {
		gain := max(low-parties[i].Seats, 0)
		parties[i].Seats += gain
		given += gain
	}
	return given
}

func quotient(votes, seats int64) float64 {
	return float64(max(votes, 0)) / float64(2*seats+1)
}
