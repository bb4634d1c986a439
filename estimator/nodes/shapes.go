package nodes

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	helpers "k8s.io/component-helpers/resource"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"

	"github.com/seatrial/seatrial/estimator"
)

// shape is what estimates need to know of a pod besides its node.
type shape struct {
	group, size, extra int32
	priority           int32
}

// group is a namespace and labels, as numbers of words in variable length: the namespace, then key and value by turns.
type group string

// next takes the first word off.
func (g group) next() (word int32, rest group) {
	var value uint64
	for i := range len(g) {
		value |= uint64(g[i]&0x7f) << (7 * i)
		if g[i] < 0x80 {
			return int32(value), g[i+1:]
		}
	}
	return none, ""
}

// extra is what few pods have.
type extra struct {
	ports        []estimator.HostPort
	volumes      []amount
	antiAffinity []corev1.PodAffinityTerm
}

// table numbers values by a key and counts how often each is used.
type table[K comparable, V any] struct {
	rows  []tableRow[K, V]
	free  []int32
	byKey map[K]int32
}

type tableRow[K comparable, V any] struct {
	key   K
	value V
	users int32
}

func newTable[K comparable, V any]() table[K, V] { return table[K, V]{byKey: map[K]int32{}} }

// add numbers a new value without users.
func (t *table[K, V]) add(key K, value V) int32 {
	row := tableRow[K, V]{key: key, value: value}
	var id int32
	if last := len(t.free) - 1; last >= 0 {
		id, t.free = t.free[last], t.free[:last]
		t.rows[id] = row
	} else {
		id = int32(len(t.rows))
		t.rows = append(t.rows, row)
	}
	t.byKey[key] = id
	return id
}

// drop counts one user less and reports whether the value went with it.
func (t *table[K, V]) drop(id int32) bool {
	row := &t.rows[id]
	if row.users--; row.users > 0 {
		return false
	}
	delete(t.byKey, row.key)
	*row = tableRow[K, V]{}
	t.free = append(t.free, id)
	return true
}

func (t *table[K, V]) at(id int32) *V { return &t.rows[id].value }

// shapeOf finds the shape of a pod, or numbers it. It has no more users than before: cells are its users. The labels of a
// pod seldom change, so those of the shape it had before are tried first.
func (x *Index) shapeOf(pod *corev1.Pod, volumes []estimator.Volume, before int32) int32 {
	var buffer [256]byte
	s := shape{size: x.sizeOf(pod, buffer[:0]), extra: x.extraOf(pod, volumes), priority: schedulinghelpers.PodPriority(pod)}
	if before != none && x.pods.inGroup(pod, x.pods.group(before)) {
		s.group = x.pods.shapes.rows[before].key.group
	} else {
		s.group = x.groupOf(pod, buffer[:0])
	}
	if id, ok := x.pods.shapes.byKey[s]; ok {
		return id
	}
	x.pods.groups.rows[s.group].users++
	x.pods.sizes.rows[s.size].users++
	x.pods.extras.rows[s.extra].users++
	return x.pods.shapes.add(s, struct{}{})
}

func (x *Index) dropShape(id int32) {
	p := &x.pods
	s := p.shapes.rows[id].key
	if !p.shapes.drop(id) {
		return
	}
	g := group(p.groups.rows[s.group].key)
	if p.groups.drop(s.group) {
		for word, rest := g.next(); word != none; word, rest = rest.next() {
			p.words.drop(word)
		}
	}
	p.sizes.drop(s.size)
	p.extras.drop(s.extra)
}

// group is that of a shape.
func (p *podTable) group(shape int32) group {
	return group(p.groups.rows[p.shapes.rows[shape].key.group].key)
}

// inGroup reports whether a pod, whose namespace is known to be that of the group, has the labels of the group.
func (p *podTable) inGroup(pod *corev1.Pod, g group) bool {
	pairs := 0
	_, g = g.next()
	for name, rest := g.next(); name != none; name, rest = rest.next() {
		var value int32
		value, rest = rest.next()
		have, ok := pod.Labels[p.words.rows[name].key]
		if !ok || have != p.words.rows[value].key {
			return false
		}
		pairs++
	}
	return pairs == len(pod.Labels)
}

