package dependencies

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

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

// needs is an interpreter that knows dependencies only.
type needs struct {
	interpreter.Interpreter
	found   []configv1alpha1.DependentObjectReference
	failure error
}

func (*needs) Supports(_ schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	return operation == configv1alpha1.InterpreterOperationInterpretDependency
}

func (n *needs) Dependencies(context.Context, *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error) {
	return n.found, n.failure
}

func needed(kind, name string) configv1alpha1.DependentObjectReference {
	return configv1alpha1.DependentObjectReference{APIVersion: "v1", Kind: kind, Namespace: "default", Name: name}
}

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
}

// parent makes a template with the binding of one that propagates dependencies.
func parent(plane *byhand.Plane, name string, clusters ...string) *workv1alpha2.ResourceBinding {
	plane.Create(configMap(name))
	made := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name + "-configmap"}}
	made.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", Name: name}
	made.Spec.PropagateDeps, made.Spec.Placement = true, &policyv1alpha1.Placement{}
	for _, cluster := range clusters {
		made.Spec.Clusters = append(made.Spec.Clusters, workv1alpha2.TargetCluster{Name: cluster})
	}
	plane.Create(made)
	return made
}

func attachedTo(name string) *workv1alpha2.ResourceBinding {
	return &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name + "-configmap"}}
}

// TestAttachedBinding holds what an attached binding says of whom it is for, as the reference has it.
func TestAttachedBinding(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	plane.Interpreter = &needs{found: []configv1alpha1.DependentObjectReference{needed("ConfigMap", "settings"), needed("ConfigMap", "missing"), needed("ConfigMap", "settings")}}
	settings := configMap("settings")
	plane.Create(settings)
	made := parent(plane, "web", "m1", "m2")
	for _, leaving := range []struct {
		cluster string
		how     policyv1alpha1.PurgeMode
	}{{"m3", policyv1alpha1.PurgeModeGracefully}, {"m4", policyv1alpha1.PurgeModeDirectly}, {"m1", policyv1alpha1.PurgeModeGracefully}} {
		made.Spec.GracefulEvictionTasks = append(made.Spec.GracefulEvictionTasks, workv1alpha2.GracefulEvictionTask{
			FromCluster: leaving.cluster, PurgeMode: leaving.how, Reason: names.EvictionReasonTaint, Producer: names.EvictionProducerTaint,
		})
	}
	plane.Must(plane.Store.Update(t.Context(), made))
	result := plane.Turn(control.KeyOf(made))
	if len(result.Sources) == 0 || result.Sources[0].GVK.Kind != "ConfigMap" || result.RequeueAfter != 0 {
		t.Errorf("result %+v, want to see ConfigMaps", result)
	}
	plane.Read(made)
	var noted []configv1alpha1.DependentObjectReference
	if err := json.Unmarshal([]byte(made.Annotations[names.AnnotationDependencies]), &noted); err != nil || len(noted) != 2 || noted[0].Name != "missing" {
		t.Errorf("noted %v, %v; want what is missing and the settings", noted, err)
	}
	if !slices.Contains(made.Finalizers, names.FinalizerDependenciesDistributor) {
		t.Errorf("finalizers %v", made.Finalizers)
	}
	attached := attachedTo("settings")
	plane.Read(attached)
	plane.Read(settings)
	want := workv1alpha2.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", Name: "settings", UID: settings.UID, ResourceVersion: settings.ResourceVersion}
	if attached.Spec.Resource != want || attached.Spec.Placement != nil || !metav1.IsControlledBy(attached, settings) || !slices.Contains(attached.Finalizers, names.FinalizerResourceBinding) {
		t.Errorf("attached binding %+v", attached)
	}
	if id := attached.Labels[names.DependedByLabel("default", "web-configmap")]; id == "" || id != made.Labels[names.LabelResourceBindingID] {
		t.Errorf("labels %v", attached.Labels)
	}
	var clusters []string
	for _, cluster := range attached.Spec.RequiredBy[0].Clusters {
		clusters = append(clusters, cluster.Name)
	}
	if !slices.Equal(clusters, []string{"m1", "m2", "m3"}) {
		t.Errorf("required in %v: want where the parent is, and where it leaves gracefully", clusters)
	}
	before := attached.ResourceVersion + " " + made.ResourceVersion
	plane.Turn(control.KeyOf(made))
	plane.Read(attached)
	plane.Read(made)
	if now := attached.ResourceVersion + " " + made.ResourceVersion; now != before {
		t.Errorf("a turn with nothing to do wrote: versions %s, before %s", now, before)
	}
}

