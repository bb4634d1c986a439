package propagate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/internal/byhand"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/policy"
)

// kinds is an interpreter that describes ConfigMaps as workloads.
type kinds struct {
	interpreter.Interpreter
	operations []configv1alpha1.InterpreterOperation
	replicas   int32
	components []workv1alpha2.Component
	failure    error
}

func (k *kinds) Supports(_ schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	for _, known := range k.operations {
		if known == operation {
			return true
		}
	}
	return false
}

func (k *kinds) Replicas(context.Context, *unstructured.Unstructured) (int32, *workv1alpha2.ReplicaRequirements, error) {
	return k.replicas, nil, k.failure
}

func (k *kinds) Components(context.Context, *unstructured.Unstructured) ([]workv1alpha2.Component, error) {
	return k.components, k.failure
}

// settings is a ConfigMap with a policy of the same name that selects it, and the binding that they shall have.
func settings(plane *byhand.Plane) (*corev1.ConfigMap, *policyv1alpha1.PropagationPolicy, *workv1alpha2.ResourceBinding) {
	template := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "settings"}, Data: map[string]string{"mode": "calm"}}
	claimer := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "settings"}}
	claimer.Spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", Name: "settings"}}
	plane.Create(template, claimer)
	return template, claimer, &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "settings-configmap"}}
}

var settingsKey = control.Key{GVK: corev1.SchemeGroupVersion.WithKind("ConfigMap"), Namespace: "default", Name: "settings"}

// TestComponentsDescribeWorkloads: with the feature, a workload that has components is described by these alone; without it, by
// its replicas.
func TestComponentsDescribeWorkloads(t *testing.T) {
	both := []configv1alpha1.InterpreterOperation{configv1alpha1.InterpreterOperationInterpretReplica, configv1alpha1.InterpreterOperationInterpretComponent}
	for _, c := range []struct {
		name                   string
		enabled                bool
		operations             []configv1alpha1.InterpreterOperation
		wantReplicas           int32
		wantComponents, events int
	}{
		{"enabled", true, both, 0, 2, 0},
		{"disabled", false, both, 3, 0, 0},
		{"no components", true, both[:1], 3, 0, 0},
		{"neither", true, nil, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			plane := byhand.New(t, New(Options{Components: c.enabled}))
			plane.Interpreter = &kinds{
				operations: c.operations, replicas: 3, components: []workv1alpha2.Component{{Name: "head", Replicas: 1}, {Name: "hands", Replicas: 4}},
			}
			_, _, bound := settings(plane)
			plane.Turn(settingsKey)
			plane.Read(bound)
			if bound.Spec.Replicas != c.wantReplicas || len(bound.Spec.Components) != c.wantComponents {
				t.Errorf("%d replicas and components %v, want %d and %d", bound.Spec.Replicas, bound.Spec.Components, c.wantReplicas, c.wantComponents)
			}
			if c.wantComponents == 0 {
				return
			}
			// What is described by replicas from now on has no components left.
			plane.Interpreter.(*kinds).operations = both[:1]
			plane.Turn(settingsKey)
			plane.Read(bound)
			if bound.Spec.Replicas != 3 || len(bound.Spec.Components) > 0 {
				t.Errorf("%d replicas and components %v", bound.Spec.Replicas, bound.Spec.Components)
			}
		})
	}
}

