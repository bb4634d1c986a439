package aggregate

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/internal/byhand"
)

func web(clusters ...string) binding.Binding {
	bound := binding.New("shop", "web-deployment")
	bound.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
	for _, cluster := range clusters {
		bound.Spec.Clusters = append(bound.Spec.Clusters, workv1alpha2.TargetCluster{Name: cluster})
	}
	return bound
}

func work(cluster string, applied metav1.ConditionStatus, message string) workv1alpha1.Work {
	made := workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: names.ExecutionSpace(cluster), Name: "w"}}
	made.Status.Conditions = []metav1.Condition{{Type: names.ConditionWorkApplied, Status: applied, Message: message}}
	made.Status.ManifestStatuses = []workv1alpha1.ManifestStatus{
		{Identifier: workv1alpha1.ResourceIdentifier{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "web"}, Health: workv1alpha1.ResourceUnhealthy},
		{
			Identifier: workv1alpha1.ResourceIdentifier{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "web"},
			Status:     &runtime.RawExtension{Raw: []byte(`{"replicas":1}`)}, Health: workv1alpha1.ResourceHealthy,
		},
	}
	return made
}

func TestSum(t *testing.T) {
	leaving := work("a", metav1.ConditionTrue, "")
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	unheard := work("d", metav1.ConditionTrue, "")
	unheard.Status = workv1alpha1.WorkStatus{}
	bound := web("a", "b", "c", "d")
	items := sum(bound, counted(bound, []workv1alpha1.Work{work("c", metav1.ConditionTrue, "fine"), leaving, work("b", metav1.ConditionFalse, "no room"), unheard}))
	var clusters []string
	for _, item := range items {
		clusters = append(clusters, item.ClusterName)
	}
	if strings.Join(clusters, " ") != "b c d" {
		t.Fatalf("clusters %v, want b, c and d", clusters)
	}
	if items[0].Applied || items[0].AppliedMessage != "no room" || !items[1].Applied || items[1].AppliedMessage != "" || items[2].Applied {
		t.Errorf("applied: %+v", items)
	}
	if items[1].Health != workv1alpha2.ResourceHealthy || string(items[1].Status.Raw) != `{"replicas":1}` || items[2].Health != workv1alpha2.ResourceUnknown {
		t.Errorf("status: %+v", items)
	}
}

// TestForgedWorksCountForNothing: an agent can make Works in the execution space of its own cluster, and name any binding as theirs.
func TestForgedWorksCountForNothing(t *testing.T) {
	dependency := web()
	dependency.Spec.RequiredBy = []workv1alpha2.BindingSnapshot{
		{Namespace: "shop", Name: "a", Clusters: []workv1alpha2.TargetCluster{{Name: "b"}}}, {Namespace: "shop", Name: "b", Clusters: []workv1alpha2.TargetCluster{{Name: "c"}}},
	}
	leaving := web("a")
	leaving.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "b"}}
	for name, c := range map[string]struct {
		bound binding.Binding
		want  string
	}{
		"scheduled":             {web("a", "c"), "a c"},
		"nowhere":               {web(), ""},
		"scheduled and leaving": {leaving, "a b"},
		"needed by others":      {dependency, "b c"},
	} {
		var works []workv1alpha1.Work
		for _, cluster := range []string{"a", "b", "c", "evil"} {
			works = append(works, work(cluster, metav1.ConditionTrue, ""))
		}
		stray := work("a", metav1.ConditionTrue, "")
		stray.Namespace = "default"
		var clusters []string
		for _, item := range sum(c.bound, counted(c.bound, append(works, stray))) {
			clusters = append(clusters, item.ClusterName)
		}
		if got := strings.Join(clusters, " "); got != c.want {
			t.Errorf("%s: clusters %q count, want %q", name, got, c.want)
		}
	}
}

// TestOneWorkAClusterCounts, in whatever order they come: the one that the control plane made.
func TestOneWorkAClusterCounts(t *testing.T) {
	bound := web("a")
	named := func(name string, applied metav1.ConditionStatus) workv1alpha1.Work {
		made := work("a", applied, "")
		made.Name = name
		return made
	}
	own := named(names.Work("Deployment", "web", "shop"), metav1.ConditionFalse)
	for _, works := range [][]workv1alpha1.Work{
		{own, named("a", metav1.ConditionTrue), named("z", metav1.ConditionTrue)}, {named("z", metav1.ConditionTrue), named("a", metav1.ConditionTrue), own},
	} {
		if items := sum(bound, counted(bound, works)); len(items) != 1 || items[0].Applied {
			t.Errorf("the sum is %+v", items)
		}
	}
}

