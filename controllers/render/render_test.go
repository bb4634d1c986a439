package render

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
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

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/internal/byhand"
	"github.com/seatrial/seatrial/policy"
)

// bound makes a ConfigMap and its binding to clusters, which it makes as well.
func bound(plane *byhand.Plane, clusters ...string) *workv1alpha2.ResourceBinding {
	template := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Data: map[string]string{"mode": "calm"}}
	plane.Create(template)
	made := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-configmap", Finalizers: []string{names.FinalizerResourceBinding}}}
	made.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", Name: "web"}
	for _, name := range clusters {
		plane.Create(&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}})
		plane.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace(name)}})
		made.Spec.Clusters = append(made.Spec.Clusters, workv1alpha2.TargetCluster{Name: name})
	}
	plane.Create(made)
	return made
}

// works are the clusters that have Works which stay.
func works(t *testing.T, plane *byhand.Plane) []string {
	t.Helper()
	list := &workv1alpha1.WorkList{}
	plane.Must(plane.Store.List(t.Context(), list))
	var in []string
	for _, work := range list.Items {
		if work.DeletionTimestamp.IsZero() {
			in = append(in, strings.TrimPrefix(work.Namespace, names.ExecutionSpace("")))
		}
	}
	return in
}

// TestWorkUnseenAtTheEndOfItsBindingIsSwept: a Work is written, and the view of Works does not show it yet when the binding is
// let go. The Work's own appearance in the view ends it.
func TestWorkUnseenAtTheEndOfItsBindingIsSwept(t *testing.T) {
	plane := byhand.New(t, New(eviction.Defaults(), 1))
	made := bound(plane, "m1")
	key := control.KeyOf(made)
	plane.Turn(key)
	if got := works(t, plane); !slices.Equal(got, []string{"m1"}) {
		t.Fatalf("Works for %v, want m1", got)
	}
	plane.Must(plane.Store.Delete(t.Context(), made))
	template := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	plane.Read(template)
	claim := policy.Claim{Policy: types.NamespacedName{Namespace: "default", Name: "web"}, ID: "id"}
	policy.SetClaim(template, claim)
	plane.Must(plane.Store.Update(t.Context(), template))
	plane.Client = interceptor.NewClient(plane.Store, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, ofWorks := list.(*workv1alpha1.WorkList); ofWorks {
				return nil
			}
			return c.List(ctx, list, options...)
		},
	})
	plane.Turn(key)
	if err := plane.Store.Get(t.Context(), client.ObjectKeyFromObject(made), made); !apierrors.IsNotFound(err) {
		t.Fatalf("the binding is there: %v", err)
	}
	if got := works(t, plane); !slices.Equal(got, []string{"m1"}) {
		t.Fatalf("Works for %v, want the one that was not seen", got)
	}
	plane.Client = plane.Store
	plane.Turn(key)
	if got := works(t, plane); !slices.Equal(got, []string{"m1"}) {
		t.Errorf("Works for %v: the next binding of a claimed template would have taken it over", got)
	}
	policy.Unclaim(template)
	plane.Must(plane.Store.Update(t.Context(), template))
	plane.Turn(key)
	if got := works(t, plane); len(got) > 0 {
		t.Errorf("Works for %v are left of a binding that is gone", got)
	}
}

// TestWorkSeenBeforeItsBindingStays: a view of bindings that is older than that of Works must not cost a living binding its Works.
func TestWorkSeenBeforeItsBindingStays(t *testing.T) {
	plane := byhand.New(t, New(eviction.Defaults(), 1))
	key := control.KeyOf(bound(plane, "m1"))
	plane.Turn(key)
	plane.Client = interceptor.NewClient(plane.Store, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if _, isBinding := binding.Of(object); isBinding {
				return apierrors.NewNotFound(schema.GroupResource{Resource: "resourcebindings"}, name.Name)
			}
			return c.Get(ctx, name, object, options...)
		},
	})
	plane.Turn(key)
	if got := works(t, plane); !slices.Equal(got, []string{"m1"}) {
		t.Errorf("Works for %v, want m1", got)
	}
}

