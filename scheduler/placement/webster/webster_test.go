package webster

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seatrial/seatrial/internal/golden"
)

type seat struct {
	Name  string `json:"name"`
	Seats int64  `json:"seats"`
}

func TestGolden(t *testing.T) {
	for _, c := range golden.Load(t, "webster") {
		var in struct {
			NewSeats int64            `json:"newSeats"`
			Votes    map[string]int64 `json:"votes"`
			Initial  map[string]int64 `json:"initial"`
			UID      string           `json:"uid"`
		}
		var out struct {
			Seats []seat `json:"seats"`
		}
		if err := json.Unmarshal(c.In, &in); err != nil {
			t.Fatalf("%s: reading input: %v", c.ID, err)
		}
		if err := json.Unmarshal(c.Out, &out); err != nil {
			t.Fatalf("%s: reading outcome: %v", c.ID, err)
		}
		names := map[string]bool{}
		for name := range in.Votes {
			names[name] = true
		}
		for name := range in.Initial {
			names[name] = true
		}
		var sorted []string
		for name := range names {
			sorted = append(sorted, name)
		}
		sort.Strings(sorted)
		parties := make([]Party, len(sorted))
		for i, name := range sorted {
			parties[i] = Party{Votes: in.Votes[name], Seats: in.Initial[name]}
		}
		Apportion(parties, in.NewSeats, Descending(in.UID))
		var got []seat
		for i, name := range sorted {
			got = append(got, seat{name, parties[i].Seats})
		}
		if len(got)+len(out.Seats) > 0 && !cmp.Equal(got, out.Seats) {
			t.Errorf("%s: seats differ (-want +got):\n%s", c.ID, cmp.Diff(out.Seats, got))
		}
	}
}

// TestHandingOutManyAtOnceAgreesWithOneByOne checks that the shortcut changes nothing.
func TestHandingOutManyAtOnceAgreesWithOneByOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		parties := make([]Party, 1+random.IntN(12))
		for i := range parties {
			parties[i] = Party{Votes: random.Int64N(1 << random.IntN(40)), Seats: random.Int64N(20)}
		}
		seats := random.Int64N(3000)
		descending := random.IntN(2) == 0
		slow := append([]Party(nil), parties...)
		q := newQueue(slow, descending)
		for range seats {
			q.serve()
		}
		Apportion(parties, seats, descending)
		if !cmp.Equal(parties, slow) {
			t.Fatalf("round %d: %d seats (-one by one +at once):\n%s", round, seats, cmp.Diff(slow, parties))
		}
	}
}

func FuzzApportion(f *testing.F) {
	f.Add(int64(5), int64(3), int64(0), int64(1), int64(100), false)
	f.Add(int64(0), int64(0), int64(0), int64(7), int64(math.MaxInt32), true)
	f.Add(int64(math.MaxInt64), int64(1), int64(math.MaxInt64), int64(0), int64(math.MaxInt32), true)
	f.Fuzz(func(t *testing.T, a, b, c, held, seats int64, descending bool) {
		held, seats = held&math.MaxInt32, seats&math.MaxInt32
		parties := []Party{{Votes: a}, {Votes: b, Seats: held}, {Votes: c}}
		Apportion(parties, seats, descending)
		if sum := parties[0].Seats + parties[1].Seats + parties[2].Seats; sum != held+seats {
			t.Fatalf("%d seats in the end, want %d + %d", sum, held, seats)
		}
	})
}