// TestUnreadableTemplateIsTold: the event says so, a binding that is there keeps what it says and tells of it, and nothing is
// left of that when the template can be read again.
func TestUnreadableTemplateIsTold(t *testing.T) {
	for operation, reason := range map[configv1alpha1.InterpreterOperation]string{
		configv1alpha1.InterpreterOperationInterpretReplica:   names.EventGetReplicasFailed,
		configv1alpha1.InterpreterOperationInterpretComponent: names.EventGetComponentsFailed,
	} {
		t.Run(string(operation), func(t *testing.T) {
			plane := byhand.New(t, New(Options{Components: true}))
			stub := &kinds{operations: []configv1alpha1.InterpreterOperation{operation}, replicas: 3, components: []workv1alpha2.Component{{Name: "head", Replicas: 1}}}
			plane.Interpreter = stub
			_, _, bound := settings(plane)
			stub.failure = errors.New("the webhook hangs")
			if _, err := plane.Try(settingsKey); err == nil {
				t.Fatal("no error, want another turn")
			}
			if err := plane.Store.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: bound.Name}, bound); err == nil {
				t.Error("a binding was made of a template that could not be read")
			}
			if !plane.Told.Has(reason, "the webhook hangs") || !plane.Told.Has(names.EventApplyPolicyFailed, "the webhook hangs") {
				t.Errorf("events:\n%s", plane.Told)
			}
			stub.failure = nil
			plane.Turn(settingsKey)
			plane.Read(bound)
			before := bound.DeepCopy()
			stub.failure = errors.New("the webhook hangs")
			for range 2 {
				if _, err := plane.Try(settingsKey); err == nil {
					t.Fatal("no error, want another turn")
				}
			}
			plane.Read(bound)
			told := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionUpToDate)
			if told == nil || told.Status != metav1.ConditionFalse || !strings.Contains(told.Message, "the webhook hangs") || bound.Generation != before.Generation {
				t.Errorf("condition %v at generation %d, before %d", told, bound.Generation, before.Generation)
			}
			stub.failure = nil
			plane.Turn(settingsKey)
			plane.Read(bound)
			if told := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionUpToDate); told != nil {
				t.Errorf("condition %v is left", told)
			}
		})
	}
}

// TestRefusedByQuotaIsTold: a template asks more than a quota allows; its binding stays as it was and says so by the reason that the
// renderer heeds, until the template asks less.
func TestRefusedByQuotaIsTold(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	stub := &kinds{operations: []configv1alpha1.InterpreterOperation{configv1alpha1.InterpreterOperationInterpretReplica}, replicas: 3}
	plane.Interpreter = stub
	_, _, bound := settings(plane)
	plane.Turn(settingsKey)
	plane.Read(bound)
	before := bound.DeepCopy()
	stub.replicas = 9
	plane.Client = interceptor.NewClient(plane.Store, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			return &apierrors.StatusError{ErrStatus: metav1.Status{Code: 403, Reason: names.ReasonQuotaExceeded, Message: "the quota allows 5"}}
		},
	})
	if _, err := plane.Try(settingsKey); err == nil {
		t.Fatal("no error, want another turn")
	}
	plane.Read(bound)
	told := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionUpToDate)
	if told == nil || told.Status != metav1.ConditionFalse || told.Reason != names.ReasonQuotaExceeded || !strings.Contains(told.Message, "the quota allows 5") ||
		bound.Generation != before.Generation {
		t.Errorf("condition %v at generation %d, before %d", told, bound.Generation, before.Generation)
	}
	stub.replicas = 3
	plane.Turn(settingsKey)
	plane.Read(bound)
	if told := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionUpToDate); told != nil {
		t.Errorf("condition %v is left", told)
	}
}

// TestNothingIsWrittenTwice: a turn that finds all as it should be writes nothing.
func TestNothingIsWrittenTwice(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	template, _, bound := settings(plane)
	plane.Turn(settingsKey)
	plane.Read(template)
	plane.Read(bound)
	versions := template.ResourceVersion + " " + bound.ResourceVersion
	plane.Turn(settingsKey)
	plane.Read(template)
	plane.Read(bound)
	if now := template.ResourceVersion + " " + bound.ResourceVersion; now != versions {
		t.Errorf("versions %s, before %s", now, versions)
	}
}

