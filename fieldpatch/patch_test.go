package fieldpatch

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// TestSetStatusIsThePatch holds the short way to the long one: what SetStatus does to a Go value is what the patch does to
// its JSON.
func TestSetStatusIsThePatch(t *testing.T) {
	then := metav1.NewTime(time.Unix(1000, 0))
	condition := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Yes", LastTransitionTime: then}
	deployment := &appsv1.Deployment{Status: appsv1.DeploymentStatus{Replicas: 2, ReadyReplicas: 1, CollisionCount: ptr.To[int32](1)}}
	binding := &workv1alpha2.ResourceBinding{Status: workv1alpha2.ResourceBindingStatus{
		SchedulerObservedGeneration: 1, LastScheduledTime: &then, Conditions: []metav1.Condition{condition},
	}}
	for _, c := range []struct {
		name   string
		object client.Object
		fields map[string]any
		sets   bool
	}{
		{"numbers of a tree", deployment, map[string]any{"replicas": int64(3), "readyReplicas": nil}, true},
		{"conditions of a tree", deployment, map[string]any{"conditions": []any{map[string]any{"type": "Available", "status": "True"}}}, true},
		{"an object in an array's place", deployment, map[string]any{"conditions": map[string]any{"a": "b"}}, false},
		{"a number too large", deployment, map[string]any{"replicas": int64(1) << 40}, false},
		{"a pointer to a number", deployment, map[string]any{"collisionCount": ptr.To[int32](2)}, false},
		{"an unknown field", deployment, map[string]any{"pods": int64(1)}, false},
		{"Go values", binding, map[string]any{"lastScheduledTime": &then, "schedulerObservedGeneration": int64(2), "conditions": []metav1.Condition{}}, true},
		{"nothing left", binding, map[string]any{"conditions": nil, "lastScheduledTime": nil}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &patch{body{Status: c.fields}}
			changed := c.object.DeepCopyObject().(client.Object)
			if sets := p.SetStatus(changed); sets != c.sets {
				t.Fatalf("SetStatus: %t, want %t", sets, c.sets)
			}
			if !c.sets {
				if !reflect.DeepEqual(changed, c.object) {
					t.Error("it changed what it could not set")
				}
				return
			}
			agrees(t, p, c.object, changed)
		})
	}
}

// TestSetObjectIsThePatch does the same to all but the status.
func TestSetObjectIsThePatch(t *testing.T) {
	binding := &workv1alpha2.ResourceBinding{Spec: workv1alpha2.ResourceBindingSpec{Replicas: 3, Clusters: []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 3}}}}
	binding.Labels, binding.Annotations = map[string]string{"a": "1", "b": "2"}, map[string]string{"c": "3"}
	binding.Finalizers = []string{"go", "keep"}
	bare := &corev1.ConfigMap{Data: map[string]string{"x": "y"}}
	for _, c := range []struct {
		name   string
		object client.Object
		body   body
		sets   bool
	}{
		{"targets", binding, body{Spec: map[string]any{"clusters": []workv1alpha2.TargetCluster{{Name: "m2", Replicas: 3}}}}, true},
		{"no targets", binding, body{Spec: map[string]any{"clusters": nil}}, true},
		{"labels and annotations", binding, body{Metadata: metadata{
			Labels: map[string]any{"a": nil, "b": "3", "d": "4"}, Annotations: map[string]any{"c": nil},
		}}, true},
		{"the first label", bare, body{Metadata: metadata{Labels: map[string]any{"a": "1"}}}, true},
		{"other finalizers", binding, body{Metadata: metadata{Finalizers: &[]string{"keep"}}}, true},
		{"no finalizers left", binding, body{Metadata: metadata{Finalizers: new([]string)}}, true},
		{"a version", bare, body{Metadata: metadata{ResourceVersion: "7", Annotations: map[string]any{"a": "1"}}}, true},
		{"a status beside", binding, body{Metadata: metadata{Labels: map[string]any{"a": nil}}, Status: map[string]any{"conditions": nil}}, false},
		{"an object that merges", binding, body{Metadata: metadata{Labels: map[string]any{"a": nil}}, Spec: map[string]any{"resource": map[string]any{"name": "x"}}}, false},
		{"a label that is no text", binding, body{Metadata: metadata{Labels: map[string]any{"a": 1}}}, false},
		{"a spec where there is none", bare, body{Spec: map[string]any{"data": nil}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &patch{c.body}
			before := c.object.DeepCopyObject().(client.Object)
			// The maps stay those of the object, as in a shallow copy of what is stored.
			changed := reflect.New(reflect.TypeOf(c.object).Elem())
			changed.Elem().Set(reflect.ValueOf(c.object).Elem())
			set := changed.Interface().(client.Object)
			if sets := p.SetObject(set); sets != c.sets {
				t.Fatalf("SetObject: %t, want %t", sets, c.sets)
			}
			if !reflect.DeepEqual(c.object, before) {
				t.Fatal("it changed a map that is shared")
			}
			if c.sets {
				agrees(t, p, before, set)
			} else if !reflect.DeepEqual(set, before) {
				t.Error("it changed what it could not set")
			}
		})
	}
}

// TestBetweenReplacesObjects sees to it that nothing of a replaced object is left over, which a merge by itself would leave.
func TestBetweenReplacesObjects(t *testing.T) {
	summary := func(names ...corev1.ResourceName) *clusterv1alpha1.ResourceSummary {
		list := corev1.ResourceList{}
		for i, name := range names {
			list[name] = resource.MustParse([]string{"1", "2Gi", "3"}[i])
		}
		return &clusterv1alpha1.ResourceSummary{Allocated: list}
	}
	for _, c := range []struct {
		before, after *clusterv1alpha1.ResourceSummary
	}{
		{nil, summary("cpu")},
		{summary("cpu"), nil},
		{summary("cpu", "memory"), summary("cpu")},
		{summary("cpu"), summary("memory", "pods")},
	} {
		object := &clusterv1alpha1.Cluster{Status: clusterv1alpha1.ClusterStatus{KubernetesVersion: "v1", ResourceSummary: c.before}}
		object.ResourceVersion = "7"
		wanted := object.DeepCopy()
		wanted.Status.ResourceSummary = c.after
		p := &patch{body{Metadata: metadata{ResourceVersion: "7"}, Status: Between(&object.Status, &wanted.Status)}}
		changed := object.DeepCopy()
		if !p.SetStatus(changed) {
			t.Fatal("cannot be set")
		}
		if !reflect.DeepEqual(changed, wanted) {
			t.Errorf("set to %+v, want %+v", changed.Status, wanted.Status)
		}
		agrees(t, p, object, changed)
	}
}

// agrees compares what a patch makes of an object's JSON with the object that it was set on.
func agrees(t *testing.T, p *patch, before, changed client.Object) {
	t.Helper()
	encoded := func(value any) []byte {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	data, err := p.Data(nil)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := jsonpatch.MergePatch(encoded(before), data)
	if err != nil {
		t.Fatal(err)
	}
	read := reflect.New(reflect.TypeOf(before).Elem()).Interface()
	if err := json.Unmarshal(patched, read); err != nil {
		t.Fatal(err)
	}
	if got, want := encoded(changed), encoded(read); string(got) != string(want) {
		t.Errorf("set:     %s\npatched: %s\nby %s", got, want, data)
	}
}
