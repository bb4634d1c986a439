package scheduler

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// appliedBy is what a decision followed from, as annotations to be kept beside it; nil takes one away.
func appliedBy(bound binding.Binding, decision *placement.Decision) map[string]any {
	applied := map[string]any{names.AnnotationAppliedPlacement: appliedPlacement(bound)}
	if preferences := appliedPreferences(bound, decision.PriceList()); preferences != "" {
		applied[names.AnnotationAppliedPreferences] = preferences
	} else if _, kept := bound.GetAnnotations()[names.AnnotationAppliedPreferences]; kept {
		applied[names.AnnotationAppliedPreferences] = nil
	}
	return applied
}

// keeps reports whether a binding has the annotations already.
func keeps(bound binding.Binding, applied map[string]any) bool {
	for key, value := range applied {
		if current, kept := bound.GetAnnotations()[key]; kept != (value != nil) || kept && current != value {
			return false
		}
	}
	return true
}

// appliedPreferences are the preferences of a binding in the form that is kept beside the decision they led to; empty for
// none. For a binding that prefers cheap clusters the prices of the fleet are part of them.
func appliedPreferences(bound binding.Binding, prices uint64) string {
	wishes := wishesOf(bound)
	if len(wishes) == 0 {
		return ""
	}
	if wishes[names.AnnotationPrefer] == names.PreferCheap {
		wishes[names.ClusterPrice] = strconv.FormatUint(prices, 16)
	}
	encoded, err := json.Marshal(wishes)
	if err != nil {
		panic(fmt.Sprintf("encoding the preferences of binding %s: %v", bound.NamespacedName(), err))
	}
	return string(encoded)
}

// fingerprint is the same text for bindings of equal placements and preferences.
func fingerprint(bound binding.Binding) string {
	return appliedPlacement(bound) + appliedPreferences(bound, 0)
}

// wishesOf are the annotations by which a binding asks for more than its placement says.
func wishesOf(bound binding.Binding) map[string]string {
	var wishes map[string]string
	for _, key := range names.PlacementAnnotations() {
		if value := bound.GetAnnotations()[key]; value != "" {
			if wishes == nil {
				wishes = map[string]string{}
			}
			wishes[key] = value
		}
	}
	return wishes
}