// TestStatusMakesNoNewBinding: only what users say in a template, and the claim that goes along with it, makes its binding anew.
func TestStatusMakesNoNewBinding(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	_, claimer, bound := settings(plane)
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	claimer.Spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "Service"}}
	plane.Must(plane.Store.Update(t.Context(), claimer))
	plane.Create(service)
	key := control.Key{GVK: corev1.SchemeGroupVersion.WithKind("Service"), Namespace: "default", Name: "web"}
	bound.Name = "web-service"
	generation := int64(0)
	step := func(what string, anew bool) {
		t.Helper()
		plane.Turn(key)
		plane.Read(bound)
		plane.Read(service)
		if (bound.Generation != generation) != anew {
			t.Errorf("%s: generation %d after %d, want a new one: %t", what, bound.Generation, generation, anew)
		}
		generation = bound.Generation
	}
	step("a new template", true)
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
	plane.Must(plane.Store.Status().Update(t.Context(), service))
	step("its status", false)
	service.Labels["own"] = "1"
	plane.Must(plane.Store.Update(t.Context(), service))
	step("a label", true)
	plane.Read(service)
	if bound.Spec.Resource.ResourceVersion != service.ResourceVersion {
		t.Errorf("made from version %s, want %s", bound.Spec.Resource.ResourceVersion, service.ResourceVersion)
	}
	other := claimer.DeepCopy()
	other.ObjectMeta = metav1.ObjectMeta{Namespace: "default", Name: "another"}
	plane.Create(other)
	plane.Must(plane.Store.Delete(t.Context(), claimer))
	step("another policy", true)
}

// TestPreemptionIsTold: the event names both policies.
func TestPreemptionIsTold(t *testing.T) {
	plane := byhand.New(t, New(Options{Preemption: true}))
	_, _, bound := settings(plane)
	plane.Turn(settingsKey)
	strong := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "strong"}}
	strong.Spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", Name: "settings"}}
	strong.Spec.Priority, strong.Spec.Preemption = ptr.To[int32](1), policyv1alpha1.PreemptAlways
	plane.Create(strong)
	plane.Turn(settingsKey)
	plane.Read(bound)
	if claim, _ := policy.ClaimOf(bound); claim.Policy.Name != "strong" || !plane.Told.Has(names.EventPreemptPolicySucceed, "PropagationPolicy default/strong took it over from policy default/settings") {
		t.Errorf("claim of %s; events:\n%s", claim.Policy, plane.Told)
	}
}

// TestActivation is the table of what a lazy policy does with a template.
func TestActivation(t *testing.T) {
	made := func(created int64, annotations map[string]string) *unstructured.Unstructured {
		object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": "1"}}}
		object.SetNamespace("default")
		object.SetName("x")
		object.SetCreationTimestamp(metav1.NewTime(time.Unix(created, 0)))
		object.SetAnnotations(annotations)
		return object
	}
	claimer := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p", CreationTimestamp: metav1.NewTime(time.Unix(100, 0))}}
	claimer.Labels = map[string]string{names.LabelPropagationPolicyID: "id"}
	view, _ := policy.Of(claimer)
	claimed := made(1, nil)
	policy.SetClaim(claimed, view.Claim())
	now := fingerprint(made(1, nil))
	if fingerprint(claimed) != now || fingerprint(made(1, map[string]string{names.AnnotationTemplateFingerprint: "x"})) != now {
		t.Fatal("the marks of the control plane count as changes")
	}
	if fingerprint(made(1, map[string]string{"own": "1"})) == now {
		t.Fatal("an annotation of a user does not count as a change")
	}
	bound := func(seen string) binding.Binding {
		made := binding.New("default", "x-configmap")
		setAnnotation(made.Object, names.AnnotationTemplateFingerprint, seen)
		made.Spec.Resource.ResourceVersion = "1"
		return made
	}
	for _, c := range []struct {
		name     string
		template *unstructured.Unstructured
		current  binding.Binding
		eager    bool
		waits    bool
	}{
		{name: "no lazy policy", template: made(1, nil), eager: true},
		{name: "a template from before the policy", template: made(1, nil), waits: true},
		{name: "a template of the same second", template: made(100, nil)},
		{name: "a template from after the policy", template: made(101, nil)},
		{name: "unchanged since it was claimed", template: made(1, map[string]string{names.AnnotationTemplateFingerprint: now}), waits: true},
		{name: "changed since it was claimed", template: made(1, map[string]string{names.AnnotationTemplateFingerprint: "before"})},
		{name: "a lost binding", template: claimed},
		{name: "a binding from before the policy was lazy", template: claimed, current: bound(""), waits: true},
		{name: "a binding of the template as it is", template: claimed, current: bound(now), waits: true},
		{name: "a binding of the template as it was", template: claimed, current: bound("before")},
	} {
		claimer.Spec.ActivationPreference = policyv1alpha1.LazyActivation
		if c.eager {
			claimer.Spec.ActivationPreference = ""
		}
		got := activationOf(c.template, view, c.current)
		if got.waits != c.waits || got.fingerprint != now {
			t.Errorf("%s: %+v, want it to wait: %t", c.name, got, c.waits)
		}
	}
}