// TestConflictOfParentsIsTold: whoever wants to overwrite or preserve gets it, and users learn that others want something else.
func TestConflictOfParentsIsTold(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	plane.Interpreter = &needs{found: []configv1alpha1.DependentObjectReference{needed("ConfigMap", "settings")}}
	plane.Create(configMap("settings"))
	meek, strong := parent(plane, "meek", "m1"), parent(plane, "strong", "m2")
	strong.Spec.ConflictResolution, strong.Spec.PreserveResourcesOnDeletion = policyv1alpha1.ConflictOverwrite, ptr.To(true)
	plane.Must(plane.Store.Update(t.Context(), strong))
	attached := attachedTo("settings")
	plane.Turn(control.KeyOf(meek))
	plane.Read(attached)
	if attached.Spec.ConflictResolution != policyv1alpha1.ConflictAbort || attached.Spec.PreserveResourcesOnDeletion != nil || plane.Told.Has(names.EventDependencyPolicyConflict, "") {
		t.Errorf("%s, %v; events:\n%s", attached.Spec.ConflictResolution, attached.Spec.PreserveResourcesOnDeletion, plane.Told)
	}
	plane.Turn(control.KeyOf(strong))
	plane.Read(attached)
	if attached.Spec.ConflictResolution != policyv1alpha1.ConflictOverwrite || !ptr.Deref(attached.Spec.PreserveResourcesOnDeletion, false) ||
		!plane.Told.Has(names.EventDependencyPolicyConflict, "1 of 2 want to overwrite, 1 to preserve") {
		t.Errorf("%s, %v; events:\n%s", attached.Spec.ConflictResolution, attached.Spec.PreserveResourcesOnDeletion, plane.Told)
	}
	plane.Read(strong)
	plane.Must(plane.Store.Delete(t.Context(), strong))
	plane.Turn(control.KeyOf(strong))
	plane.Read(attached)
	if attached.Spec.ConflictResolution != policyv1alpha1.ConflictAbort || attached.Spec.PreserveResourcesOnDeletion != nil || len(attached.Spec.RequiredBy) != 1 {
		t.Errorf("without the strong parent: %+v", attached.Spec)
	}
	if err := plane.Store.Get(t.Context(), client.ObjectKeyFromObject(strong), strong); !apierrors.IsNotFound(err) {
		t.Errorf("the parent is not let go: %v", err)
	}
}

// TestParentGoneByForce: the finalizer was taken off, and nothing is left all the same.
func TestParentGoneByForce(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	plane.Interpreter = &needs{found: []configv1alpha1.DependentObjectReference{needed("ConfigMap", "settings")}}
	plane.Create(configMap("settings"))
	made := parent(plane, "web", "m1")
	plane.Turn(control.KeyOf(made))
	plane.Read(made)
	made.Finalizers = nil
	plane.Must(plane.Store.Update(t.Context(), made))
	plane.Must(plane.Store.Delete(t.Context(), made))
	if keys := onBinding(t.Context(), plane.Store, control.Event{Old: made}); !slices.Contains(keys, control.KeyOf(made)) {
		t.Errorf("the end of a parent wakes %v", keys)
	}
	plane.Turn(control.KeyOf(made))
	attached := attachedTo("settings")
	plane.Read(attached)
	if attached.DeletionTimestamp.IsZero() {
		t.Error("the attached binding stays, and nobody needs it")
	}
}

