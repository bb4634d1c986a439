package kube

import (
	"math"

	configv1 "k8s.io/kube-scheduler/config/v1"
)

// adjust adds to totals what nodes score in comparison with each other. Feasible are nodes, or one for each lane of them;
// found is how many feasible nodes there are.
func (c *Cluster) adjust(b *board, t *template, feasible []int32, found int) {
	if weight := t.profile.weights[pluginNodeAffinity]; weight > 0 && t.preferred != nil {
		c.addVerdicts(t, feasible, weight, false)
	}
	if weight := t.profile.weights[pluginTaintToleration]; weight > 0 && c.shunning() {
		c.addVerdicts(t, feasible, weight, true)
	}
	if weight := t.profile.weights[pluginPodTopologySpread]; weight > 0 && len(b.soft) > 0 {
		c.addSpread(b, feasible, found, weight)
	}
	if weight := t.profile.weights[pluginInterPodAffinity]; weight > 0 && len(b.pull) > 0 {
		c.addPull(b, feasible, weight)
	}
}

// best is the feasible node of the highest total score, by lot among equals.
func (c *Cluster) best(b *board, t *template, feasible []int32) int32 {
	c.adjust(b, t, feasible, len(feasible))
	highest, ties, count := int64(-1), c.ties, 0
	for i, total := range c.totals[:len(feasible)] {
		if total < highest {
			continue
		}
		if total > highest {
			highest, count = total, 0
		}
		ties[count] = feasible[i]
		count++
	}
	if count == 1 {
		return ties[0]
	}
	return ties[c.lots.IntN(count)]
}

// shunning reports whether any node has a PreferNoSchedule taint; without, they all score alike.
func (c *Cluster) shunning() bool {
	if c.shunned.structure != c.structure {
		c.shunned.structure, c.shunned.any = c.structure, false
		for i := range c.shapes.rows {
			for j := range c.shapes.rows[i].taints {
				c.shunned.any = c.shunned.any || c.shapes.rows[i].nodes > 0 && c.shapes.rows[i].taints[j].Effect == "PreferNoSchedule"
			}
		}
	}
	return c.shunned.any
}

// addVerdicts adds preferred node affinity, the most preferred node scoring 100; or taints to shun, the most shunned scoring 0.
func (c *Cluster) addVerdicts(t *template, feasible []int32, weight int64, shun bool) {
	var highest int64
	raws := c.raws[:0]
	for _, row := range feasible {
		v := c.verdict(t, row)
		raw := int64(v.prefers)
		if shun {
			raw = int64(v.shuns)
		}
		raws, highest = append(raws, raw), max(highest, raw)
	}
	c.raws = raws
	for i, raw := range raws {
		score := int64(0)
		if highest > 0 {
			score = 100 * raw / highest
		}
		if shun {
			score = 100 - score
		}
		c.totals[i] += weight * score
	}
}

// addSpread adds the soft constraints: per constraint, the pods in the node's domain count by the logarithm of the number of
// domains; the sum is turned around so that the least crowded node scores 100.
func (c *Cluster) addSpread(b *board, feasible []int32, found int, weight int64) {
	ignored := c.bases(b)
	host, hostWeight, hostBase := (*counter)(nil), 0.0, 0.0
	for i := range b.soft {
		if n := &b.soft[i]; n.key == hostnameKey {
			host, hostWeight, hostBase = n, math.Log(float64(found-ignored+2)), float64(n.spread.skew-1)
		}
	}
	lowest, highest := int64(math.MaxInt64), int64(math.MinInt64)
	raws, present := c.raws[:len(feasible)], c.present[:len(feasible)]
	for i, row := range feasible {
		base := c.base[present[i]]
		if base < 0 {
			raws[i] = -1
			continue
		}
		if host != nil {
			base += float64(float64(host.domains[row])*hostWeight) + hostBase
		}
		raw := int64(base + 0.5)
		raws[i] = raw
		lowest, highest = min(lowest, raw), max(highest, raw)
	}
	// Most nodes of a shape have the same raw score, so the last one of each is kept.
	c.shapeScores = append(c.shapeScores[:0], make([][2]int64, len(c.shapes.rows))...)
	last := c.shapeScores
	for i, raw := range raws {
		kept := &last[present[i]]
		switch {
		case raw < 0:
			continue
		case highest == 0:
			kept[1] = 100
		case kept[0] != raw+1:
			kept[0], kept[1] = raw+1, 100*(highest+lowest-raw)/highest
		}
		c.totals[i] += weight * kept[1]
	}
}

