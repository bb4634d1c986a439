package admission

import (
	"reflect"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// counting makes identities "id-1", "id-2", ...
func counting() func() string {
	count := 0
	return func() string {
		count++
		return "id-" + strconv.Itoa(count)
	}
}

func propagationSpec() policyv1alpha1.PropagationSpec {
	return policyv1alpha1.PropagationSpec{
		ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment"}},
	}
}

// bothScopes answers the same spec as a policy of either scope.
func bothScopes(spec policyv1alpha1.PropagationSpec) map[string]runtime.Object {
	return map[string]runtime.Object{
		"namespaced": &policyv1alpha1.PropagationPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns"}, Spec: *spec.DeepCopy(),
		},
		"cluster": &policyv1alpha1.ClusterPropagationPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: *spec.DeepCopy(),
		},
	}
}

func viewOf(object runtime.Object) Propagation {
	if policy, ok := object.(*policyv1alpha1.PropagationPolicy); ok {
		return PropagationOf(policy)
	}
	return ClusterPropagationOf(object.(*policyv1alpha1.ClusterPropagationPolicy))
}

func TestDefaultPropagation(t *testing.T) {
	spec := propagationSpec()
	spec.ResourceSelectors = append(spec.ResourceSelectors,
		policyv1alpha1.ResourceSelector{APIVersion: "multicluster.x-k8s.io/v1alpha1", Kind: "ServiceImport", Name: "s"})
	spec.Placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{}, {SpreadByLabel: "l", MinGroups: 3}}
	spec.Placement.ReplicaScheduling = &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided,
	}
	spec.Failover = &policyv1alpha1.FailoverBehavior{
		Application: &policyv1alpha1.ApplicationFailoverBehavior{PurgeMode: policyv1alpha1.PurgeModeGracefully},
	}
	for scope, object := range bothScopes(spec) {
		view := viewOf(object)
		view.Meta.Labels = map[string]string{view.idLabel: "stolen"}
		options := Options{IDs: counting()}
		if err := Default(object, nil, options); err != nil {
			t.Fatal(err)
		}
		wantFaults(t, scope, Validate(object, nil, options))
		if view.Meta.Labels[view.idLabel] != "id-1" || len(view.Meta.Finalizers) != 1 {
			t.Errorf("%s: labels %v, finalizers %v", scope, view.Meta.Labels, view.Meta.Finalizers)
		}
		if !view.Spec.PropagateDeps {
			t.Errorf("%s: a ServiceImport must bring its dependencies", scope)
		}
		first := view.Spec.Placement.SpreadConstraints[0]
		if first.SpreadByField != policyv1alpha1.SpreadByFieldCluster || first.MinGroups != 1 || first.MaxGroups != 0 {
			t.Errorf("%s: constraint %+v", scope, first)
		}
		if second := view.Spec.Placement.SpreadConstraints[1]; second.SpreadByField != "" || second.MinGroups != 3 {
			t.Errorf("%s: constraint %+v", scope, second)
		}
		if got := view.Spec.Placement.ReplicaScheduling.ReplicaDivisionPreference; got != "Weighted" {
			t.Errorf("%s: preference %q", scope, got)
		}
		if grace := view.Spec.Failover.Application.GracePeriodSeconds; grace == nil || *grace != 600 {
			t.Errorf("%s: grace %v", scope, grace)
		}
		want := map[string]string{"namespaced": "ns", "cluster": ""}[scope]
		if got := view.Spec.ResourceSelectors[0].Namespace; got != want {
			t.Errorf("%s: selector namespace %q, want %q", scope, got, want)
		}
		before := object.DeepCopyObject()
		if err := Default(object, before, options); err != nil || !reflect.DeepEqual(before, object) {
			t.Errorf("%s: an update without change changed the policy (error %v)", scope, err)
		}
	}
}