// TestChangedBackIsAChange: of a ConfigMap that says again what its binding was made from, nobody can tell what it said meanwhile, and
// that may have been rendered.
func TestChangedBackIsAChange(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	_, claimer, bound := settings(plane)
	claimer.Spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap"}}
	plane.Must(plane.Store.Update(t.Context(), claimer))
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Data: map[string]string{"version": "1"}}
	plane.Create(config)
	key := control.Key{GVK: corev1.SchemeGroupVersion.WithKind("ConfigMap"), Namespace: "default", Name: "web"}
	plane.Turn(key)
	bound.Name = "web-configmap"
	plane.Read(bound)
	before := bound.Generation
	plane.Read(config)
	for _, version := range []string{"2", "1"} {
		config.Data["version"] = version
		plane.Must(plane.Store.Update(t.Context(), config))
	}
	plane.Turn(key)
	plane.Read(bound)
	if bound.Generation == before || bound.Spec.Resource.ResourceVersion != config.ResourceVersion {
		t.Errorf("generation %d after %d, made from version %s of %s", bound.Generation, before, bound.Spec.Resource.ResourceVersion, config.ResourceVersion)
	}
	before = bound.Generation
	plane.Turn(key)
	if plane.Read(bound); bound.Generation != before {
		t.Errorf("made anew without a change: generation %d after %d", bound.Generation, before)
	}
}

// TestFormerKindsAreLetGo: a policy that does not select a kind any more finds what it claims of it, though there is no binding to lead there
// and nobody has seen the change.
func TestFormerKindsAreLetGo(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	plane.Interpreter = &kinds{}
	template, claimer, bound := settings(plane)
	key := control.Key{GVK: policyv1alpha1.GroupVersion.WithKind("PropagationPolicy"), Namespace: "default", Name: "settings"}
	plane.Turn(key)
	plane.Turn(settingsKey)
	plane.Read(bound)
	plane.Must(plane.Client.Delete(t.Context(), bound))

	plane.Read(claimer)
	claimer.Spec.ResourceSelectors[0] = policyv1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: "Deployment"}
	plane.Must(plane.Client.Update(t.Context(), claimer))
	if result := plane.Turn(key); !slices.Contains(result.Wake, settingsKey) || result.RequeueAfter != formerKindRetry {
		t.Errorf("it wakes %v, and again after %s", result.Wake, result.RequeueAfter)
	}
	plane.Turn(settingsKey)
	plane.Read(template)
	if claim, claimed := policy.ClaimOf(template); claimed {
		t.Errorf("it still belongs to %s", claim.Policy)
	}
	if result := plane.Turn(key); len(result.Wake) > 0 || result.RequeueAfter != 0 {
		t.Errorf("nothing is left, and it wakes %v, and again after %s", result.Wake, result.RequeueAfter)
	}
	plane.Read(claimer)
	if note, noted := claimer.Annotations[names.AnnotationFormerKinds]; noted {
		t.Errorf("what is seen to is still noted: %s", note)
	}
}