// bases sums up, per shape that is present, the constraints whose domains the shape decides; below zero for shapes without
// one of the labels, whose nodes score nothing. It returns the number of those nodes.
func (c *Cluster) bases(b *board) (ignored int) {
	present := c.shapeCount
	c.base = append(c.base[:0], make([]float64, len(c.shapes.rows))...)
	for shape, count := range present {
		for i := range b.soft {
			n := &b.soft[i]
			if count > 0 && !n.spread.system && n.key != hostnameKey && c.shapes.rows[shape].domains[n.key] == missing {
				c.base[shape] = -1
			}
		}
		if c.base[shape] < 0 {
			ignored += int(count)
		}
	}
	for i := range b.soft {
		n := &b.soft[i]
		if n.key == hostnameKey {
			continue
		}
		domains := 0
		c.seen = append(c.seen[:0], make([]bool, len(n.domains))...)
		for shape, count := range present {
			domain := c.shapes.rows[shape].domains[n.key]
			if count > 0 && c.base[shape] >= 0 && domain != missing && !c.seen[domain] {
				c.seen[domain] = true
				domains++
			}
		}
		weight := math.Log(float64(domains + 2))
		for shape, count := range present {
			domain := c.shapes.rows[shape].domains[n.key]
			if count > 0 && c.base[shape] >= 0 && domain != missing {
				c.base[shape] += float64(float64(n.domains[domain])*weight) + float64(n.spread.skew-1)
			}
		}
	}
	return ignored
}

// addPull adds the preferred terms of the pod and of those around, spread from 0 to 100.
func (c *Cluster) addPull(b *board, feasible []int32, weight int64) {
	lowest, highest := int64(math.MaxInt64), int64(math.MinInt64)
	raws := c.raws[:0]
	for _, row := range feasible {
		var raw int64
		for i := range b.pull {
			n := &b.pull[i]
			if domain := c.domain(n.key, row); domain != missing {
				raw += int64(n.weight) * int64(n.domains[domain])
			}
		}
		raws = append(raws, raw)
		lowest, highest = min(lowest, raw), max(highest, raw)
	}
	c.raws = raws
	if highest == lowest {
		return
	}
	for i, raw := range raws {
		c.totals[i] += weight * int64(100*(float64(raw-lowest)/float64(highest-lowest)))
	}
}

// score is what a node scores by itself: how much of it is allocated, and how evenly.
func (c *Cluster) score(t *template, row int32) int16 {
	p := t.profile
	if p.standard {
		return c.scoreStandard(t, row)
	}
	var total int64
	if weight := p.weights[pluginNodeResourcesFit]; weight > 0 {
		total += weight * c.scoreFit(t, row)
	}
	if weight := p.weights[pluginBalancedAllocation]; weight > 0 {
		total += weight * c.scoreBalance(t, row)
	}
	return int16(min(total, math.MaxInt16))
}

// scoreStandard is score for cpu and memory with weight 1 and LeastAllocated, which all but a few profiles use: this is where
// placing pods spends its time.
func (c *Cluster) scoreStandard(t *template, row int32) int16 {
	capacity := c.pools[c.nodes[row].pool].capacity
	cpu, memory := capacity[columnCPU], capacity[columnMemory]
	if cpu == 0 || memory == 0 {
		return int16(c.scoreFit(t, row) + c.scoreBalance(t, row))
	}
	// Floating-point division is the faster one, and its integer part is exact while a node has less than 2^46 of a resource.
	cpus, bytes, scored := float64(cpu), float64(memory), &c.scored[row]
	var least int64
	if left := cpu - scored[0] - t.cpu; left > 0 {
		least = int64(float64(left*100) / cpus)
	}
	if left := memory - scored[1] - t.memory; left > 0 {
		least += int64(float64(left*100) / bytes)
	}
	least /= 2
	if t.asksCPU == 0 && t.asksMemory == 0 {
		return int16(least)
	}
	used := c.used[int(row)*c.stride:]
	before := float64(used[columnCPU])/cpus - float64(used[columnMemory])/bytes
	after := min(float64(used[columnCPU]+t.asksCPU)/cpus, 1) - min(float64(used[columnMemory]+t.asksMemory)/bytes, 1)
	return int16(least + int64(75+float64(50*(math.Abs(before)/2-math.Abs(after)/2))))
}