// TestDefaultGracePeriodIsMarked: what admission fills in can be told from what a user wrote.
func TestDefaultGracePeriodIsMarked(t *testing.T) {
	const filledIn = "600"
	for _, c := range []struct {
		name      string
		purge     policyv1alpha1.PurgeMode
		grace     *int32
		marked    string
		want      string
		wantGrace int32
	}{
		{"filled in", policyv1alpha1.PurgeModeGracefully, nil, "", filledIn, 600},
		{"of the user", policyv1alpha1.PurgeModeGracefully, pointerTo(int32(30)), "", "", 30},
		{"of the user, by chance the same", policyv1alpha1.PurgeModeGracefully, pointerTo(int32(600)), "", "", 600},
		{"filled in before", policyv1alpha1.PurgeModeGracefully, pointerTo(int32(600)), filledIn, filledIn, 600},
		{"changed by the user since", policyv1alpha1.PurgeModeGracefully, pointerTo(int32(601)), filledIn, "", 601},
		{"another mode since", policyv1alpha1.PurgeModeNever, nil, filledIn, "", 0},
	} {
		spec := propagationSpec()
		spec.Failover = &policyv1alpha1.FailoverBehavior{Application: &policyv1alpha1.ApplicationFailoverBehavior{PurgeMode: c.purge, GracePeriodSeconds: c.grace}}
		for scope, object := range bothScopes(spec) {
			view := viewOf(object)
			if c.marked != "" {
				view.Meta.Annotations = map[string]string{names.AnnotationDefaultGracePeriod: c.marked}
			}
			if err := Default(object, nil, Options{IDs: counting()}); err != nil {
				t.Fatal(err)
			}
			grace := int32(0)
			if given := view.Spec.Failover.Application.GracePeriodSeconds; given != nil {
				grace = *given
			}
			if mark := view.Meta.Annotations[names.AnnotationDefaultGracePeriod]; mark != c.want || grace != c.wantGrace {
				t.Errorf("%s (%s): mark %q, %d seconds; want %q, %d", c.name, scope, mark, grace, c.want, c.wantGrace)
			}
		}
	}
}