// TestFailureIsToldAndHoldsNobodyElse: one cluster cannot be served; the event and the condition name it, the other has its Work.
func TestFailureIsToldAndHoldsNobodyElse(t *testing.T) {
	plane := byhand.New(t, New(eviction.Defaults(), 1))
	made := bound(plane, "m1", "m2")
	plane.Client = interceptor.NewClient(plane.Store, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if object.GetNamespace() == names.ExecutionSpace("m1") {
				return errors.New("the space of m1 is full")
			}
			return c.Create(ctx, object, options...)
		},
	})
	for range 2 {
		if _, err := plane.Try(control.KeyOf(made)); err == nil {
			t.Fatal("no error, want another turn")
		}
	}
	if got := works(t, plane); !slices.Equal(got, []string{"m2"}) {
		t.Errorf("Works for %v, want m2", got)
	}
	if !plane.Told.Has(names.EventSyncWorkFailed, "the space of m1 is full") {
		t.Errorf("events %s", plane.Told)
	}
	plane.Read(made)
	if told := meta.FindStatusCondition(made.Status.Conditions, names.ConditionRendered); told == nil || told.Status != metav1.ConditionFalse || !strings.Contains(told.Message, "the space of m1 is full") {
		t.Errorf("condition %v", told)
	}
	plane.Client = plane.Store
	plane.Turn(control.KeyOf(made))
	plane.Read(made)
	if told := meta.FindStatusCondition(made.Status.Conditions, names.ConditionRendered); told != nil {
		t.Errorf("condition %v is left", told)
	}
	before := made.ResourceVersion
	plane.Turn(control.KeyOf(made))
	plane.Read(made)
	if made.ResourceVersion != before {
		t.Error("a turn with nothing to do wrote the binding")
	}
}

// TestCompletionsAreDivided: members complete a Job together as often as its template says.
func TestCompletionsAreDivided(t *testing.T) {
	targets := func(replicas ...int32) (all []workv1alpha2.TargetCluster) {
		for i, n := range replicas {
			all = append(all, workv1alpha2.TargetCluster{Name: fmt.Sprintf("m%d", 9-i), Replicas: n})
		}
		return all
	}
	for _, c := range []struct {
		name    string
		kind    schema.GroupVersionKind
		divided bool
		total   any
		targets []workv1alpha2.TargetCluster
		want    []int64
		fails   bool
	}{
		{name: "in proportion", divided: true, total: int64(12), targets: targets(1, 2, 3), want: []int64{2, 4, 6}},
		{name: "ties go by name", divided: true, total: int64(1), targets: targets(1, 1), want: []int64{0, 1}},
		{name: "none", divided: true, total: int64(0), targets: targets(1, 1), want: []int64{0, 0}},
		{name: "a queue of work", divided: true, targets: targets(1, 2)},
		{name: "everywhere", total: int64(12), targets: targets(3, 3)},
		{name: "not a number", divided: true, total: "many", targets: targets(1), fails: true},
		{name: "another kind", kind: schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Job"}, divided: true, total: int64(4), targets: targets(1, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			template := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"parallelism": int64(6)}}}
			template.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
			if !c.kind.Empty() {
				template.SetGroupVersionKind(c.kind)
			}
			if c.total != nil {
				template.Object["spec"].(map[string]any)["completions"] = c.total
			}
			view := binding.New("default", "job")
			view.Spec.Replicas, view.Spec.Placement = 6, &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{}}
			if c.divided {
				view.Spec.Placement.ReplicaScheduling.ReplicaSchedulingType = policyv1alpha1.ReplicaSchedulingTypeDivided
			}
			got, err := completionsOf(view, template, c.targets)
			if (err != nil) != c.fails || !slices.Equal(got, c.want) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// TestShareOfAJob: a member gets its replicas and completions, and the template stays as it is.
func TestShareOfAJob(t *testing.T) {
	plane := byhand.New(t, New(eviction.Defaults(), 1))
	template := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"parallelism": int64(6), "completions": int64(12)}}}
	template.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	before := template.DeepCopy()
	view := binding.New("default", "job")
	view.Spec.Replicas = 6
	view.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided}}
	manifest, err := divided(t.Context(), plane.Deps, view, template, share{TargetCluster: workv1alpha2.TargetCluster{Name: "m1", Replicas: 2}, completions: ptr.To[int64](4)})
	plane.Must(err)
	if spec := manifest.Object["spec"].(map[string]any); spec["parallelism"] != int64(2) || spec["completions"] != int64(4) {
		t.Errorf("spec %v, want 2 replicas and 4 completions", spec)
	}
	if fmt.Sprint(template.Object) != fmt.Sprint(before.Object) {
		t.Error("the template changed")
	}
}

