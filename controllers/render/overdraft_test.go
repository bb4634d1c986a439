package render

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/internal/byhand"
	"github.com/seatrial/seatrial/workload"
)

// given is what the Work of a cluster says of the Deployment: its replicas, the image, and the generation of the template.
func given(t *testing.T, plane *byhand.Plane, cluster string) (replicas int32, image, generation string) {
	t.Helper()
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: names.ExecutionSpace(cluster), Name: names.Work("Deployment", "web", "default")}}
	plane.Read(work)
	manifests, err := workload.Manifests(work)
	plane.Must(err)
	deployment := &appsv1.Deployment{}
	plane.Must(runtime.DefaultUnstructuredConverter.FromUnstructured(manifests[0].Object, deployment))
	return *deployment.Spec.Replicas, deployment.Spec.Template.Spec.Containers[0].Image, deployment.Annotations[names.AnnotationTemplateGeneration]
}

// TestOverdrawnTemplateStaysOut: what a quota refused reaches no cluster that has the workload, whatever renders it again, while its
// replicas move within the quota. Once the quota lets it in, it goes out.
func TestOverdrawnTemplateStaysOut(t *testing.T) {
	plane := byhand.New(t, New(eviction.Defaults(), 1))
	labels := map[string]string{"app": "web"}
	template := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: appsv1.DeploymentSpec{
		Replicas: ptr.To[int32](4), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}}},
	}}
	plane.Create(template)
	made := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-deployment", Finalizers: []string{names.FinalizerResourceBinding}}}
	made.Spec = workv1alpha2.ResourceBindingSpec{
		Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"}, Replicas: 4,
		Placement: &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided}},
		Clusters:  []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 3}, {Name: "m2", Replicas: 1}},
	}
	for _, name := range []string{"m1", "m2", "m3"} {
		plane.Create(&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}})
		plane.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace(name)}})
	}
	plane.Create(made)
	plane.Turn(control.KeyOf(made))
	expect := func(when, cluster string, replicas int32, image, generation string) {
		t.Helper()
		if haveReplicas, haveImage, haveGeneration := given(t, plane, cluster); haveReplicas != replicas || haveImage != image || haveGeneration != generation {
			t.Errorf("%s, %s has %d of %s of generation %s, want %d of %s of %s", when, cluster, haveReplicas, haveImage, haveGeneration, replicas, image, generation)
		}
	}
	expect("at first", "m1", 3, "web:1", "1")

	template.Spec.Template.Spec.Containers[0].Image = "web:2"
	plane.Must(plane.Store.Update(t.Context(), template))
	plane.Read(made)
	admitted := made.DeepCopy()
	meta.SetStatusCondition(&made.Status.Conditions, metav1.Condition{Type: names.ConditionUpToDate, Status: metav1.ConditionFalse, Reason: names.ReasonQuotaExceeded})
	plane.Must(plane.Store.Status().Update(t.Context(), made))
	plane.Turn(control.KeyOf(made))
	expect("refused", "m1", 3, "web:1", "1")

	made.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 1}, {Name: "m2", Replicas: 2}, {Name: "m3", Replicas: 1}}
	plane.Must(plane.Store.Update(t.Context(), made))
	plane.Turn(control.KeyOf(made))
	expect("moved", "m1", 1, "web:1", "1")
	expect("moved", "m2", 2, "web:1", "1")
	expect("moved", "m3", 1, "web:2", "2")

	refused := made.DeepCopy()
	made.Status.Conditions = nil
	plane.Must(plane.Store.Status().Update(t.Context(), made))
	for _, c := range []struct {
		name     string
		old, new *workv1alpha2.ResourceBinding
		wakes    int
	}{{"the quota lets it in", refused, made, 1}, {"refused", admitted, refused, 0}, {"still refused", refused, refused, 0}} {
		c.new.Generation = c.old.Generation
		if keys := onBinding(t.Context(), plane.Store, control.Event{Old: c.old, New: c.new}); len(keys) != c.wakes {
			t.Errorf("%s: woken are %v", c.name, keys)
		}
	}
	plane.Turn(control.KeyOf(made))
	expect("let in", "m1", 1, "web:2", "2")
	expect("let in", "m2", 2, "web:2", "2")
}
