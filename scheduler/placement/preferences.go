package placement

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Preferences are wishes of one workload beyond its placement. The zero value has none.
type Preferences struct {
	// EverySpread makes every spread constraint count, as Options.Spread = SpreadEvery does for all workloads.
	EverySpread bool
	// Spread are further constraints. Each replaces the constraint of the placement on the same field or label; with any of
	// them every constraint counts.
	Spread []SpreadPreference
	// StaticWeightsWithinCapacity is Options.StaticWeightsWithinCapacity for this workload.
	StaticWeightsWithinCapacity bool
	// Cheap turns the plugin ClusterPrice on for this workload.
	Cheap bool
}

// SpreadPreference is a spread constraint that may give way.
type SpreadPreference struct {
	policyv1alpha1.SpreadConstraint `json:",inline"`
	// WhenUnsatisfiable is DoNotSchedule when empty.
	WhenUnsatisfiable WhenUnsatisfiable `json:"whenUnsatisfiable,omitempty"`
}

// WhenUnsatisfiable says what happens to a workload whose spread constraint no choice of clusters meets.
type WhenUnsatisfiable string

const (
	// DoNotSchedule keeps the constraint at the price of the decision.
	DoNotSchedule WhenUnsatisfiable = "DoNotSchedule"
	// ScheduleAnyway asks for fewer and fewer groups, then for none.
	ScheduleAnyway WhenUnsatisfiable = "ScheduleAnyway"
)

// ParsePreferences reads the preferences from the annotations of a policy or binding. All errors are joined; each names its
// annotation and what to write instead.
func ParsePreferences(annotations map[string]string) (Preferences, error) {
	var p Preferences
	var faults []error
	flag := func(key, value string, into *bool) {
		switch given := annotations[key]; given {
		case value:
			*into = true
		case "":
		default:
			faults = append(faults, fmt.Errorf("annotation %s is %q: write %q or remove it", key, given, value))
		}
	}
	flag(names.AnnotationSpread, names.SpreadEvery, &p.EverySpread)
	flag(names.AnnotationStaticWeights, names.StaticWeightsWithinCapacity, &p.StaticWeightsWithinCapacity)
	flag(names.AnnotationPrefer, names.PreferCheap, &p.Cheap)
	if text := annotations[names.AnnotationSpreadConstraints]; text != "" {
		spread, err := parseSpread(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("annotation %s: %w", names.AnnotationSpreadConstraints, err))
		}
		p.Spread = spread
	}
	if len(faults) > 0 {
		return Preferences{}, errors.Join(faults...)
	}
	return p, nil
}

func parseSpread(text string) ([]SpreadPreference, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	var spread []SpreadPreference
	if err := decoder.Decode(&spread); err != nil {
		return nil, fmt.Errorf(`%w: write a JSON list such as [{"spreadByField":"zone","minGroups":2,"whenUnsatisfiable":"ScheduleAnyway"}]`, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text follows the list: remove it")
	}
	seen := map[constraint]bool{}
	for i := range spread {
		if err := spread[i].validate(); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		key := constraint{field: spread[i].SpreadByField, label: spread[i].SpreadByLabel}
		if seen[key] {
			return nil, fmt.Errorf("entry %d: a second constraint on %s: join the two", i, key.name())
		}
		seen[key] = true
	}
	return spread, nil
}

func (s *SpreadPreference) validate() error {
	switch {
	case (s.SpreadByField == "") == (s.SpreadByLabel == ""):
		return errors.New("give one of spreadByField and spreadByLabel")
	case s.MinGroups < 0 || s.MinGroups > math.MaxInt32:
		return fmt.Errorf("minGroups is %d: give a number of groups, 0 for no minimum", s.MinGroups)
	case s.MaxGroups < 0 || s.MaxGroups > math.MaxInt32:
		return fmt.Errorf("maxGroups is %d: give a number of groups, 0 for no maximum", s.MaxGroups)
	case s.MaxGroups > 0 && s.MaxGroups < s.MinGroups:
		return fmt.Errorf("maxGroups %d is below minGroups %d: raise it or remove it", s.MaxGroups, s.MinGroups)
	}
	switch s.SpreadByField {
	case "", policyv1alpha1.SpreadByFieldCluster, policyv1alpha1.SpreadByFieldRegion, policyv1alpha1.SpreadByFieldZone,
		policyv1alpha1.SpreadByFieldProvider:
	default:
		return fmt.Errorf("spreadByField is %q: write cluster, region, zone or provider, or use spreadByLabel", s.SpreadByField)
	}
	switch s.WhenUnsatisfiable {
	case "", DoNotSchedule, ScheduleAnyway:
		return nil
	}
	return fmt.Errorf("whenUnsatisfiable is %q: write %s or %s", s.WhenUnsatisfiable, DoNotSchedule, ScheduleAnyway)
}