func TestValidatePropagation(t *testing.T) {
	placement := func(change func(*policyv1alpha1.Placement)) func(*policyv1alpha1.PropagationSpec) {
		return func(spec *policyv1alpha1.PropagationSpec) { change(&spec.Placement) }
	}
	application := func(change func(*policyv1alpha1.ApplicationFailoverBehavior)) func(*policyv1alpha1.PropagationSpec) {
		return func(spec *policyv1alpha1.PropagationSpec) {
			spec.PropagateDeps = true
			spec.Failover = &policyv1alpha1.FailoverBehavior{Application: &policyv1alpha1.ApplicationFailoverBehavior{
				PurgeMode: policyv1alpha1.PurgeModeDirectly,
			}}
			change(spec.Failover.Application)
		}
	}
	field := func(key string, operator corev1.NodeSelectorOperator) *policyv1alpha1.ClusterAffinity {
		return &policyv1alpha1.ClusterAffinity{FieldSelector: &policyv1alpha1.FieldSelector{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: operator, Values: []string{"x"}}},
		}}
	}
	yes := true
	cases := map[string]struct {
		change func(*policyv1alpha1.PropagationSpec)
		want   []string
	}{
		"fine": {func(*policyv1alpha1.PropagationSpec) {}, nil},
		"both affinities": {placement(func(p *policyv1alpha1.Placement) {
			p.ClusterAffinity = &policyv1alpha1.ClusterAffinity{}
			p.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{{AffinityName: "a"}}
		}), []string{"spec.placement.clusterAffinities"}},
		"location":       {placement(func(p *policyv1alpha1.Placement) { p.ClusterAffinity = field("zone", "NotIn") }), nil},
		"unknown field":  {placement(func(p *policyv1alpha1.Placement) { p.ClusterAffinity = field("rack", "In") }), []string{"spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].key"}},
		"field operator": {placement(func(p *policyv1alpha1.Placement) { p.ClusterAffinity = field("zone", "Exists") }), []string{"spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].operator"}},
		"term names": {placement(func(p *policyv1alpha1.Placement) {
			p.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{{AffinityName: "a"}, {AffinityName: "a"}, {AffinityName: "b c"}}
		}), []string{"spec.placement.clusterAffinities[1].affinityName", "spec.placement.clusterAffinities[2].affinityName"}},
		"toleration": {placement(func(p *policyv1alpha1.Placement) {
			p.ClusterTolerations = []corev1.Toleration{{Operator: "Exists"}, {Operator: "Gt"}}
		}), []string{"spec.placement.clusterTolerations[1].operator"}},
		"field and label": {placement(func(p *policyv1alpha1.Placement) {
			p.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: "cluster", SpreadByLabel: "l"}}
		}), []string{"spec.placement.spreadConstraints[0].spreadByLabel"}},
		"negative groups": {placement(func(p *policyv1alpha1.Placement) {
			p.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: "cluster", MinGroups: -1, MaxGroups: -2}}
		}), []string{"spec.placement.spreadConstraints[0].minGroups", "spec.placement.spreadConstraints[0].maxGroups"}},
		"max below min": {placement(func(p *policyv1alpha1.Placement) {
			p.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: "cluster", MinGroups: 3, MaxGroups: 2}}
		}), []string{"spec.placement.spreadConstraints[0].maxGroups"}},
		"field twice": {placement(func(p *policyv1alpha1.Placement) {
			p.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: "cluster"}, {SpreadByField: "cluster"}}
		}), []string{"spec.placement.spreadConstraints[1].spreadByField"}},
		"region alone": {placement(func(p *policyv1alpha1.Placement) {
			p.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: "region"}}
		}), []string{"spec.placement.spreadConstraints"}},
		"label alone": {placement(func(p *policyv1alpha1.Placement) {
			p.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByLabel: "l"}}
		}), nil},
		"together and apart": {placement(func(p *policyv1alpha1.Placement) {
			p.WorkloadAffinity = &policyv1alpha1.WorkloadAffinity{
				Affinity:     &policyv1alpha1.WorkloadAffinityTerm{GroupByLabelKey: "g"},
				AntiAffinity: &policyv1alpha1.WorkloadAntiAffinityTerm{GroupByLabelKey: "g"},
			}
		}), []string{"spec.placement.workloadAffinity.antiAffinity.groupByLabelKey"}},
		"group key": {placement(func(p *policyv1alpha1.Placement) {
			p.WorkloadAffinity = &policyv1alpha1.WorkloadAffinity{Affinity: &policyv1alpha1.WorkloadAffinityTerm{GroupByLabelKey: "!"}}
		}), []string{"spec.placement.workloadAffinity.affinity.groupByLabelKey"}},
		"failover without dependencies": {func(s *policyv1alpha1.PropagationSpec) {
			s.Failover = &policyv1alpha1.FailoverBehavior{Application: &policyv1alpha1.ApplicationFailoverBehavior{PurgeMode: "Never"}}
		}, []string{"spec.failover.application"}},
		"negative toleration": {application(func(a *policyv1alpha1.ApplicationFailoverBehavior) {
			a.DecisionConditions.TolerationSeconds = pointerTo(int32(-1))
		}), []string{"spec.failover.application.decisionConditions.tolerationSeconds"}},
		"grace needed":    {application(func(a *policyv1alpha1.ApplicationFailoverBehavior) { a.PurgeMode = "Gracefully" }), []string{"spec.failover.application.gracePeriodSeconds"}},
		"grace forbidden": {application(func(a *policyv1alpha1.ApplicationFailoverBehavior) { a.GracePeriodSeconds = pointerTo(int32(5)) }), []string{"spec.failover.application.gracePeriodSeconds"}},
		"grace zero": {application(func(a *policyv1alpha1.ApplicationFailoverBehavior) {
			a.PurgeMode, a.GracePeriodSeconds = "Gracefully", pointerTo(int32(0))
		}), []string{"spec.failover.application.gracePeriodSeconds"}},
		"state alias": {application(func(a *policyv1alpha1.ApplicationFailoverBehavior) {
			a.StatePreservation = &policyv1alpha1.StatePreservation{Rules: []policyv1alpha1.StatePreservationRule{{AliasLabelName: "a b"}}}
		}), []string{"spec.failover.application.statePreservation.rules[0].aliasLabelName"}},
		"preemption by kind": {func(s *policyv1alpha1.PropagationSpec) { s.Preemption = policyv1alpha1.PreemptAlways }, []string{"spec.resourceSelectors[0].name"}},
		"suspended twice": {func(s *policyv1alpha1.PropagationSpec) {
			s.Suspension = &policyv1alpha1.Suspension{Dispatching: &yes,
				DispatchingOnClusters: &policyv1alpha1.SuspendClusters{ClusterNames: []string{"a"}}}
		}, []string{"spec.suspension.dispatchingOnClusters"}},
	}
	for name, c := range cases {
		spec := propagationSpec()
		c.change(&spec)
		for scope, object := range bothScopes(spec) {
			viewOf(object).Default(true, counting())
			// Defaults must not repair what the case breaks.
			c.change(viewOf(object).Spec)
			wantFaults(t, name+", "+scope, Validate(object, nil, Options{}), c.want...)
		}
	}
}

