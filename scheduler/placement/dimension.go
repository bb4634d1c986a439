package placement

import (
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// dimension is a constraint with the groups of all clusters.
type dimension struct {
	constraint
	// numbers holds the number of the value of each row; 0 is no value. Names are the values by number.
	numbers []int32
	names   []string
	// groups lists the groups by number of the value; nil when the number is the group. Only zones need it: a cluster in
	// several zones is in several groups.
	groups [][]int32
	// count is one more than the largest group, inUse the number of groups that candidates are in.
	count, inUse int
}

// dimension finds the groups of a constraint.
func (a *assignment) dimension(c *constraint) dimension {
	d := dimension{constraint: *c}
	switch c.field {
	case policyv1alpha1.SpreadByFieldProvider:
		d.numbers, d.names = a.snapshot.provider.rows, a.snapshot.provider.values.values
	case policyv1alpha1.SpreadByFieldRegion:
		d.numbers, d.names = a.snapshot.region.rows, a.snapshot.region.values.values
	case policyv1alpha1.SpreadByFieldZone:
		d.addZones(a.snapshot)
	default:
		d.addLabel(a.snapshot, c.label)
	}
	if d.groups == nil {
		d.count = len(d.names)
	}
	return d
}

func (d *dimension) addZones(s *Snapshot) {
	d.numbers = s.zones.rows
	d.names = make([]string, len(s.zones.values.values))
	d.groups = make([][]int32, len(d.names))
	known := map[string]int32{}
	for value, zones := range s.zones.values.values {
		for _, zone := range zones {
			if known[zone] == 0 {
				known[zone] = int32(len(known) + 1)
			}
			d.groups[value] = append(d.groups[value], known[zone])
			d.names[value] = zone
		}
	}
	d.count = len(known) + 1
}

func (d *dimension) addLabel(s *Snapshot, key string) {
	if at, ok := s.labels.index[key]; ok {
		d.numbers, d.names = s.labels.columns[at].rows, s.labels.columns[at].values.values
		return
	}
	values := column[string]{}
	values.resize(len(s.names))
	for row := range values.rows {
		if value, ok := s.labels.objects[row][key]; ok {
			values.set(int32(row), "="+value, value)
		}
	}
	d.numbers, d.names = values.rows, values.values.values
}

// simple reports whether each of the clusters is in one group, and each group has one number.
func (d *dimension) simple(clusters []candidate) bool {
	if d.groups == nil {
		return true
	}
	for i := range clusters {
		if len(d.groups[d.numbers[clusters[i].row]]) != 1 {
			return false
		}
	}
	return true
}

// groupsOf appends the groups of a row to a list.
func (d *dimension) groupsOf(row int32, list []int32) []int32 {
	number := d.numbers[row]
	if d.groups != nil {
		return append(list, d.groups[number]...)
	}
	return append(list, number)
}

// available counts the groups that clusters are in.
func (d *dimension) available(clusters []candidate) int {
	seen := make([]bool, d.count)
	count := 0
	var groups []int32
	for i := range clusters {
		groups = d.groupsOf(clusters[i].row, groups[:0])
		for _, group := range groups {
			if group != 0 && !seen[group] {
				seen[group] = true
				count++
			}
		}
	}
	return count
}
