package native

import (
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/rawjson"
)

// counters are the numbers in the status of a workload controller. The sum of the members' numbers is the status of the
// template, and its generation counts as observed once every member observed it.
type counters struct {
	// always are written even when zero, since their JSON form has no omitempty; others vanish at zero.
	always, nonZero []string
	// hideObserved leaves the member's observedGeneration out of the reported status.
	hideObserved bool
	// exactTemplate counts only members at the very generation of the template, not those already past it.
	exactTemplate bool
}

// What a reported status tells of generations: that of the template it was made of, its own, and the one its controller has seen.
const (
	templateGeneration = "resourceTemplateGeneration"
	ownGeneration      = "generation"
	observedGeneration = "observedGeneration"
)

var generations = []string{templateGeneration, ownGeneration, observedGeneration}

// reflect reports the counters of a member object with the two generations that aggregate needs.
func (c counters) reflect(object *unstructured.Unstructured) (map[string]any, error) {
	status, err := statusOf(object)
	if status == nil || err != nil {
		return nil, err
	}
	text := object.GetAnnotations()[names.AnnotationTemplateGeneration]
	template, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("annotation %s: %w", names.AnnotationTemplateGeneration, err)
	}
	reported := map[string]any{templateGeneration: template}
	numbers := map[string]int64{ownGeneration: object.GetGeneration()}
	if !c.hideObserved {
		if numbers[observedGeneration], err = counter(status, observedGeneration); err != nil {
			return nil, err
		}
	}
	for _, name := range c.all() {
		if numbers[name], err = counter(status, name); err != nil {
			return nil, err
		}
	}
	c.write(reported, numbers)
	return reported, nil
}

// aggregate sums the counters of the members. Fields of the status that are no counters stay.
func (c counters) aggregate(in aggregation) (map[string]any, error) {
	old, err := statusOf(in.object)
	if err != nil {
		return nil, err
	}
	sums, current, err := c.sum(in)
	if err != nil {
		return nil, err
	}
	if sums[observedGeneration], err = counter(old, observedGeneration); err != nil {
		return nil, err
	}
	changed := false
	if current == len(in.items) {
		changed = sums[observedGeneration] != in.object.GetGeneration()
		sums[observedGeneration] = in.object.GetGeneration()
	}
	for _, name := range c.all() {
		before, err := counter(old, name)
		if err != nil {
			return nil, err
		}
		changed = changed || before != sums[name]
	}
	if !changed {
		return nil, nil
	}
	status := map[string]any{}
	for name, value := range old {
		status[name] = value
	}
	c.write(status, sums)
	return status, nil
}

// sum adds up the members' counters and counts the members that observed the current template.
func (c counters) sum(in aggregation) (sums map[string]int64, current int, err error) {
	names := c.all()
	sums = make(map[string]int64, len(names)+1)
	wanted := slices.Concat(names, generations)
	numbers := make(map[string]int64, len(wanted))
	for _, item := range in.items {
		if item.Status == nil {
			continue
		}
		clear(numbers)
		if err := readNumbers(item.Status.Raw, wanted, numbers); err != nil {
			return nil, 0, fmt.Errorf("status from cluster %s: %w", item.ClusterName, err)
		}
		for _, name := range names {
			sums[name] += numbers[name]
		}
		if c.observedTemplate(numbers, in.object.GetGeneration()) {
			current++
		}
	}
	return sums, current, nil
}

// readNumbers takes numbers by their names out of a status, which has nothing else as a rule.
func readNumbers(raw []byte, wanted []string, into map[string]int64) error {
	if rawjson.Integers(raw, func(name []byte, value int64) {
		for _, known := range wanted {
			if string(name) == known {
				into[known] = value
				return
			}
		}
	}) {
		return nil
	}
	clear(into)
	var status map[string]any
	if err := json.Unmarshal(raw, &status); err != nil {
		return err
	}
	for _, name := range wanted {
		value, err := counter(status, name)
		if err != nil {
			return err
		}
		into[name] = value
	}
	return nil
}

// observedTemplate tells whether a member's controller caught up with the member object, and that with the template as far as
// the aggregation knows it.
func (c counters) observedTemplate(numbers map[string]int64, generation int64) bool {
	template := numbers[templateGeneration]
	if c.exactTemplate && template > generation {
		return false
	}
	return numbers[ownGeneration] == numbers[observedGeneration] && template >= generation
}

func (c counters) all() []string {
	return append(append(make([]string, 0, len(c.always)+len(c.nonZero)), c.always...), c.nonZero...)
}

// write puts numbers into a status; those without a duty to appear vanish at zero.
func (c counters) write(status map[string]any, numbers map[string]int64) {
	for _, name := range append([]string{ownGeneration, observedGeneration}, c.nonZero...) {
		delete(status, name)
		if value := numbers[name]; value != 0 {
			status[name] = value
		}
	}
	for _, name := range c.always {
		status[name] = numbers[name]
	}
}

// counter reads an integer, zero when absent.
func counter(status map[string]any, name string) (int64, error) {
	switch value := status[name].(type) {
	case nil:
		return 0, nil
	case int64:
		return value, nil
	default:
		return 0, fmt.Errorf("%s is %v, want an integer", name, value)
	}
}

// statusOf is the status of an object, nil without any.
func statusOf(object *unstructured.Unstructured) (map[string]any, error) {
	switch status := object.Object["status"].(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return status, nil
	default:
		return nil, fmt.Errorf("status is a %T, want an object", status)
	}
}