func TestValidateOverflow(t *testing.T) {
	overflow := []policyv1alpha1.OverflowClusterAffinity{{AffinityName: "cloud"}}
	narrow := policyv1alpha1.ClusterAffinity{ClusterNames: []string{"a"}}
	scheduling := func(preference policyv1alpha1.ReplicaDivisionPreference, dynamic policyv1alpha1.DynamicWeightFactor) *policyv1alpha1.ReplicaSchedulingStrategy {
		return &policyv1alpha1.ReplicaSchedulingStrategy{
			ReplicaSchedulingType: "Divided", ReplicaDivisionPreference: preference,
			WeightPreference: &policyv1alpha1.ClusterPreferences{DynamicWeight: dynamic},
		}
	}
	const at = "spec.placement.clusterAffinities[0].overflowAffinities"
	for name, c := range map[string]struct {
		term       policyv1alpha1.ClusterAffinityTerm
		scheduling *policyv1alpha1.ReplicaSchedulingStrategy
		want       []string
	}{
		"aggregated": {policyv1alpha1.ClusterAffinityTerm{AffinityName: "a", ClusterAffinity: narrow, OverflowAffinities: overflow}, scheduling("Aggregated", ""), nil},
		"dynamic":    {policyv1alpha1.ClusterAffinityTerm{AffinityName: "a", ClusterAffinity: narrow, OverflowAffinities: overflow}, scheduling("Weighted", "AvailableReplicas"), nil},
		"static":     {policyv1alpha1.ClusterAffinityTerm{AffinityName: "a", ClusterAffinity: narrow, OverflowAffinities: overflow}, scheduling("Weighted", ""), []string{at}},
		"duplicated": {policyv1alpha1.ClusterAffinityTerm{AffinityName: "a", ClusterAffinity: narrow, OverflowAffinities: overflow}, nil, []string{at}},
		"everything": {policyv1alpha1.ClusterAffinityTerm{AffinityName: "a", OverflowAffinities: overflow}, scheduling("Aggregated", ""), []string{at}},
		"own name":   {policyv1alpha1.ClusterAffinityTerm{AffinityName: "cloud", ClusterAffinity: narrow, OverflowAffinities: overflow}, scheduling("Aggregated", ""), []string{at + "[0].affinityName"}},
	} {
		spec := propagationSpec()
		spec.Placement.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{c.term}
		spec.Placement.ReplicaScheduling = c.scheduling
		for scope, object := range bothScopes(spec) {
			viewOf(object).Default(true, counting())
			wantFaults(t, name+", "+scope, viewOf(object).Validate(), c.want...)
		}
	}
}

func TestPropagationIdentityIsImmutable(t *testing.T) {
	for scope, old := range bothScopes(propagationSpec()) {
		viewOf(old).Default(true, counting())
		changed := old.DeepCopyObject()
		view := viewOf(changed)
		view.Spec.SchedulerName = "other"
		view.Meta.Labels[view.idLabel] = "other"
		wantFaults(t, scope, Validate(changed, old, Options{}),
			"spec.schedulerName", "metadata.labels["+view.idLabel+"]")
		delete(view.Meta.Labels, view.idLabel)
		view.Spec.SchedulerName = ""
		wantFaults(t, scope+" without identity", view.ValidateUpdate(viewOf(old)),
			"metadata.labels["+view.idLabel+"]", "metadata.labels["+view.idLabel+"]")
	}
}

func TestNamespacedPolicyStaysInItsNamespace(t *testing.T) {
	policy := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns"}, Spec: propagationSpec()}
	policy.Spec.ResourceSelectors[0].Namespace = "other"
	PropagationOf(policy).Default(true, counting())
	wantFaults(t, "propagation", PropagationOf(policy).Validate(), "spec.resourceSelectors[0].namespace")
	override := &policyv1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns"}}
	override.Spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{Kind: "A"}, {Kind: "B", Namespace: "other"}}
	OverrideOf(override).Default()
	wantFaults(t, "override", Validate(override, nil, Options{}), "spec.resourceSelectors[1].namespace")
}

