package placement

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// noPrice marks clusters without a price.
const noPrice int64 = -1

// priceScore is what the cheapest candidate gets.
const priceScore = 100

// Price reads the price of a cluster; ok is false when it has none. An error says what to write instead; scoring takes a
// malformed price for none.
func Price(cluster *clusterv1alpha1.Cluster) (price float64, ok bool, err error) {
	text := cmp.Or(cluster.Annotations[names.ClusterPrice], cluster.Labels[names.ClusterPrice])
	if text == "" {
		return 0, false, nil
	}
	price, err = strconv.ParseFloat(text, 64)
	if err != nil || !(price >= 0 && price <= maxPrice) {
		return 0, false, fmt.Errorf("%s of cluster %s is %q: write a decimal number from 0 to %g", names.ClusterPrice, cluster.Name, text, maxPrice)
	}
	return price, true, nil
}

// maxPrice keeps scores exact.
const maxPrice = 1e9

// priceOf is the price in millionths.
func priceOf(cluster *clusterv1alpha1.Cluster) int64 {
	price, ok, err := Price(cluster)
	if !ok || err != nil {
		return noPrice
	}
	return int64(math.Round(float64(price * 1e6)))
}

// PriceList is a checksum of what the clusters cost: two snapshots in which the same clusters have the same prices have the
// same one. Clusters without a price are not part of it.
func (s *Snapshot) PriceList() uint64 { return s.priceList }

func (s *Snapshot) sumPrices() {
	sum := fnv.New64a()
	var text []byte
	for row, price := range s.prices {
		if price != noPrice {
			text = append(append(text[:0], s.names[row]...), 0)
			sum.Write(binary.LittleEndian.AppendUint64(text, uint64(price)))
		}
	}
	s.priceList = sum.Sum64()
}

// addPrices scores the candidates between the cheapest and the dearest of them, rounded down. Without a difference in price
// all that have one score the same.
func (c *CandidateSet) addPrices() {
	cheapest, dearest := int64(math.MaxInt64), noPrice
	for i := range c.candidates {
		if price := c.snapshot.prices[c.candidates[i].row]; price != noPrice {
			cheapest, dearest = min(cheapest, price), max(dearest, price)
		}
	}
	for i := range c.candidates {
		price := c.snapshot.prices[c.candidates[i].row]
		switch {
		case price == noPrice:
		case cheapest == dearest:
			c.candidates[i].score += priceScore
		default:
			c.candidates[i].score += (dearest - price) * priceScore / (dearest - cheapest)
		}
	}
}
