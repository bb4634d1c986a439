package render

import (
	"context"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/internal/byhand"
	"github.com/seatrial/seatrial/interpreter"
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

// TestOverdrawnTemplateStaysOut: what a quota refused reaches no cluster, whatever renders it again, while replicas move within the
// quota. Once the quota lets it in, it goes out.
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
	expect("moved", "m3", 1, "web:1", "1")

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

// TestNewClusterGetsWhatWasAdmitted: a cluster that comes to have a workload while its template is refused gets what others have, with
// its own overrides as far as these can be told from theirs, and else waits.
func TestNewClusterGetsWhatWasAdmitted(t *testing.T) {
	label := func(name string, clusters ...string) *policyv1alpha1.OverridePolicy {
		made := &policyv1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		rule := policyv1alpha1.RuleWithCluster{Overriders: policyv1alpha1.Overriders{LabelsOverrider: []policyv1alpha1.LabelAnnotationOverrider{
			{Operator: policyv1alpha1.OverriderOpAdd, Value: map[string]string{name: "yes"}},
		}}}
		if len(clusters) > 0 {
			rule.TargetCluster = &policyv1alpha1.ClusterAffinity{ClusterNames: clusters}
		}
		made.Spec.OverrideRules = []policyv1alpha1.RuleWithCluster{rule}
		return made
	}
	for name, c := range map[string]struct {
		overrides []*policyv1alpha1.OverridePolicy
		waits     bool
		want      string
	}{
		"no overrides":            {nil, false, ""},
		"of the new cluster":      {[]*policyv1alpha1.OverridePolicy{label("new", "m2")}, false, "new"},
		"of all clusters":         {[]*policyv1alpha1.OverridePolicy{label("all")}, false, "all"},
		"of the old cluster":      {[]*policyv1alpha1.OverridePolicy{label("old", "m1")}, true, ""},
		"of each cluster its own": {[]*policyv1alpha1.OverridePolicy{label("old", "m1"), label("new", "m2")}, true, ""},
	} {
		plane := byhand.New(t, New(eviction.Defaults(), 1))
		for _, policy := range c.overrides {
			plane.Create(policy)
		}
		template, made := duplicated(plane, "m1", "m2")
		plane.Turn(control.KeyOf(made))

		template.Spec.Template.Spec.Containers[0].Image = "web:2"
		plane.Must(plane.Store.Update(t.Context(), template))
		plane.Read(made)
		made.Spec.Clusters = append(made.Spec.Clusters, workv1alpha2.TargetCluster{Name: "m2", Replicas: 4})
		plane.Must(plane.Store.Update(t.Context(), made))
		meta.SetStatusCondition(&made.Status.Conditions, metav1.Condition{Type: names.ConditionUpToDate, Status: metav1.ConditionFalse, Reason: names.ReasonQuotaExceeded})
		plane.Must(plane.Store.Status().Update(t.Context(), made))
		plane.Turn(control.KeyOf(made))
		plane.Read(made)
		told := meta.IsStatusConditionFalse(made.Status.Conditions, names.ConditionRendered)
		if got := imageAndLabels(t, plane, "m2"); told != c.waits || !c.waits && got != strings.TrimSpace("web:1 "+c.want) || c.waits && got != "" {
			t.Errorf("overrides %s: m2 has %q; told that it waits: %t", name, got, told)
		}

		made.Status.Conditions = slices.DeleteFunc(made.Status.Conditions, func(c metav1.Condition) bool { return c.Type == names.ConditionUpToDate })
		plane.Must(plane.Store.Status().Update(t.Context(), made))
		plane.Turn(control.KeyOf(made))
		plane.Read(made)
		if got := imageAndLabels(t, plane, "m2"); !strings.HasPrefix(got, "web:2") || len(made.Status.Conditions) > 0 {
			t.Errorf("overrides %s: let in, m2 has %q, conditions %v", name, got, made.Status.Conditions)
		}
	}
}

// duplicated is a Deployment of four with a binding that has all of it in the first of some clusters.
func duplicated(plane *byhand.Plane, clusters ...string) (*appsv1.Deployment, *workv1alpha2.ResourceBinding) {
	labels := map[string]string{"app": "web"}
	template := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: appsv1.DeploymentSpec{
		Replicas: ptr.To[int32](4), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}}},
	}}
	plane.Create(template)
	for _, name := range clusters {
		plane.Create(&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}})
		plane.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace(name)}})
	}
	made := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-deployment", Finalizers: []string{names.FinalizerResourceBinding}}}
	made.Spec = workv1alpha2.ResourceBindingSpec{
		Resource:  workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"},
		Placement: &policyv1alpha1.Placement{}, Replicas: 4, Clusters: []workv1alpha2.TargetCluster{{Name: clusters[0], Replicas: 4}},
	}
	plane.Create(made)
	return template, made
}

