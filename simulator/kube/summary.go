package kube

import (
	corev1 "k8s.io/api/core/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// NodeSummary counts nodes and those the control plane holds for ready, in constant time.
func (c *Cluster) NodeSummary() clusterv1alpha1.NodeSummary {
	c.join()
	return clusterv1alpha1.NodeSummary{TotalNum: int32(c.known), ReadyNum: int32(c.healthy)}
}

// Version changes whenever the answers of NodeSummary and ResourceSummary could: who has asked at a version need not ask again
// while it stays the same.
func (c *Cluster) Version() uint64 {
	c.join()
	return c.version
}

// ResourceSummary adds up what nodes offer, what pods without a node ask for and what pods on nodes hold until they have
// finished, in constant time. With models it counts nodes by them, which takes time for the nodes that have changed since.
// Answers share their lists and counts until the next change: readers must not change them.
func (c *Cluster) ResourceSummary(models []clusterv1alpha1.ResourceModel) clusterv1alpha1.ResourceSummary {
	c.join()
	if c.summarised != c.version {
		c.summarised = c.version
		c.summary = clusterv1alpha1.ResourceSummary{
			Allocatable: c.resources.list(c.capacity.values, c.capacity.pods),
			Allocating:  c.list(c.waiting), Allocated: c.list(c.held),
		}
	}
	answer := c.summary
	answer.AllocatableModelings = c.modelings(models)
	return answer
}

// list leaves out what nobody holds.
func (c *Cluster) list(of sums) corev1.ResourceList {
	if of.pods == 0 {
		return corev1.ResourceList{}
	}
	list := c.resources.list(of.values, of.pods)
	for name, quantity := range list {
		if quantity.IsZero() {
			delete(list, name)
		}
	}
	return list
}

// grades counts the nodes by the resource model that what is left on them reaches.
type grades struct {
	models   []clusterv1alpha1.ResourceModel
	columns  []gradeColumn
	counts   []int
	of       []int8
	ungraded []int32
	// counted is what was answered at a version.
	counted []clusterv1alpha1.AllocatableModeling
	version uint64
}

// gradeColumn holds the lower bounds of a resource by grade.
type gradeColumn struct {
	column int
	least  []int64
}

// podsColumn stands for the number of pods, which has no column.
const podsColumn = -1

// ungrade marks a node whose free resources have changed.
func (c *Cluster) ungrade(row int32) {
	if n := &c.nodes[row]; c.grades.models != nil && !n.is(nodeUngraded) {
		n.flags |= nodeUngraded
		c.grades.ungraded = append(c.grades.ungraded, row)
	}
}

// regrade looks at a node again.
func (c *Cluster) regrade(row int32) {
	g := &c.grades
	if g.models == nil {
		return
	}
	for len(g.of) < len(c.nodes) {
		g.of = append(g.of, -1)
	}
	if old := g.of[row]; old >= 0 {
		g.counts[old]--
	}
	g.of[row] = c.grade(row)
	if now := g.of[row]; now >= 0 {
		g.counts[now]++
	}
	c.nodes[row].flags &^= nodeUngraded
}

// grade is the lowest over the resources of the models; a node without room for another pod has none.
func (c *Cluster) grade(row int32) int8 {
	n := &c.nodes[row]
	if !n.is(nodeKnown) || c.pools[n.pool].pods <= int64(n.pods) {
		return -1
	}
	lowest := len(c.grades.models) - 1
	for i := range c.grades.columns {
		g := &c.grades.columns[i]
		free := c.pools[n.pool].pods - int64(n.pods)
		if g.column != podsColumn {
			free = c.capacityOf(row, g.column) - c.used[int(row)*c.stride+g.column]
		}
		reached := 0
		for grade, least := range g.least {
			if free >= least {
				reached = grade
			}
		}
		lowest = min(lowest, reached)
	}
	return int8(lowest)
}

func (c *Cluster) modelings(models []clusterv1alpha1.ResourceModel) []clusterv1alpha1.AllocatableModeling {
	if len(models) == 0 {
		return nil
	}
	g := &c.grades
	if !sameModels(g.models, models) {
		c.startGrading(models)
	}
	// The same models once more are compared by where they are.
	g.models = models
	if g.version == c.version {
		return g.counted
	}
	g.version = c.version
	for _, row := range g.ungraded {
		if c.nodes[row].is(nodeUngraded) {
			c.regrade(row)
		}
	}
	g.ungraded = g.ungraded[:0]
	g.counted = make([]clusterv1alpha1.AllocatableModeling, len(models))
	for i := range models {
		g.counted[i] = clusterv1alpha1.AllocatableModeling{Grade: models[i].Grade, Count: g.counts[i]}
	}
	return g.counted
}

func sameModels(a, b []clusterv1alpha1.ResourceModel) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || equalModels(a, b))
}

func equalModels(a, b []clusterv1alpha1.ResourceModel) bool {
	for i := range a {
		if a[i].Grade != b[i].Grade || len(a[i].Ranges) != len(b[i].Ranges) {
			return false
		}
		for j := range a[i].Ranges {
			if a[i].Ranges[j].Name != b[i].Ranges[j].Name || a[i].Ranges[j].Min.Cmp(b[i].Ranges[j].Min) != 0 {
				return false
			}
		}
	}
	return true
}

func (c *Cluster) startGrading(models []clusterv1alpha1.ResourceModel) {
	c.grades = grades{models: models, counts: make([]int, len(models))}
	for position := range models[0].Ranges {
		name := models[0].Ranges[position].Name
		column := gradeColumn{column: podsColumn}
		if name != corev1.ResourcePods {
			column.column = c.resources.column(name)
		}
		for i := range models {
			if position < len(models[i].Ranges) {
				least := models[i].Ranges[position].Min
				value := least.Value()
				if name == corev1.ResourceCPU {
					value = least.MilliValue()
				}
				column.least = append(column.least, value)
			}
		}
		c.grades.columns = append(c.grades.columns, column)
	}
	if len(c.resources.names) > c.stride {
		c.widen()
	}
	for row := range c.nodes {
		c.nodes[row].flags &^= nodeUngraded
		c.regrade(int32(row))
	}
}
