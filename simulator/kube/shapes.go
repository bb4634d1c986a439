package kube

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// shape is what nodes have in common for the scheduler, but for their host names and resources: labels and taints.
type shape struct {
	labels map[string]string
	taints []corev1.Taint
	zone   string
	// domains are the values of topology keys by their numbers, missing where the label is.
	domains []int32
	// nodes counts the nodes that take part in scheduling.
	nodes int32
}

// missing is the domain of a shape without the label of a topology key.
const missing int32 = -1

// hostnameKey is the number of the topology key whose domains are the nodes themselves.
const hostnameKey int32 = 0

type shapeTable struct {
	rows  []shape
	byKey map[string]int32
	keys  []string
	keyOf map[string]int32
	// values numbers the values of each topology key.
	values []map[string]int32
}

func newShapeTable() shapeTable {
	t := shapeTable{byKey: map[string]int32{}, keyOf: map[string]int32{}}
	t.topology(corev1.LabelHostname)
	return t
}

// topology numbers a topology key.
func (t *shapeTable) topology(key string) int32 {
	if id, ok := t.keyOf[key]; ok {
		return id
	}
	id := int32(len(t.keys))
	t.keyOf[key] = id
	t.keys = append(t.keys, key)
	t.values = append(t.values, map[string]int32{})
	for i := range t.rows {
		t.rows[i].domains = append(t.rows[i].domains, t.domain(&t.rows[i], id))
	}
	return id
}

func (t *shapeTable) domain(s *shape, key int32) int32 {
	value, ok := s.labels[t.keys[key]]
	if !ok || key == hostnameKey {
		return missing
	}
	id, ok := t.values[key][value]
	if !ok {
		id = int32(len(t.values[key]))
		t.values[key][value] = id
	}
	return id
}

// take numbers labels, of which the host name is none, and taints.
func (t *shapeTable) take(labels map[string]string, taints []corev1.Taint) int32 {
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&key, "%s=%s\n", name, labels[name])
	}
	for i := range taints {
		fmt.Fprintf(&key, "\n%s=%s:%s", taints[i].Key, taints[i].Value, taints[i].Effect)
	}
	if id, ok := t.byKey[key.String()]; ok {
		return id
	}
	s := shape{labels: labels, taints: taints, zone: labels[corev1.LabelTopologyRegion] + "\x00" + labels[corev1.LabelTopologyZone]}
	for topology := range t.keys {
		s.domains = append(s.domains, t.domain(&s, int32(topology)))
	}
	id := int32(len(t.rows))
	t.byKey[key.String()] = id
	t.rows = append(t.rows, s)
	return id
}

// object is a node of the shape, as far as selectors and taints can tell.
func (s *shape) object(name string) *corev1.Node {
	labels := s.labels
	if name != "" {
		labels = maps.Clone(labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels[corev1.LabelHostname] = name
	}
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: corev1.NodeSpec{Taints: s.taints}}
}
