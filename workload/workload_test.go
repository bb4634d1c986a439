package workload_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/workload"
)

// object is a ConfigMap with the given labels and annotations.
func object(labels, annotations map[string]string) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"mode": "calm"}}}
	made.SetAPIVersion("v1")
	made.SetKind("ConfigMap")
	made.SetNamespace("shop")
	made.SetName("settings")
	made.SetLabels(labels)
	made.SetAnnotations(annotations)
	return made
}

func TestMergeMetadata(t *testing.T) {
	type keys = map[string]string
	for _, c := range []struct {
		name                       string
		manifest, observed, wanted keys
		managed                    string
	}{
		{name: "the manifest's value wins", manifest: keys{"a": "new"}, observed: keys{"a": "old"}, wanted: keys{"a": "new"}},
		{name: "keys of the member stay", manifest: keys{"a": "1"}, observed: keys{"local": "1"}, wanted: keys{"a": "1", "local": "1"}},
		{name: "keys that vanished go", manifest: keys{"a": "1"}, observed: keys{"a": "1", "b": "1", "local": "1"}, managed: "a,b", wanted: keys{"a": "1", "local": "1"}},
		{name: "all vanish", observed: keys{"a": "1", "b": "1"}, managed: "a,b"},
		{name: "a list that is a prefix of a key owns nothing", observed: keys{"ab": "1"}, managed: "a", wanted: keys{"ab": "1"}},
		{name: "an object taken over keeps all", manifest: keys{"a": "1"}, observed: keys{"b": "1"}, wanted: keys{"a": "1", "b": "1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			merged := workload.Merge(object(c.manifest, nil), object(c.observed, keys{names.AnnotationManagedLabels: c.managed}))
			if !maps.Equal(merged.GetLabels(), c.wanted) {
				t.Errorf("labels %v, want %v", merged.GetLabels(), c.wanted)
			}
			annotated := maps.Clone(c.observed)
			if annotated == nil {
				annotated = keys{}
			}
			annotated[names.AnnotationManagedAnnotations] = strings.Trim(c.managed+","+names.AnnotationManagedAnnotations, ",")
			merged = workload.Merge(object(nil, c.manifest), object(nil, annotated))
			if !maps.Equal(merged.GetAnnotations(), c.wanted) {
				t.Errorf("annotations %v, want %v", merged.GetAnnotations(), c.wanted)
			}
		})
	}
}

func TestMergeKeepsWhatIsTheMembers(t *testing.T) {
	manifest, observed := object(nil, nil), object(nil, nil)
	observed.SetUID("uid")
	observed.SetResourceVersion("7")
	observed.SetFinalizers([]string{"member/held"})
	observed.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "p", UID: "u"}})
	observed.Object["status"] = map[string]any{"phase": "Here"}
	observed.Object["data"] = map[string]any{"mode": "wild", "extra": "1"}
	before := manifest.DeepCopy()
	merged := workload.Merge(manifest, observed)
	if merged.GetUID() != "uid" || merged.GetResourceVersion() != "7" || !slices.Equal(merged.GetFinalizers(), []string{"member/held"}) || len(merged.GetOwnerReferences()) != 1 {
		t.Errorf("metadata of the member is lost: %v", merged.Object["metadata"])
	}
	if phase, _, _ := unstructured.NestedString(merged.Object, "status", "phase"); phase != "Here" {
		t.Errorf("status of the member is lost: %v", merged.Object["status"])
	}
	if data, _, _ := unstructured.NestedStringMap(merged.Object, "data"); !maps.Equal(data, map[string]string{"mode": "calm"}) {
		t.Errorf("data %v is not the manifest's", data)
	}
	if !workload.Equal(before.Object, manifest.Object) {
		t.Error("the manifest was changed")
	}
}

func TestHandOverLeavesNoMark(t *testing.T) {
	observed := object(
		map[string]string{
			"own": "1", names.LabelManaged: "true", names.LabelWorkID: "w", names.LabelResourceBindingID: "b",
			names.LabelPropagationPolicyID: "p", names.LabelClusterPropagationPolicyID: "c",
		},
		map[string]string{
			"own": "1", names.AnnotationWorkName: "w", names.AnnotationWorkNamespace: "n", names.AnnotationTemplateUID: "u",
			names.AnnotationManagedLabels: "a", names.AnnotationManagedAnnotations: "a", names.AnnotationConflictResolution: "abort",
			names.AnnotationResourceBindingName: "b", names.AnnotationResourceBindingNamespace: "n", names.AnnotationTemplateGeneration: "1",
			names.AnnotationPropagationPolicyName: "p", names.AnnotationPropagationPolicyNamespace: "n",
		})
	before := observed.DeepCopy()
	freed := workload.HandOver(observed)
	own := map[string]string{"own": "1"}
	if !maps.Equal(freed.GetLabels(), own) || !maps.Equal(freed.GetAnnotations(), own) {
		t.Errorf("labels %v and annotations %v, want only what is the object's own", freed.GetLabels(), freed.GetAnnotations())
	}
	if !workload.Equal(before.Object, observed.Object) {
		t.Error("the observed object was changed")
	}
}