func TestFullyApplied(t *testing.T) {
	items := []workv1alpha2.AggregatedStatusItem{{ClusterName: "a", Applied: true}, {ClusterName: "b"}, {ClusterName: "c", Applied: true}}
	for _, c := range []struct {
		clusters []string
		want     metav1.ConditionStatus
		says     string
	}{
		{nil, metav1.ConditionFalse, "no cluster"},
		{[]string{"a", "c"}, metav1.ConditionTrue, "all 2"},
		{[]string{"a", "b"}, metav1.ConditionFalse, "1 of 2"},
		{[]string{"a", "d"}, metav1.ConditionFalse, "1 of 2"},
	} {
		if got := fullyApplied(web(c.clusters...), items); got.Status != c.want || !strings.Contains(got.Message, c.says) {
			t.Errorf("%v: %s, %q; want %s and %q", c.clusters, got.Status, got.Message, c.want, c.says)
		}
	}
}

// TestWakes: what this controller writes wakes it again, for it may have compared with an older view; what others write does not.
func TestWakes(t *testing.T) {
	binding := func(generation int64, healthy workv1alpha2.ResourceHealth, condition string) client.Object {
		bound := web("a")
		bound.SetGeneration(generation)
		bound.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{ClusterName: "a", Health: healthy}}
		bound.Status.Conditions = []metav1.Condition{{Type: condition, Status: metav1.ConditionTrue}}
		return bound.Object
	}
	first := binding(1, workv1alpha2.ResourceHealthy, names.ConditionScheduled)
	for _, c := range []struct {
		name     string
		old, now client.Object
		wakes    bool
	}{
		{"new", nil, first, true}, {"changed", first, binding(2, workv1alpha2.ResourceHealthy, names.ConditionScheduled), true},
		{"summed up", first, binding(1, workv1alpha2.ResourceUnhealthy, names.ConditionScheduled), true},
		{"applied", first, binding(1, workv1alpha2.ResourceHealthy, names.ConditionFullyApplied), true},
		{"observed by others", first, binding(1, workv1alpha2.ResourceHealthy, "Other"), false},
	} {
		if keys := onBinding(t.Context(), nil, control.Event{Old: c.old, New: c.now}); (len(keys) == 1) != c.wakes {
			t.Errorf("a binding that is %s wakes %v, want a turn: %t", c.name, keys, c.wakes)
		}
	}
}

func TestOnTemplate(t *testing.T) {
	template := func(status any) *unstructured.Unstructured {
		made := &unstructured.Unstructured{Object: map[string]any{"status": status}}
		made.SetNamespace("shop")
		made.SetName("web")
		return made
	}
	event := control.Event{New: template(map[string]any{"replicas": int64(1)})}
	event.GVK.Kind = "Deployment"
	want := control.Key{Namespace: "shop", Name: "web-deployment"}
	if keys := onTemplate(t.Context(), nil, event); len(keys) != 1 || keys[0] != want {
		t.Errorf("a new template wakes %v, want %v", keys, want)
	}
	event.Old = template(map[string]any{"replicas": int64(2)})
	if keys := onTemplate(t.Context(), nil, event); len(keys) != 1 || keys[0] != want {
		t.Errorf("a written status wakes %v, want %v", keys, want)
	}
	event.Old = template(map[string]any{"replicas": int64(1)})
	if keys := onTemplate(t.Context(), nil, event); len(keys) != 0 {
		t.Errorf("a change of the rest wakes %v", keys)
	}
	event.Old, event.New = event.New, nil
	if keys := onTemplate(t.Context(), nil, event); len(keys) != 0 {
		t.Errorf("the end of a template wakes %v", keys)
	}
}