// groupOf numbers the namespace and the labels. The words of a group are counted when the group is new.
func (x *Index) groupOf(pod *corev1.Pod, buffer []byte) int32 {
	var keyBuffer [16]string
	keys := keyBuffer[:0]
	for key := range pod.Labels {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var wordBuffer [33]int32
	words := append(wordBuffer[:0], x.pods.word(pod.Namespace))
	for _, key := range keys {
		words = append(words, x.pods.word(key), x.pods.word(pod.Labels[key]))
	}
	for _, word := range words {
		buffer = binary.AppendUvarint(buffer, uint64(word))
	}
	if id, ok := x.pods.groups.byKey[string(buffer)]; ok {
		return id
	}
	for _, word := range words {
		x.pods.words.rows[word].users++
	}
	return x.pods.groups.add(string(buffer), struct{}{})
}

func (p *podTable) word(text string) int32 {
	if id, ok := p.words.byKey[text]; ok {
		return id
	}
	text = strings.Clone(text)
	return p.words.add(text, struct{}{})
}

func (x *Index) sizeOf(pod *corev1.Pod, buffer []byte) int32 {
	var requestBuffer [8]request
	var amountBuffer [8]amount
	amounts := x.amounts(amountBuffer[:0], requestsOf(requestBuffer[:0], pod))
	for _, a := range amounts {
		buffer = binary.AppendUvarint(binary.AppendUvarint(buffer, uint64(a.column)), uint64(a.value))
	}
	if id, ok := x.pods.sizes.byKey[string(buffer)]; ok {
		return id
	}
	return x.pods.sizes.add(string(buffer), slices.Clone(amounts))
}

// request is what a pod asks of one resource.
type request struct {
	name     corev1.ResourceName
	quantity resource.Quantity
}

// requestsOf lists what a pod requests, by name. Most pods have plain containers alone, whose requests add up; the
// others are left to component-helpers.
func requestsOf(to []request, pod *corev1.Pod) []request {
	if len(pod.Spec.InitContainers) > 0 || pod.Spec.Overhead != nil || pod.Spec.Resources != nil {
		for name, quantity := range helpers.PodRequests(pod, helpers.PodResourcesOptions{}) {
			to = append(to, request{name, quantity})
		}
		sortRequests(to)
		return to
	}
	for i := range pod.Spec.Containers {
		for name, quantity := range pod.Spec.Containers[i].Resources.Requests {
			at := slices.IndexFunc(to, func(r request) bool { return r.name == name })
			if at < 0 {
				to = append(to, request{name, quantity})
				continue
			}
			sum := to[at].quantity.DeepCopy()
			sum.Add(quantity)
			to[at].quantity = sum
		}
	}
	sortRequests(to)
	return to
}

func sortRequests(requests []request) {
	slices.SortFunc(requests, func(a, b request) int { return strings.Compare(string(a.name), string(b.name)) })
}

// amounts turns requests into amounts above zero in the order of their columns.
func (x *Index) amounts(to []amount, requests []request) []amount {
	for i := range requests {
		if value := estimator.Integer(requests[i].name, requests[i].quantity); value > 0 && counted(requests[i].name) {
			to = append(to, amount{x.column(requests[i].name), value})
		}
	}
	slices.SortFunc(to, func(a, b amount) int { return int(a.column - b.column) })
	return to
}

// extraOf numbers what few pods have; for the others the key is empty and the value nil.
func (x *Index) extraOf(pod *corev1.Pod, volumes []estimator.Volume) int32 {
	var e extra
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for _, port := range containers[i].Ports {
				if port.HostPort > 0 {
					e.ports = append(e.ports, estimator.HostPort{IP: port.HostIP, Protocol: port.Protocol, Port: port.HostPort})
				}
			}
		}
	}
	if affinity := pod.Spec.Affinity; affinity != nil && affinity.PodAntiAffinity != nil {
		e.antiAffinity = affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	e.volumes = x.volumeAmounts(volumes)
	if len(e.ports) == 0 && len(e.antiAffinity) == 0 && len(e.volumes) == 0 {
		if id, ok := x.pods.extras.byKey[""]; ok {
			return id
		}
		return x.pods.extras.add("", nil)
	}
	key := e.key()
	if id, ok := x.pods.extras.byKey[key]; ok {
		return id
	}
	terms := make([]corev1.PodAffinityTerm, len(e.antiAffinity))
	for i := range terms {
		e.antiAffinity[i].DeepCopyInto(&terms[i])
	}
	e.antiAffinity = terms
	return x.pods.extras.add(key, &e)
}

func (e *extra) key() string {
	var key strings.Builder
	fmt.Fprintf(&key, "%q %v", e.ports, e.volumes)
	for i := range e.antiAffinity {
		text, err := e.antiAffinity[i].Marshal()
		if err != nil {
			// Only a broken Write can fail, and this one writes to memory.
			text = []byte(err.Error())
		}
		fmt.Fprintf(&key, " %q", text)
	}
	return key.String()
}

// volumeAmounts counts the volumes by the column of their driver.
func (x *Index) volumeAmounts(volumes []estimator.Volume) []amount {
	var amounts []amount
	for _, volume := range volumes {
		column := x.driver(volume.Driver)
		at := slices.IndexFunc(amounts, func(a amount) bool { return a.column == column })
		if at < 0 {
			at, amounts = len(amounts), append(amounts, amount{column: column})
		}
		amounts[at].value++
	}
	slices.SortFunc(amounts, func(a, b amount) int { return int(a.column - b.column) })
	return amounts
}