// TestOverrideWakesWhatItMaySelect leaves bindings alone whose templates an override policy cannot select, before and after.
func TestOverrideWakesWhatItMaySelect(t *testing.T) {
	plane := byhand.New(t, New(eviction.Defaults(), 1))
	bound(plane)
	for _, kind := range []struct{ kind, name string }{{"Secret", "web"}, {"ConfigMap", "other"}} {
		other := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: names.Binding(kind.kind, kind.name)}}
		other.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "v1", Kind: kind.kind, Namespace: "default", Name: kind.name}
		plane.Create(other)
	}
	selecting := func(generation int64, selectors ...policyv1alpha1.ResourceSelector) client.Object {
		return &policyv1alpha1.OverridePolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "o", Generation: generation},
			Spec:       policyv1alpha1.OverrideSpec{ResourceSelectors: selectors},
		}
	}
	all := []string{"other-configmap", "web-configmap", "web-secret"}
	configs := policyv1alpha1.ResourceSelector{APIVersion: "v1", Kind: "ConfigMap"}
	key := policyv1alpha1.ResourceSelector{APIVersion: "v1", Kind: "Secret", Name: "web"}
	elsewhere := selecting(1, configs)
	elsewhere.SetNamespace("elsewhere")
	for _, step := range []struct {
		name     string
		old, now client.Object
		want     []string
	}{
		{"no selectors", nil, selecting(1), all},
		{"a kind", nil, selecting(1, configs), all[:2]},
		{"a kind gone", selecting(1, configs), nil, all[:2]},
		{"a kind for a name", selecting(1, configs), selecting(2, key), all},
		{"a name", nil, selecting(1, key), all[2:]},
		{"the status", selecting(1, key), selecting(1, key), nil},
		{"another namespace", nil, elsewhere, nil},
	} {
		var got []string
		for _, key := range onOverride(t.Context(), plane.Store, control.Event{Old: step.old, New: step.now}) {
			got = append(got, key.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s wakes %v, want %v", step.name, got, step.want)
		}
	}
}

// TestWorkOnItsWayOutIsAwaited: that is no trouble to tell of, and its end wakes the binding.
func TestWorkOnItsWayOutIsAwaited(t *testing.T) {
	plane := byhand.New(t, New(eviction.Defaults(), 1))
	made := bound(plane, "m1")
	plane.Turn(control.KeyOf(made))
	list := &workv1alpha1.WorkList{}
	plane.Must(plane.Store.List(t.Context(), list))
	leaving := &list.Items[0]
	plane.Must(plane.Store.Delete(t.Context(), leaving))
	plane.Turn(control.KeyOf(made))
	plane.Read(made)
	if len(made.Status.Conditions) > 0 || plane.Told.Has(names.EventSyncWorkFailed, "") {
		t.Errorf("conditions %v; events:\n%s", made.Status.Conditions, plane.Told)
	}
	if keys := onWork(t.Context(), plane.Store, control.Event{Old: leaving}); !slices.Equal(keys, []control.Key{control.KeyOf(made)}) {
		t.Errorf("the end of the Work wakes %v", keys)
	}
	plane.Read(leaving)
	leaving.Finalizers = nil
	plane.Must(plane.Store.Update(t.Context(), leaving))
	plane.Turn(control.KeyOf(made))
	if got := works(t, plane); !slices.Equal(got, []string{"m1"}) {
		t.Errorf("Works for %v, want m1", got)
	}
}