func TestEqual(t *testing.T) {
	raw := func(text string) runtime.RawExtension { return runtime.RawExtension{Raw: []byte(text)} }
	instant := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		a, b any
		want bool
	}{
		{"keys in another order", raw(`{"a":1,"b":[1,2]}`), raw(`{"b": [1, 2], "a": 1}`), true},
		{"another value", raw(`{"a":1}`), raw(`{"a":2}`), false},
		{"lists in another order", raw(`[1,2]`), raw(`[2,1]`), false},
		{"no JSON", raw(`{`), raw(`{}`), false},
		{"the same that is no JSON", raw(`{`), raw(`{`), true},
		{"quantities by value", resource.MustParse("1000m"), resource.MustParse("1"), true},
		{"times by instant", metav1.NewTime(instant), metav1.NewTime(instant.In(time.FixedZone("east", 3600))), true},
		{"raw inside of structs", workv1alpha1.Manifest{RawExtension: raw(`{"a":1,"b":2}`)}, workv1alpha1.Manifest{RawExtension: raw(`{"b":2,"a":1}`)}, true},
		{"nothing and an empty list", []string(nil), []string{}, true},
	} {
		if got := workload.Equal(c.a, c.b); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

// plane is the API server of a control plane with the execution space of one cluster.
func plane(t *testing.T) client.Client {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace("m1")}}); err != nil {
		t.Fatal(err)
	}
	return c
}

type counter struct{ count int }

func (c *counter) NewID() string {
	c.count++
	return "id-" + string(rune('0'+c.count))
}

func planFor(template *unstructured.Unstructured) workload.Plan {
	return workload.Plan{
		Cluster: "m1", Template: template, Manifest: template,
		Labels:      map[string]string{names.LabelResourceBindingID: "b"},
		Annotations: map[string]string{names.AnnotationResourceBindingNamespace: "shop", names.AnnotationResourceBindingName: "settings-configmap"},
	}
}

func TestWriteSettles(t *testing.T) {
	c := plane(t)
	deps := control.Deps{Client: c, IDs: &counter{}}
	template := object(map[string]string{"b": "1", "a": "1"}, nil)
	template.SetUID("template")
	template.SetGeneration(3)
	template.SetFinalizers([]string{"plane/held"})
	written := func(plan workload.Plan) bool {
		t.Helper()
		wrote, err := workload.Write(t.Context(), deps, plan)
		if err != nil {
			t.Fatal(err)
		}
		return wrote
	}
	plan := planFor(template)
	if !written(plan) || written(plan) {
		t.Fatal("want one write for a new plan, and none for the same again")
	}
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-es-m1", Name: names.Work("ConfigMap", "settings", "shop")}}
	read := func() *unstructured.Unstructured {
		t.Helper()
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(work), work); err != nil {
			t.Fatal(err)
		}
		manifests, err := workload.Manifests(work)
		if err != nil {
			t.Fatal(err)
		}
		return manifests[0]
	}
	manifest := read()
	if owner, ok := workload.Owner(manifest); !ok || owner != client.ObjectKeyFromObject(work) || !workload.Managed(manifest) {
		t.Errorf("the manifest does not lead back to its Work: %v", manifest.Object["metadata"])
	}
	if a := manifest.GetAnnotations(); a[names.AnnotationTemplateUID] != "template" || a[names.AnnotationTemplateGeneration] != "3" || a[names.AnnotationConflictResolution] != names.ConflictAbort {
		t.Errorf("annotations %v", a)
	}
	if len(manifest.GetFinalizers()) > 0 || manifest.GetUID() != "" {
		t.Errorf("metadata of the template reached the manifest: %v", manifest.Object["metadata"])
	}

	plan.ConflictResolution, plan.SuspendDispatching = policyv1alpha1.ConflictOverwrite, true
	plan.WorkAnnotations = map[string]string{names.AnnotationAppliedOverrides: "[]"}
	if !written(plan) || written(plan) {
		t.Error("want one write for a changed plan, and none for the same again")
	}
	if manifest = read(); manifest.GetAnnotations()[names.AnnotationConflictResolution] != names.ConflictOverwrite || !*work.Spec.SuspendDispatching {
		t.Errorf("the Work does not follow the plan: %v", work.Spec)
	}
	if work.Annotations[names.AnnotationAppliedOverrides] == "" || manifest.GetAnnotations()[names.AnnotationAppliedOverrides] != "" {
		t.Error("applied overrides belong on the Work alone")
	}
	plan.WorkAnnotations, plan.SuspendDispatching = nil, false
	if !written(plan) || written(plan) {
		t.Error("want one write for a plan changed back, and none for the same again")
	}
	if read(); work.Annotations[names.AnnotationAppliedOverrides] != "" || work.Spec.SuspendDispatching != nil {
		t.Error("what applies no more is still on the Work")
	}
}