// imageAndLabels are those of the Deployment in the Work of a cluster, without the labels that all have; empty when there is none.
func imageAndLabels(t *testing.T, plane *byhand.Plane, cluster string) string {
	t.Helper()
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: names.ExecutionSpace(cluster), Name: names.Work("Deployment", "web", "default")}}
	if err := plane.Store.Get(t.Context(), client.ObjectKeyFromObject(work), work); apierrors.IsNotFound(err) {
		return ""
	}
	manifests, err := workload.Manifests(work)
	plane.Must(err)
	deployment := &appsv1.Deployment{}
	plane.Must(runtime.DefaultUnstructuredConverter.FromUnstructured(manifests[0].Object, deployment))
	told := []string{deployment.Spec.Template.Spec.Containers[0].Image}
	for _, label := range []string{"all", "new", "old"} {
		if deployment.Labels[label] != "" {
			told = append(told, label)
		}
	}
	return strings.Join(told, " ")
}

// counting counts how often somebody asks what a replica needs, which may be a call of a webhook.
type counting struct {
	interpreter.Interpreter
	asked *int
}

func (c counting) Replicas(ctx context.Context, template *unstructured.Unstructured) (int32, *workv1alpha2.ReplicaRequirements, error) {
	*c.asked++
	return c.Interpreter.Replicas(ctx, template)
}

// TestRendersNoMoreThanItsBindingSays: a template has come to ask more, and something renders it before its binding says so: a quota may
// refuse that. Its Works follow the binding.
func TestRendersNoMoreThanItsBindingSays(t *testing.T) {
	plane := byhand.New(t, New(eviction.Defaults(), 1))
	labels := map[string]string{"app": "web"}
	asking := func(cpu string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}
	}
	template := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: appsv1.DeploymentSpec{
		Replicas: ptr.To[int32](4), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "web", Image: "web:1", Resources: asking("1")},
		}}},
	}}
	plane.Create(template)
	made := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-deployment", Finalizers: []string{names.FinalizerResourceBinding}}}
	made.Spec = workv1alpha2.ResourceBindingSpec{
		Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"}, Replicas: 4,
		Placement:           &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided}},
		ReplicaRequirements: &workv1alpha2.ReplicaRequirements{ResourceRequest: asking("1").Requests},
		Clusters:            []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 4}},
	}
	for _, name := range []string{"m1", "m2"} {
		plane.Create(&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}})
		plane.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace(name)}})
	}
	plane.Create(made)
	plane.Turn(control.KeyOf(made))
	follow := func(when string, follows bool, want string, clusters ...workv1alpha2.TargetCluster) {
		t.Helper()
		plane.Read(made)
		made.Spec.Clusters = clusters
		if follows {
			made.Spec.ReplicaRequirements.ResourceRequest = template.Spec.Template.Spec.Containers[0].Resources.Requests
		}
		plane.Must(plane.Store.Update(t.Context(), made))
		plane.Turn(control.KeyOf(made))
		for _, target := range clusters {
			if replicas, image, _ := given(t, plane, target.Name); replicas != target.Replicas || image != want {
				t.Errorf("%s, %s has %d of %s, want %d of %s", when, target.Name, replicas, image, target.Replicas, want)
			}
		}
	}
	becomes := func(image, cpu string) {
		container := &template.Spec.Template.Spec.Containers[0]
		container.Image, container.Resources = image, asking(cpu)
		plane.Must(plane.Store.Update(t.Context(), template))
	}
	becomes("web:2", "2")
	asked := 0
	plane.Interpreter = counting{plane.Interpreter, &asked}
	follow("ahead of its binding", false, "web:1", workv1alpha2.TargetCluster{Name: "m1", Replicas: 1}, workv1alpha2.TargetCluster{Name: "m2", Replicas: 3})
	if asked != 1 {
		t.Errorf("the turn asked %d times what a replica needs, want once for all clusters", asked)
	}
	follow("level with it", true, "web:2", workv1alpha2.TargetCluster{Name: "m1", Replicas: 1}, workv1alpha2.TargetCluster{Name: "m2", Replicas: 3})
	becomes("web:3", "1")
	follow("it asks less", false, "web:3", workv1alpha2.TargetCluster{Name: "m1", Replicas: 2}, workv1alpha2.TargetCluster{Name: "m2", Replicas: 2})
}