// scoreFit is the weighted mean over resources of what the strategy gives for the share that will be allocated.
func (c *Cluster) scoreFit(t *template, row int32) int64 {
	p := t.profile
	var sum, weights int64
	for _, w := range p.fit {
		capacity := c.capacityOf(row, w.column)
		if capacity == 0 {
			continue
		}
		used := c.scoredUse(t, row, w.column)
		if used < 0 {
			continue
		}
		var score int64
		switch p.strategy {
		case configv1.MostAllocated:
			score = min(used, capacity) * 100 / capacity
		case configv1.RequestedToCapacityRatio:
			score = p.shaped(100, 1)
			if used <= capacity {
				score = p.shaped(used, capacity)
			}
			if score == 0 {
				continue
			}
		default:
			if used <= capacity {
				score = (capacity - used) * 100 / capacity
			}
		}
		sum += score * w.weight
		weights += w.weight
	}
	if weights == 0 {
		return 0
	}
	if p.strategy == configv1.RequestedToCapacityRatio {
		return int64(math.Round(float64(sum) / float64(weights)))
	}
	return sum / weights
}

// scoredUse is what will be used of a resource in the eyes of scores, in which containers without requests count for
// something; below zero when the resource does not matter to the pod.
func (c *Cluster) scoredUse(t *template, row int32, column int) int64 {
	switch column {
	case columnCPU:
		return c.scored[row][0] + t.cpu
	case columnMemory:
		return c.scored[row][1] + t.memory
	}
	for _, a := range t.requests {
		if int(a.column) == column {
			return c.used[int(row)*c.stride+column] + a.value
		}
	}
	return -1
}

func (c *Cluster) capacityOf(row int32, column int) int64 {
	if capacity := c.pools[c.nodes[row].pool].capacity; column < len(capacity) {
		return capacity[column]
	}
	return 0
}

// shaped follows the points of RequestedToCapacityRatio, whose scores go from 0 to 10, in straight lines.
func (p *profile) shaped(used, capacity int64) int64 {
	utilization := used * 100 / capacity
	for i, point := range p.ratio {
		if utilization > int64(point.Utilization) {
			continue
		}
		score := int64(point.Score) * 10
		if i == 0 {
			return score
		}
		before := p.ratio[i-1]
		from := int64(before.Score) * 10
		return from + (score-from)*(utilization-int64(before.Utilization))/int64(point.Utilization-before.Utilization)
	}
	return int64(p.ratio[len(p.ratio)-1].Score) * 10
}

// scoreBalance favours nodes whose shares of allocated resources come closer to each other by the pod: 75 for no change, 50
// from even to uneven, 100 from uneven to even, as kube-scheduler has it since 1.36. Pods that request none of the resources
// leave all nodes alike.
func (c *Cluster) scoreBalance(t *template, row int32) int64 {
	var before, after [8]float64
	count, requested := 0, false
	for _, w := range t.profile.balanced {
		capacity := c.capacityOf(row, w.column)
		if capacity == 0 || count == len(before) {
			continue
		}
		used, asked := c.used[int(row)*c.stride+w.column], int64(0)
		for _, a := range t.requests {
			if int(a.column) == w.column {
				asked = a.value
			}
		}
		if w.column >= firstExtended && asked == 0 {
			continue
		}
		requested = requested || asked > 0
		before[count] = min(float64(used)/float64(capacity), 1)
		after[count] = min(float64(used+asked)/float64(capacity), 1)
		count++
	}
	if !requested {
		return 0
	}
	return int64(75 + float64(50*(deviation(before[:count])-deviation(after[:count]))))
}

// deviation is the standard deviation of fractions, from 0 to 0.5.
func deviation(fractions []float64) float64 {
	switch len(fractions) {
	case 0, 1:
		return 0
	case 2:
		return math.Abs(fractions[0]-fractions[1]) / 2
	}
	var sum, squares float64
	for _, f := range fractions {
		sum += f
	}
	mean := sum / float64(len(fractions))
	for _, f := range fractions {
		squares += float64((f - mean) * (f - mean))
	}
	return math.Sqrt(squares / float64(len(fractions)))
}