// TestTroubleIsTold: what cannot be found out or attached stands on the parent and in an event, keeps nothing else from following,
// and loses nothing.
func TestTroubleIsTold(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	stub := &needs{found: []configv1alpha1.DependentObjectReference{needed("ConfigMap", "a"), needed("ConfigMap", "b"), needed("Boat", "nina")}}
	plane.Interpreter = stub
	plane.Create(configMap("a"), configMap("b"))
	made := parent(plane, "web", "m1")
	condition := func(says string) {
		t.Helper()
		plane.Read(made)
		told := meta.FindStatusCondition(made.Status.Conditions, names.ConditionDependenciesResolved)
		if says == "" && told != nil || says != "" && (told == nil || !strings.Contains(told.Message, says)) {
			t.Errorf("condition %v, want one that says %q", told, says)
		}
	}
	plane.Client = interceptor.NewClient(plane.Store, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if object.GetName() == "a-configmap" {
				return errors.New("no room for a")
			}
			return c.Create(ctx, object, options...)
		},
	})
	if _, err := plane.Try(control.KeyOf(made)); err == nil {
		t.Error("no error, want another turn")
	}
	condition("no room for a")
	plane.Read(attachedTo("b"))
	if !plane.Told.Has(names.EventSyncScheduleResultToDependenciesFailed, "no room for a") {
		t.Errorf("events:\n%s", plane.Told)
	}
	plane.Client = plane.Store
	if result := plane.Turn(control.KeyOf(made)); result.RequeueAfter != unknownKindRetry {
		t.Errorf("%+v: want a look for the kind that is not served", result)
	}
	condition("depends on Boat default/nina")
	plane.Read(attachedTo("a"))

	stub.failure = errors.New("the webhook hangs")
	if _, err := plane.Try(control.KeyOf(made)); err == nil {
		t.Error("no error, want another turn")
	}
	condition("the webhook hangs")
	if !plane.Told.Has(names.EventGetDependenciesFailed, "the webhook hangs") {
		t.Errorf("events:\n%s", plane.Told)
	}
	plane.Read(attachedTo("b"))
	stub.failure, stub.found = nil, stub.found[:2]
	plane.Turn(control.KeyOf(made))
	condition("")
}

// TestWhatCannotBeLookedUpStays: labels that cannot be read hold back nothing else, and cost nothing that they brought along.
func TestWhatCannotBeLookedUpStays(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	byLabels := func(operator metav1.LabelSelectorOperator) configv1alpha1.DependentObjectReference {
		return configv1alpha1.DependentObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", LabelSelector: &metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "part-of", Operator: operator, Values: []string{"web"}}},
		}}
	}
	stub := &needs{found: []configv1alpha1.DependentObjectReference{byLabels(metav1.LabelSelectorOpIn)}}
	plane.Interpreter = stub
	labelled := configMap("labelled")
	labelled.Labels = map[string]string{"part-of": "web"}
	key := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "key"}}
	plane.Create(labelled, key)
	made := parent(plane, "web", "m1")
	plane.Turn(control.KeyOf(made))
	plane.Read(attachedTo("labelled"))
	stub.found = []configv1alpha1.DependentObjectReference{byLabels("Near"), needed("Secret", "key")}
	if _, err := plane.Try(control.KeyOf(made)); err == nil || !strings.Contains(err.Error(), "the labels of dependency ConfigMap default by labels") {
		t.Errorf("error %v", err)
	}
	attached := attachedTo("labelled")
	plane.Read(attached)
	if !attached.DeletionTimestamp.IsZero() || len(attached.Spec.RequiredBy) != 1 {
		t.Errorf("what the labels brought along is let go: %+v", attached)
	}
	if _, err := binding.Get(t.Context(), plane.Store, types.NamespacedName{Namespace: "default", Name: "key-secret"}); err != nil {
		t.Errorf("the other dependency: %v", err)
	}
}