func TestConflictResolutionOfTemplateWins(t *testing.T) {
	for _, c := range []struct {
		annotation string
		policy     policyv1alpha1.ConflictResolution
		want       string
	}{
		{"", "", "abort"}, {"", policyv1alpha1.ConflictAbort, "abort"}, {"", policyv1alpha1.ConflictOverwrite, "overwrite"},
		{"abort", policyv1alpha1.ConflictOverwrite, "abort"}, {"overwrite", policyv1alpha1.ConflictAbort, "overwrite"},
		{"Overwrite", policyv1alpha1.ConflictAbort, "abort"}, {"nonsense", policyv1alpha1.ConflictOverwrite, "overwrite"},
	} {
		plane := plane(t)
		template := object(nil, nil)
		if c.annotation != "" {
			template.SetAnnotations(map[string]string{names.AnnotationConflictResolution: c.annotation})
		}
		plan := planFor(template)
		plan.ConflictResolution = c.policy
		if _, err := workload.Write(t.Context(), control.Deps{Client: plane, IDs: &counter{}}, plan); err != nil {
			t.Fatal(err)
		}
		works := &workv1alpha1.WorkList{}
		if err := plane.List(t.Context(), works); err != nil {
			t.Fatal(err)
		}
		if got := works.Items[0].Annotations[names.AnnotationConflictResolution]; got != c.want {
			t.Errorf("template %q and policy %q give %q, want %q", c.annotation, c.policy, got, c.want)
		}
	}
}

func TestWriteWaitsForRemoval(t *testing.T) {
	c := plane(t)
	deps := control.Deps{Client: c, IDs: &counter{}}
	plan := planFor(object(nil, nil))
	if _, err := workload.Write(t.Context(), deps, plan); err != nil {
		t.Fatal(err)
	}
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-es-m1", Name: names.Work("ConfigMap", "settings", "shop")}}
	if err := c.Delete(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	if wrote, err := workload.Write(t.Context(), deps, plan); wrote || err == nil || !strings.Contains(err.Error(), "still being removed") {
		t.Errorf("wrote %t, error %v", wrote, err)
	}
}

// TestWriteFromStaleRead writes a Work that is there already but not yet in the view: the error is one of a stale read.
func TestWriteFromStaleRead(t *testing.T) {
	c := plane(t)
	plan := planFor(object(nil, nil))
	if _, err := workload.Write(t.Context(), control.Deps{Client: c, IDs: &counter{}}, plan); err != nil {
		t.Fatal(err)
	}
	blind := interceptor.NewClient(c.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, to client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return to.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: "not-there-yet"}, object, options...)
		},
	})
	wrote, err := workload.Write(t.Context(), control.Deps{Client: blind, IDs: &counter{}}, plan)
	if !control.Stale(err) {
		t.Errorf("wrote %t, error %v, want a stale read", wrote, err)
	}
}

func TestOfCluster(t *testing.T) {
	reader := plane(t)
	if _, err := workload.Write(t.Context(), control.Deps{Client: reader, IDs: &counter{}}, planFor(object(nil, nil))); err != nil {
		t.Fatal(err)
	}
	cluster := func(ready, leaving bool) *clusterv1alpha1.Cluster {
		made := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}}
		condition := metav1.Condition{Type: names.ConditionClusterReady, Status: metav1.ConditionFalse, Reason: "Test"}
		if ready {
			condition.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&made.Status.Conditions, condition)
		if leaving {
			made.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
		}
		return made
	}
	up, down, leaving := cluster(true, false), cluster(false, false), cluster(true, true)
	for _, c := range []struct {
		name string
		old  client.Object
		now  client.Object
		want int
	}{
		{"comes", nil, up, 1}, {"goes", up, nil, 1}, {"becomes ready", down, up, 1}, {"fails", up, down, 1},
		{"begins to leave", up, leaving, 1}, {"stays ready", up, up, 0}, {"stays down", down, down, 0},
	} {
		if keys := workload.OfCluster(t.Context(), reader, control.Event{Old: c.old, New: c.now}); len(keys) != c.want {
			t.Errorf("a cluster that %s wakes %v, want %d Works", c.name, keys, c.want)
		}
	}
}