// TestProgress: what somebody waits for is written at once.
func TestProgress(t *testing.T) {
	type items = []workv1alpha2.AggregatedStatusItem
	item := func(cluster string, health workv1alpha2.ResourceHealth) workv1alpha2.AggregatedStatusItem {
		return workv1alpha2.AggregatedStatusItem{ClusterName: cluster, Applied: true, Health: health}
	}
	const healthy, ill, unknown = workv1alpha2.ResourceHealthy, workv1alpha2.ResourceUnhealthy, workv1alpha2.ResourceUnknown
	refused := workv1alpha2.AggregatedStatusItem{ClusterName: "b", AppliedMessage: "no room", Health: unknown}
	for _, c := range []struct {
		name           string
		before, after  items
		held, unjudged bool
		want           bool
	}{
		{"scheduled", nil, nil, false, false, true},
		{"one has it", nil, items{item("a", unknown)}, false, false, true},
		{"all have it", nil, items{item("a", unknown), item("b", unknown)}, false, false, true},
		{"all have what cannot be ill", nil, items{item("a", unknown), item("b", unknown)}, false, true, false},
		{"one is healthy", items{item("a", ill), item("b", ill)}, items{item("a", healthy), item("b", ill)}, false, false, true},
		{"one is healthy while others wait", items{item("a", ill), item("b", ill)}, items{item("a", healthy), item("b", ill)}, true, false, false},
		{"all are healthy", items{item("a", healthy), item("b", ill)}, items{item("a", healthy), item("b", healthy)}, false, false, false},
		{"all are healthy still", items{item("a", healthy), item("b", healthy)}, items{item("a", healthy), item("b", healthy)}, false, false, true},
		{"one fails", items{item("a", healthy), item("b", ill)}, items{item("a", ill), item("b", ill)}, false, false, false},
		{"one refuses", items{item("a", ill)}, items{item("a", ill), refused}, false, false, false},
		{"one refuses still", items{item("a", ill), refused}, items{item("a", ill), refused}, false, false, true},
		{"one has left", items{item("a", ill), item("c", ill)}, items{item("a", ill)}, false, false, false},
	} {
		bound := web("a", "b")
		bound.Status.AggregatedStatus = c.before
		if c.held {
			bound.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "c"}}
		}
		if got := progress(bound, c.after, !c.unjudged); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
	bound := web("a", "b")
	bound.Status.Conditions = []metav1.Condition{{Type: names.ConditionFullyApplied, Status: metav1.ConditionTrue}}
	if progress(bound, items{item("a", healthy)}, true) {
		t.Error("a binding that is not fully applied any more says so later")
	}
}

// TestStaleTemplateIsWrittenOnce: the view does not show yet what the turn before wrote to a template, which is no reason to write
// it again. What another writes over it is mended.
func TestStaleTemplateIsWrittenOnce(t *testing.T) {
	plane := byhand.New(t, New(1))
	template := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	template.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	template.Spec.Template.Labels = template.Spec.Selector.MatchLabels
	template.Spec.Template.Spec.Containers = []corev1.Container{{Name: "nginx", Image: "nginx"}}
	plane.Create(template)
	bound := web("m1")
	bound.SetNamespace("default")
	bound.Spec.Resource.Namespace = "default"
	plane.Create(bound.Object)
	plane.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace("m1")}})
	carrier := work("m1", metav1.ConditionTrue, "")
	carrier.Labels = map[string]string{bound.IDLabel(): bound.ID()}
	carrier.Annotations = map[string]string{names.AnnotationResourceBindingNamespace: "default", names.AnnotationResourceBindingName: bound.GetName()}
	carrier.Status.ManifestStatuses[1].Identifier.Namespace = "default"
	reported := carrier.Status
	plane.Create(&carrier)
	carrier.Status = reported
	carrier.Status.Conditions[0].Reason, carrier.Status.Conditions[0].LastTransitionTime = names.ReasonWorkApplied, metav1.Now()
	plane.Must(plane.Store.Status().Update(t.Context(), &carrier))
	stale, writes := &unstructured.Unstructured{}, 0
	stale.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
	plane.Must(plane.Store.Get(t.Context(), client.ObjectKeyFromObject(template), stale))
	plane.Client = interceptor.NewClient(plane.Store, interceptor.Funcs{
		Get: func(ctx context.Context, from client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if tree, ok := object.(*unstructured.Unstructured); ok && stale != nil {
				tree.Object = stale.DeepCopy().Object
				return nil
			}
			return from.Get(ctx, key, object, options...)
		},
		SubResourcePatch: func(ctx context.Context, to client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if object.GetObjectKind().GroupVersionKind().Kind == "Deployment" {
				writes++
			}
			return to.Status().Patch(ctx, object, patch, options...)
		},
	})
	key := control.KeyOf(bound)
	for range 3 {
		plane.Turn(key)
	}
	if writes != 1 {
		t.Errorf("the status of the template was written %d times", writes)
	}
	stale = nil
	plane.Read(template)
	if template.Status.Replicas != 1 {
		t.Fatalf("%d replicas in the status of the template, want 1", template.Status.Replicas)
	}
	template.Status = appsv1.DeploymentStatus{}
	plane.Must(plane.Store.Status().Update(t.Context(), template))
	plane.Turn(key)
	if plane.Read(template); template.Status.Replicas != 1 {
		t.Error("the status of the template stays as another left it")
	}
}