// TestExplicitDependencies: users name objects of the template's own namespace, and no others.
func TestExplicitDependencies(t *testing.T) {
	for _, c := range []struct{ text, want, says string }{
		{"", "", ""},
		{`[]`, "", ""},
		{`[{"apiVersion":"v1","kind":"Secret","name":"key"}]`, "Secret default/key", ""},
		{`[{"apiVersion":"v1","kind":"Secret","namespace":"default","name":"key"}]`, "Secret default/key", ""},
		{`[{"apiVersion":"v1","kind":"Secret","labelSelector":{"matchLabels":{"a":"b"}}}]`, "Secret default by labels", ""},
		{`[{"apiVersion":"v1","kind":"Secret"}]`, "", ""},
		{`[{"apiVersion":"v1","kind":"Event","name":"e"}]`, "", ""},
		{`[{"apiVersion":"v1","kind":"Secret","namespace":"other","name":"key"}]`, "", "another namespace"},
		{`{"kind":"Secret"}`, "", names.AnnotationDependencies},
	} {
		template := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
		template.SetNamespace("default")
		template.SetName("web")
		if c.text != "" {
			template.SetAnnotations(map[string]string{names.AnnotationDependencies: c.text})
		}
		found, err := (&distributor{}).references(t.Context(), control.Deps{Interpreter: interpreter.Chain{}}, template)
		if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q", c.text, err, c.says)
		}
		var got []string
		for _, entry := range found {
			got = append(got, entry.String())
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %v, want %s", c.text, got, c.want)
		}
	}
}

// TestSkippedKindsDoNotFollow: what is never propagated does not follow either.
func TestSkippedKindsDoNotFollow(t *testing.T) {
	apis, err := policy.ParseAPIs("v1/Secret")
	if err != nil {
		t.Fatal(err)
	}
	plane := byhand.New(t, New(Options{Skipped: policy.Skipped{APIs: apis}}))
	plane.Interpreter = &needs{found: []configv1alpha1.DependentObjectReference{needed("Secret", "key"), needed("ConfigMap", "settings")}}
	plane.Create(configMap("settings"), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "key"}})
	made := parent(plane, "web", "m1")
	plane.Turn(control.KeyOf(made))
	plane.Read(attachedTo("settings"))
	if _, err := binding.Get(t.Context(), plane.Store, types.NamespacedName{Namespace: "default", Name: "key-secret"}); !apierrors.IsNotFound(err) {
		t.Errorf("the binding of a skipped kind: %v", err)
	}
}

// TestObjectsWakeThoseWhoNeedThem: by name and by labels, in their own namespace, and not for what members cannot notice.
func TestObjectsWakeThoseWhoNeedThem(t *testing.T) {
	plane := byhand.New(t, New(Options{}))
	plane.Interpreter = &needs{found: []configv1alpha1.DependentObjectReference{needed("ConfigMap", "settings"), {
		APIVersion: "v1", Kind: "Secret", Namespace: "default", LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
	}}}
	made := parent(plane, "web", "m1")
	plane.Turn(control.KeyOf(made))
	object := func(namespace, name, mode string) *unstructured.Unstructured {
		made := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"mode": mode}}}
		made.SetNamespace(namespace)
		made.SetName(name)
		return made
	}
	for _, c := range []struct {
		name, kind string
		old, now   *unstructured.Unstructured
		wakes      bool
	}{
		{"a new one", "ConfigMap", nil, object("default", "settings", "1"), true},
		{"one that is gone", "ConfigMap", object("default", "settings", "1"), nil, true},
		{"other content", "ConfigMap", object("default", "settings", "1"), object("default", "settings", "2"), true},
		{"the same content", "ConfigMap", object("default", "settings", "1"), object("default", "settings", "1"), false},
		{"another name", "ConfigMap", nil, object("default", "other", "1"), false},
		{"another namespace", "ConfigMap", nil, object("other", "settings", "1"), false},
		{"any by labels", "Secret", nil, object("default", "any", "1"), true},
	} {
		event := control.Event{GVK: corev1.SchemeGroupVersion.WithKind(c.kind)}
		if c.old != nil {
			event.Old = c.old
		}
		if c.now != nil {
			event.New = c.now
		}
		if keys := onObject(t.Context(), plane.Store, event); slices.Contains(keys, control.KeyOf(made)) != c.wakes {
			t.Errorf("%s: wakes %v, want the parent: %t", c.name, keys, c.wakes)
		}
	}
}