func TestValidateOverride(t *testing.T) {
	value := apiextensionsv1.JSON{Raw: []byte(`1`)}
	overriders := func(change func(*policyv1alpha1.Overriders)) func(*policyv1alpha1.OverrideSpec) {
		return func(spec *policyv1alpha1.OverrideSpec) { change(&spec.OverrideRules[0].Overriders) }
	}
	const at = "spec.overrideRules[0].overriders."
	for name, c := range map[string]struct {
		change func(*policyv1alpha1.OverrideSpec)
		want   []string
	}{
		"fine":          {func(*policyv1alpha1.OverrideSpec) {}, nil},
		"legacy target": {func(s *policyv1alpha1.OverrideSpec) { s.TargetCluster = &policyv1alpha1.ClusterAffinity{} }, []string{"spec.overrideRules"}},
		"legacy overriders": {func(s *policyv1alpha1.OverrideSpec) {
			s.Overriders.Plaintext = []policyv1alpha1.PlaintextOverrider{{Path: "/a"}}
		}, []string{"spec.overrideRules"}},
		"legacy field overrider": {func(s *policyv1alpha1.OverrideSpec) {
			s.Overriders.FieldOverrider = []policyv1alpha1.FieldOverrider{{}}
		}, nil},
		"label": {overriders(func(o *policyv1alpha1.Overriders) {
			o.LabelsOverrider = []policyv1alpha1.LabelAnnotationOverrider{{Value: map[string]string{"a": "b c"}}}
		}), []string{at + "labelsOverrider[0].value"}},
		"annotation": {overriders(func(o *policyv1alpha1.Overriders) {
			o.AnnotationsOverrider = []policyv1alpha1.LabelAnnotationOverrider{{Value: map[string]string{"a b": ""}}}
		}), []string{at + "annotationsOverrider[0].value"}},
		"image path": {overriders(func(o *policyv1alpha1.Overriders) {
			o.ImageOverrider = []policyv1alpha1.ImageOverrider{{Predicate: &policyv1alpha1.ImagePredicate{Path: "a/b"}}}
		}), []string{at + "imageOverrider[0].predicate.path"}},
		"field without operations": {overriders(func(o *policyv1alpha1.Overriders) {
			o.FieldOverrider = []policyv1alpha1.FieldOverrider{{FieldPath: "a"}}
		}), []string{at + "fieldOverrider[0].fieldPath", at + "fieldOverrider[0]"}},
		"field with both": {overriders(func(o *policyv1alpha1.Overriders) {
			o.FieldOverrider = []policyv1alpha1.FieldOverrider{{FieldPath: "/a",
				JSON: []policyv1alpha1.JSONPatchOperation{{SubPath: "/a", Operator: "add", Value: value}},
				YAML: []policyv1alpha1.YAMLPatchOperation{{SubPath: "/a", Operator: "remove"}}}}
		}), []string{at + "fieldOverrider[0]"}},
		"values": {overriders(func(o *policyv1alpha1.Overriders) {
			o.FieldOverrider = []policyv1alpha1.FieldOverrider{{FieldPath: "/a", JSON: []policyv1alpha1.JSONPatchOperation{
				{SubPath: "/a", Operator: "replace"}, {SubPath: "b", Operator: "remove", Value: value},
			}}}
		}), []string{at + "fieldOverrider[0].json[0].value", at + "fieldOverrider[0].json[1].subPath", at + "fieldOverrider[0].json[1].value"}},
	} {
		spec := policyv1alpha1.OverrideSpec{OverrideRules: make([]policyv1alpha1.RuleWithCluster, 1)}
		c.change(&spec)
		wantFaults(t, name, Validate(&policyv1alpha1.OverridePolicy{Spec: spec}, nil, Options{}), c.want...)
		wantFaults(t, name, Validate(&policyv1alpha1.ClusterOverridePolicy{Spec: spec}, nil, Options{}), c.want...)
	}
}

func TestPolicyFinalizerIsAddedOnce(t *testing.T) {
	policy := &policyv1alpha1.ClusterPropagationPolicy{Spec: propagationSpec()}
	policy.Finalizers = []string{names.FinalizerClusterPropagationPolicy}
	ClusterPropagationOf(policy).Default(true, counting())
	if len(policy.Finalizers) != 1 {
		t.Errorf("finalizers %v", policy.Finalizers)
	}
}
