package nodes

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// bitset holds a set of small numbers.
type bitset []uint64

func (b bitset) has(i int32) bool { return int(i>>6) < len(b) && b[i>>6]>>(i&63)&1 == 1 }

func (b *bitset) set(i int32) {
	for int(i>>6) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

func (b bitset) clear(i int32) {
	if int(i>>6) < len(b) {
		b[i>>6] &^= 1 << (i & 63)
	}
}

func (b bitset) and(other bitset) {
	for i := range b {
		if i < len(other) {
			b[i] &= other[i]
		} else {
			b[i] = 0
		}
	}
}

func (b bitset) or(other bitset) {
	for i := range min(len(b), len(other)) {
		b[i] |= other[i]
	}
}

// labelTable numbers the label sets of nodes and knows, for each key and value, the sets that hold it. The host name is
// left out: it would make every set different.
type labelTable struct {
	sets   []labelSet
	free   []int32
	byText map[string]int32
	keys   map[string]*labelKey
	all    bitset
}

type labelSet struct {
	text  string
	pairs map[string]string
	users int32
}

// labelKey holds the sets that have a key, by its value.
type labelKey struct {
	values []labelValue
	byName map[string]int32
}

type labelValue struct {
	value string
	sets  bitset
	users int32
}

func newLabelTable() labelTable {
	return labelTable{byText: map[string]int32{}, keys: map[string]*labelKey{}}
}

// take counts one more user of a label set.
func (t *labelTable) take(pairs map[string]string) int32 {
	text := textOf(pairs)
	if id, ok := t.byText[text]; ok {
		t.sets[id].users++
		return id
	}
	var id int32
	if last := len(t.free) - 1; last >= 0 {
		id, t.free = t.free[last], t.free[:last]
	} else {
		id = int32(len(t.sets))
		t.sets = append(t.sets, labelSet{})
	}
	own := maps.Clone(pairs)
	delete(own, corev1.LabelHostname)
	t.sets[id] = labelSet{text: text, pairs: own, users: 1}
	t.byText[text] = id
	t.all.set(id)
	for key, value := range own {
		t.note(id, key, value)
	}
	return id
}

func (t *labelTable) note(id int32, key, value string) {
	entry := t.keys[key]
	if entry == nil {
		entry = &labelKey{byName: map[string]int32{}}
		t.keys[key] = entry
	}
	i, ok := entry.byName[value]
	if !ok {
		i = int32(len(entry.values))
		entry.values = append(entry.values, labelValue{value: value})
		entry.byName[value] = i
	}
	entry.values[i].sets.set(id)
	entry.values[i].users++
}

// drop counts one user less and forgets a set without users.
func (t *labelTable) drop(id int32) {
	set := &t.sets[id]
	if set.users--; set.users > 0 {
		return
	}
	delete(t.byText, set.text)
	t.all.clear(id)
	for key, value := range set.pairs {
		t.forget(id, key, value)
	}
	t.sets[id] = labelSet{}
	t.free = append(t.free, id)
}

func (t *labelTable) forget(id int32, key, value string) {
	entry := t.keys[key]
	i := entry.byName[value]
	entry.values[i].sets.clear(id)
	if entry.values[i].users--; entry.values[i].users > 0 {
		return
	}
	last := len(entry.values) - 1
	entry.values[i] = entry.values[last]
	entry.byName[entry.values[i].value] = i
	entry.values = entry.values[:last]
	delete(entry.byName, value)
	if last == 0 {
		delete(t.keys, key)
	}
}

// textOf writes labels so that equal sets, and only they, have equal texts.
func textOf(pairs map[string]string) string {
	keys := make([]string, 0, len(pairs))
	for key := range pairs {
		if key != corev1.LabelHostname {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var text []byte
	for _, key := range keys {
		text = appendText(appendText(text, key), pairs[key])
	}
	return string(text)
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// matching are the label sets that meet a requirement. Each value of its key is looked at once.
func (t *labelTable) matching(requirement *labels.Requirement) bitset {
	found := make(bitset, len(t.all))
	entry := t.keys[requirement.Key()]
	if requirement.Matches(&oneLabel{absent: true}) {
		copy(found, t.all)
		if entry != nil {
			for i := range entry.values {
				found.without(entry.values[i].sets)
			}
		}
	}
	if entry == nil {
		return found
	}
	one := &oneLabel{key: requirement.Key()}
	for i := range entry.values {
		one.value = entry.values[i].value
		if requirement.Matches(one) {
			found.or(entry.values[i].sets)
		}
	}
	return found
}

func (b bitset) without(other bitset) {
	for i := range min(len(b), len(other)) {
		b[i] &^= other[i]
	}
}

// oneLabel is a label set of one pair, or of none when it is absent.
type oneLabel struct {
	key, value string
	absent     bool
}

// Has is part of labels.Labels.
func (l *oneLabel) Has(key string) bool { return key == l.key && !l.absent }

// Get is part of labels.Labels.
func (l *oneLabel) Get(key string) string {
	value, _ := l.Lookup(key)
	return value
}

// Lookup is part of labels.Labels.
func (l *oneLabel) Lookup(key string) (string, bool) {
	if !l.Has(key) {
		return "", false
	}
	return l.value, true
}

// taintTable numbers the taints that keep pods away.
type taintTable struct {
	sets   []taintSet
	free   []int32
	byText map[string]int32
}

type taintSet struct {
	text   string
	taints []corev1.Taint
	users  int32
}

func newTaintTable() taintTable { return taintTable{byText: map[string]int32{}} }

func (t *taintTable) take(taints []corev1.Taint) int32 {
	slices.SortFunc(taints, func(a, b corev1.Taint) int {
		return strings.Compare(a.Key+"\x00"+string(a.Effect)+"\x00"+a.Value, b.Key+"\x00"+string(b.Effect)+"\x00"+b.Value)
	})
	var buffer []byte
	for i := range taints {
		buffer = appendText(appendText(appendText(buffer, taints[i].Key), taints[i].Value), string(taints[i].Effect))
	}
	text := string(buffer)
	if id, ok := t.byText[text]; ok {
		t.sets[id].users++
		return id
	}
	var id int32
	if last := len(t.free) - 1; last >= 0 {
		id, t.free = t.free[last], t.free[:last]
	} else {
		id = int32(len(t.sets))
		t.sets = append(t.sets, taintSet{})
	}
	t.sets[id] = taintSet{text: text, taints: taints, users: 1}
	t.byText[text] = id
	return id
}

func (t *taintTable) drop(id int32) {
	set := &t.sets[id]
	if set.users--; set.users == 0 {
		delete(t.byText, set.text)
		t.sets[id] = taintSet{}
		t.free = append(t.free, id)
	}
}

// effectiveTaints are the taints of a node that keep pods away.
func effectiveTaints(node *corev1.Node) []corev1.Taint {
	var taints []corev1.Taint
	if node.Spec.Unschedulable {
		taints = append(taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	for _, taint := range node.Spec.Taints {
		if keepsAway(&taint) {
			taints = append(taints, corev1.Taint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect})
		}
	}
	return taints
}

func keepsAway(taint *corev1.Taint) bool {
	return taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute
}
