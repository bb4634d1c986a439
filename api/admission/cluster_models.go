package admission

import (
	"fmt"
	"math"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// validateResourceModels checks that the grades, in their order, cut the same resources into ranges that leave no gap from
// zero to the open end.
func validateResourceModels(models []clusterv1alpha1.ResourceModel, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	grades := sets.New[uint]()
	for i, model := range models {
		at := path.Index(i)
		if grades.Has(model.Grade) {
			faults = append(faults, field.Duplicate(at.Child("grade"), model.Grade))
		}
		grades.Insert(model.Grade)
		if len(model.Ranges) != len(models[0].Ranges) {
			fault := fmt.Sprintf("must cover the %d resources of the first grade", len(models[0].Ranges))
			faults = append(faults, field.Invalid(at.Child("ranges"), len(model.Ranges), fault))
			continue
		}
		faults = append(faults, validateRanges(models, i, at.Child("ranges"))...)
	}
	return faults
}

func validateRanges(models []clusterv1alpha1.ResourceModel, grade int, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	names := sets.New[string]()
	for i, span := range models[grade].Ranges {
		at := path.Index(i)
		if names.Has(string(span.Name)) {
			faults = append(faults, field.Duplicate(at.Child("name"), span.Name))
		}
		names.Insert(string(span.Name))
		if want := models[0].Ranges[i].Name; span.Name != want {
			faults = append(faults, field.Invalid(at.Child("name"), span.Name, fmt.Sprintf("must be %q as in the first grade", want)))
		}
		if span.Max.Cmp(span.Min) <= 0 {
			faults = append(faults, field.Invalid(at.Child("max"), span.Max.String(), "must be greater than min"))
		}
		if grade == 0 && !span.Min.IsZero() {
			faults = append(faults, field.Invalid(at.Child("min"), span.Min.String(), "must be 0 in the first grade"))
		}
		if grade == len(models)-1 && span.Max.CmpInt64(math.MaxInt64) != 0 {
			fault := fmt.Sprintf("must be %d in the last grade", int64(math.MaxInt64))
			faults = append(faults, field.Invalid(at.Child("max"), span.Max.String(), fault))
		}
		if grade > 0 && len(models[grade-1].Ranges) > i && span.Min.Cmp(models[grade-1].Ranges[i].Max) != 0 {
			faults = append(faults, field.Invalid(at.Child("min"), span.Min.String(), "must be the max of the grade before"))
		}
	}
	return faults
}
