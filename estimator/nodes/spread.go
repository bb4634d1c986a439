package nodes

import (
	"container/heap"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// maxPlacements bounds the replicas that are placed one after another. A cluster has fewer pods than this.
const maxPlacements = 1 << 20

// spreading places replicas one by one, each onto the emptiest domain that the constraints allow.
type spreading struct {
	constraints []constraint
	// exclusive holds, by topology key, the domains that have their one replica.
	exclusive []map[string]bool
	keys      []string
	queue     nests
	// parked nests wait until a least domain fills.
	parked []*nest
}

// constraint is a topology spread constraint with what it counts.
type constraint struct {
	key     string
	maxSkew int64
	// self is 1 when replicas count themselves, else 0.
	self   int64
	number map[string]int
	counts []int64
	least  int64
	// few says that there are fewer domains than wanted: then the least one counts as empty.
	few bool
}

// nest is a run of spots that are in the same domains of every constraint.
type nest struct {
	spots []spot
	// domains are numbers by constraint; exclusive are values by exclusive key, absent where the node has none.
	domains   []int
	exclusive []string
	apart     []bool
	crowd     int64
}

// newSpreading counts the pods that the spread constraints of a query mean and makes nests of the spots.
func newSpreading(x *Index, q *query, w *wishes, spots []spot) *spreading {
	s := &spreading{keys: w.exclusive, exclusive: make([]map[string]bool, len(w.exclusive))}
	for i := range s.exclusive {
		s.exclusive[i] = map[string]bool{}
	}
	s.constraints = x.constraints(q)
	byDomains := map[string]*nest{}
	for _, at := range spots {
		n, text, ok := s.nestOf(x, at.slot)
		if !ok {
			continue
		}
		known := byDomains[text]
		if known == nil {
			known = n
			byDomains[text] = n
			s.queue = append(s.queue, n)
		}
		known.spots = append(known.spots, at)
	}
	for _, n := range s.queue {
		n.crowd = s.crowd(n)
	}
	heap.Init(&s.queue)
	return s
}

// constraints reads the hard spread constraints of a query.
func (x *Index) constraints(q *query) []constraint {
	var read []constraint
	var hard []*corev1.TopologySpreadConstraint
	for i := range q.demand.Spread {
		if q.demand.Spread[i].WhenUnsatisfiable == corev1.DoNotSchedule {
			hard = append(hard, &q.demand.Spread[i])
		}
	}
	for _, given := range hard {
		read = append(read, x.constraint(q, given, hard))
	}
	return read
}

func (x *Index) constraint(q *query, given *corev1.TopologySpreadConstraint, all []*corev1.TopologySpreadConstraint) constraint {
	own := labels.Set(q.demand.Labels)
	selector, err := readSelector(given.LabelSelector, given.MatchLabelKeys, nil, own)
	if err != nil {
		selector = labels.Nothing()
	}
	c := constraint{key: given.TopologyKey, maxSkew: int64(given.MaxSkew), number: map[string]int{}}
	if selector.Matches(own) {
		c.self = 1
	}
	eligible := map[int32]int{}
	for _, slot := range x.nodes.order {
		if slot == unknown || !x.counted(q, given, all, slot) {
			continue
		}
		value, _ := x.domain(slot, given.TopologyKey)
		number, ok := c.number[value]
		if !ok {
			number = len(c.counts)
			c.number[value] = number
			c.counts = append(c.counts, 0)
		}
		eligible[slot] = number
	}
	x.eachShape(func(id int32, _ shape, namespace string, pod groupLabels) {
		if namespace == q.demand.namespace() && selector.Matches(pod) {
			x.eachCell(id, func(slot int32, pods int64) {
				if number, ok := eligible[slot]; ok {
					c.counts[number] += pods
				}
			})
		}
	})
	c.few = given.MinDomains != nil && len(c.counts) < int(*given.MinDomains)
	c.findLeast()
	return c
}

// counted reports whether the pods of a node count for a constraint: it has the keys of all constraints, and is one that
// the demand can use as far as the policies of the constraint say.
func (x *Index) counted(q *query, given *corev1.TopologySpreadConstraint, all []*corev1.TopologySpreadConstraint, slot int32) bool {
	for _, other := range all {
		if _, ok := x.domain(slot, other.TopologyKey); !ok {
			return false
		}
	}
	if given.NodeAffinityPolicy == nil || *given.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor {
		if !x.claims(&q.filter, slot) {
			return false
		}
	}
	return given.NodeTaintsPolicy == nil || *given.NodeTaintsPolicy == corev1.NodeInclusionPolicyIgnore ||
		q.filter.taints.has(x.classes[x.nodes.rows[slot].class].key.taints)
}

func (c *constraint) findLeast() {
	c.least = 0
	if c.few || len(c.counts) == 0 {
		return
	}
	c.least = math.MaxInt64
	for _, count := range c.counts {
		c.least = min(c.least, count)
	}
}

// nestOf finds the domains of a node; ok is false when it lacks the key of a constraint.
func (s *spreading) nestOf(x *Index, slot int32) (n *nest, text string, ok bool) {
	n = &nest{}
	var key []byte
	for i := range s.constraints {
		value, found := x.domain(slot, s.constraints[i].key)
		number, known := s.constraints[i].number[value]
		if !found || !known {
			return nil, "", false
		}
		n.domains = append(n.domains, number)
		key = appendText(key, value)
	}
	for _, exclusive := range s.keys {
		value, found := x.domain(slot, exclusive)
		n.exclusive = append(n.exclusive, value)
		n.apart = append(n.apart, found)
		if key = appendText(key, value); found {
			key = append(key, 1)
		}
	}
	return n, string(key), true
}

// crowd is what orders nests: the pods in their domains.
func (s *spreading) crowd(n *nest) int64 {
	var crowd int64
	for i, domain := range n.domains {
		crowd += s.constraints[i].counts[domain]
	}
	return crowd
}

// place returns the number of replicas that found a place.
func (s *spreading) place() int64 {
	if len(s.constraints) == 0 && len(s.keys) == 0 {
		return s.everywhere()
	}
	var placed int64
	for len(s.queue) > 0 && placed < maxPlacements {
		n := heap.Pop(&s.queue).(*nest)
		if crowd := s.crowd(n); crowd != n.crowd {
			n.crowd = crowd
			heap.Push(&s.queue, n)
			continue
		}
		if s.occupied(n) {
			continue
		}
		if s.skewed(n) {
			s.parked = append(s.parked, n)
			continue
		}
		placed++
		s.put(n)
	}
	return placed
}

func (s *spreading) everywhere() int64 {
	var sum int64
	for _, n := range s.queue {
		for _, at := range n.spots {
			sum = addBounded(sum, at.room)
		}
	}
	return sum
}

// put places one replica into a nest, and lets those that waited for it try again.
func (s *spreading) put(n *nest) {
	for i, apart := range n.apart {
		if apart {
			s.exclusive[i][n.exclusive[i]] = true
		}
	}
	if n.spots[0].room--; n.spots[0].room == 0 {
		n.spots = n.spots[1:]
	}
	rose := false
	for i, domain := range n.domains {
		c := &s.constraints[i]
		before := c.counts[domain]
		if c.counts[domain] += c.self; c.self > 0 && before == c.least && !c.few {
			least := c.least
			c.findLeast()
			rose = rose || c.least > least
		}
	}
	if len(n.spots) > 0 {
		n.crowd = s.crowd(n)
		heap.Push(&s.queue, n)
	}
	if rose {
		for _, waiting := range s.parked {
			waiting.crowd = s.crowd(waiting)
			heap.Push(&s.queue, waiting)
		}
		s.parked = s.parked[:0]
	}
}

// occupied reports whether a domain of the nest that holds one replica has it.
func (s *spreading) occupied(n *nest) bool {
	for i, apart := range n.apart {
		if apart && s.exclusive[i][n.exclusive[i]] {
			return true
		}
	}
	return false
}

// skewed reports whether one more replica would break a constraint.
func (s *spreading) skewed(n *nest) bool {
	for i, domain := range n.domains {
		c := &s.constraints[i]
		if c.counts[domain]+c.self-c.least > c.maxSkew {
			return true
		}
	}
	return false
}

// nests is a heap: the least crowded nest first, the one whose next node is known longest among equals.
type nests []*nest

func (n nests) Len() int { return len(n) }

func (n nests) Less(a, b int) bool {
	if n[a].crowd != n[b].crowd {
		return n[a].crowd < n[b].crowd
	}
	return n[a].spots[0].order < n[b].spots[0].order
}

func (n nests) Swap(a, b int) { n[a], n[b] = n[b], n[a] }

// Push is for the heap.
func (n *nests) Push(one any) { *n = append(*n, one.(*nest)) }

// Pop is for the heap.
func (n *nests) Pop() any {
	last := len(*n) - 1
	one := (*n)[last]
	*n = (*n)[:last]
	return one
}
