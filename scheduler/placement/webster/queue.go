package webster

// queue is a binary heap of parties, the one to be served next at its root.
type queue struct {
	parties    []Party
	claims     []claim
	descending bool
}

// claim is the demand of one party for its next seat.
type claim struct {
	quotient float64
	party    int32
}

func newQueue(parties []Party, descending bool) queue {
	q := queue{parties: parties, claims: make([]claim, len(parties)), descending: descending}
	for i := range parties {
		q.claims[i] = claim{quotient(parties[i].Votes, parties[i].Seats), int32(i)}
	}
	for i := len(q.claims)/2 - 1; i >= 0; i-- {
		q.sink(i)
	}
	return q
}

// serve gives one seat to the party at the root.
func (q *queue) serve() {
	root := &q.claims[0]
	winner := &q.parties[root.party]
	winner.Seats++
	root.quotient = quotient(winner.Votes, winner.Seats)
	q.sink(0)
}

func (q *queue) sink(i int) {
	moving := q.claims[i]
	for {
		child := 2*i + 1
		if child >= len(q.claims) {
			break
		}
		if right := child + 1; right < len(q.claims) && q.before(q.claims[right], q.claims[child]) {
			child = right
		}
		if !q.before(q.claims[child], moving) {
			break
		}
		q.claims[i] = q.claims[child]
		i = child
	}
	q.claims[i] = moving
}

func (q *queue) before(a, b claim) bool {
	if a.quotient != b.quotient {
		return a.quotient > b.quotient
	}
	if s, t := q.parties[a.party].Seats, q.parties[b.party].Seats; s != t {
		return s < t
	}
	return (a.party < b.party) != q.descending
}
