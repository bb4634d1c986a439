package conformance

import (
	"context"
	"net/http"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func moreCases() []Case {
	return []Case{
		{"scale of a deployment", scaleDeployment},
		{"scale of a custom resource", scaleCustom},
		{"strategic patch of finalizers and owners", strategicMetadata},
		{"strategic patch of a status", strategicStatus},
		{"patch adds no finalizers while deleting", patchDeleting},
		{"builtin kinds drop unknown fields", unknownOfBuiltin},
		{"string data of a secret", secretStringData},
		{"defaults of a service and an autoscaler", defaultsOfServices},
		{"delete all of a kind in dry run", deleteAllDryRun},
		{"pages of a selection do not count the rest", pagesOfSelection},
		{"foreground deletion without dependents", collectNothing},
		{"owners in another namespace do not count", collectAcross},
		{"events are created by update", eventByUpdate},
		{"the kind of the caller survives an update", kindSurvives},
		{"nulls in a patch of a custom resource remove", patchRemoves},
	}
}

func scaleDeployment(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, deployment(env, "a"))
	scale := &autoscalingv1.Scale{}
	must(t, env.Client.SubResource("scale").Get(ctx, object, scale))
	equal(t, "replicas", scale.Spec.Replicas, 0)
	equal(t, "selector", scale.Status.Selector, "app=a")
	equal(t, "uid", scale.UID, object.UID)
	equal(t, "resource version", scale.ResourceVersion, object.ResourceVersion)
	scale.Spec.Replicas = 3
	must(t, env.Client.SubResource("scale").Update(ctx, object, client.WithSubResourceBody(scale)))
	equal(t, "replicas in the answer", scale.Spec.Replicas, 3)
	read := reload(ctx, t, env, object)
	equal(t, "replicas of the deployment", *read.Spec.Replicas, 3)
	equal(t, "generation", read.Generation, 2)
	stale := scale.DeepCopy()
	stale.ResourceVersion = object.ResourceVersion
	conflict(t, env.Client.SubResource("scale").Update(ctx, object, client.WithSubResourceBody(stale)))
	stale.ResourceVersion = ""
	stale.Spec.Replicas = 4
	must(t, env.Client.SubResource("scale").Update(ctx, object, client.WithSubResourceBody(stale)))
	stale.Spec.Replicas = -1
	invalid(t, env.Client.SubResource("scale").Update(ctx, object, client.WithSubResourceBody(stale)), "spec.replicas")
	must(t, env.Client.SubResource("scale").Patch(ctx, object, mergeOf(`{"spec":{"replicas":5}}`),
		client.WithSubResourceBody(scale)))
	equal(t, "replicas after a patch", *reload(ctx, t, env, object).Spec.Replicas, 5)
	notFound(t, env.Client.SubResource("scale").Get(ctx, deployment(env, "none"), scale))
	notFound(t, env.Client.SubResource("scale").Get(ctx, created(ctx, t, env, configMap(env, "a")), scale))
}

func scaleCustom(ctx context.Context, t *testing.T, env Env) {
	version := anyVersion("v1", true)
	version.Schema.OpenAPIV3Schema.Properties["spec"].Properties["size"] = apiextensionsv1.JSONSchemaProps{Type: "integer"}
	version.Subresources = &apiextensionsv1.CustomResourceSubresources{
		Scale: &apiextensionsv1.CustomResourceSubresourceScale{
			SpecReplicasPath: ".spec.size", StatusReplicasPath: ".status.size", LabelSelectorPath: ptr.To(".status.selector"),
		},
	}
	crd := definition("Sized"+env.Namespace, "sized"+env.Namespace, version)
	object := defineAndCreate(ctx, t, env, crd, map[string]any{"size": int64(2)})
	object.Object["status"] = map[string]any{"size": int64(1), "selector": "app=x"}
	must(t, env.Client.Update(ctx, object))
	scale := &unstructured.Unstructured{Object: map[string]any{}}
	scale.SetGroupVersionKind(autoscalingv1.SchemeGroupVersion.WithKind("Scale"))
	must(t, env.Client.SubResource("scale").Get(ctx, object, scale))
	for path, want := range map[string]any{
		"spec.replicas": int64(2), "status.replicas": int64(1), "status.selector": "app=x", "kind": "Scale",
	} {
		got, _, _ := unstructured.NestedFieldNoCopy(scale.Object, strings.Split(path, ".")...)
		equal(t, path, got, want)
	}
	must(t, unstructured.SetNestedField(scale.Object, int64(7), "spec", "replicas"))
	must(t, env.Client.SubResource("scale").Update(ctx, object, client.WithSubResourceBody(scale)))
	must(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), object))
	size, _, _ := unstructured.NestedInt64(object.Object, "spec", "size")
	equal(t, "size", size, 7)
	must(t, env.Client.Delete(ctx, crd))
}

func strategicOf(text string) client.Patch {
	return client.RawPatch(types.StrategicMergePatchType, []byte(text))
}

func strategicMetadata(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, held(env, "a"))
	must(t, env.Client.Patch(ctx, object, strategicOf(`{"metadata":{"finalizers":["example.com/b"]}}`)))
	equal(t, "finalizers merged", len(object.Finalizers), 2)
	must(t, env.Client.Patch(ctx, object, strategicOf(`{"metadata":{"$deleteFromPrimitiveList/finalizers":["`+hold+`"]}}`)))
	equalStrings(t, "finalizers left", object.Finalizers, []string{"example.com/b"})
	first, second := created(ctx, t, env, configMap(env, "o1")), created(ctx, t, env, configMap(env, "o2"))
	for _, owner := range []*corev1.ConfigMap{first, second} {
		must(t, env.Client.Patch(ctx, object, strategicOf(`{"metadata":{"ownerReferences":[{"apiVersion":"v1",`+
			`"kind":"ConfigMap","name":"`+owner.Name+`","uid":"`+string(owner.UID)+`"}]}}`)))
	}
	equal(t, "owners", len(object.OwnerReferences), 2)
	must(t, env.Client.Patch(ctx, object,
		strategicOf(`{"metadata":{"ownerReferences":[{"$patch":"delete","uid":"`+string(first.UID)+`"}]}}`)))
	equal(t, "owners left", len(object.OwnerReferences), 1)
	equal(t, "owner left", object.OwnerReferences[0].Name, "o2")
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"metadata":{"finalizers":null}}`)))
}

func strategicStatus(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, deployment(env, "a"))
	object.Status.Conditions = []appsv1.DeploymentCondition{{Type: "Available", Status: "False"}, {Type: "Other", Status: "True"}}
	must(t, env.Client.Status().Update(ctx, object))
	must(t, env.Client.Status().Patch(ctx, object, strategicOf(
		`{"spec":{"replicas":9},"status":{"replicas":1,"conditions":[{"type":"Available","status":"True"}]}}`)))
	equal(t, "conditions", len(object.Status.Conditions), 2)
	equal(t, "replicas", *object.Spec.Replicas, 0)
	equal(t, "observed replicas", object.Status.Replicas, 1)
	equal(t, "generation", object.Generation, 1)
}

func patchDeleting(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, held(env, "a"))
	must(t, env.Client.Delete(ctx, object))
	err := env.Client.Patch(ctx, object.DeepCopy(), strategicOf(`{"metadata":{"finalizers":["example.com/late"]}}`))
	invalid(t, err, "metadata.finalizers")
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"data":{"k":"w"},"metadata":{"labels":{"l":"1"}}}`)))
	equal(t, "data", object.Data["k"], "w")
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"metadata":{"finalizers":[]}}`)))
	notFound(t, env.Client.Patch(ctx, object, mergeOf(`{"data":{"k":"x"}}`)))
}

func unknownOfBuiltin(ctx context.Context, t *testing.T, env Env) {
	object := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"k": "v"}, "unknown": "x"}}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	object.SetNamespace(env.Namespace)
	object.SetName("a")
	created(ctx, t, env, object)
	if _, found := object.Object["unknown"]; found {
		t.Fatal("an unknown field was kept")
	}
	must(t, unstructured.SetNestedField(object.Object, int64(7), "data", "k"))
	refused(t, env.Client.Update(ctx, object), http.StatusBadRequest, metav1.StatusReasonBadRequest)
}

func secretStringData(ctx context.Context, t *testing.T, env Env) {
	secret := &corev1.Secret{Data: map[string][]byte{"k": []byte("v"), "b": []byte("1")}}
	secret.Namespace, secret.Name = env.Namespace, "a"
	created(ctx, t, env, secret)
	secret.StringData = map[string]string{"k": "w"}
	must(t, env.Client.Update(ctx, secret))
	equal(t, "overwritten", string(secret.Data["k"]), "w")
	equal(t, "kept", string(secret.Data["b"]), "1")
	equal(t, "string data", len(secret.StringData), 0)
	secret.Type = corev1.SecretTypeBasicAuth
	invalid(t, env.Client.Update(ctx, secret), "type")
}

func defaultsOfServices(ctx context.Context, t *testing.T, env Env) {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "a"}}
	service.Spec = corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{{Port: 80}}, Selector: labelsOf("a")}
	created(ctx, t, env, service)
	equal(t, "type", service.Spec.Type, corev1.ServiceTypeClusterIP)
	equal(t, "affinity", service.Spec.SessionAffinity, corev1.ServiceAffinityNone)
	equal(t, "protocol", service.Spec.Ports[0].Protocol, corev1.ProtocolTCP)
	equal(t, "target port", service.Spec.Ports[0].TargetPort, intstr.FromInt32(80))
	equal(t, "internal traffic", *service.Spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	equal(t, "generation", service.Generation, 0)
	scaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "a"}}
	scaler.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "a"}
	scaler.Spec.MaxReplicas = 3
	created(ctx, t, env, scaler)
	equal(t, "least replicas", *scaler.Spec.MinReplicas, 1)
	equal(t, "metrics", len(scaler.Spec.Metrics), 1)
	equal(t, "utilization", *scaler.Spec.Metrics[0].Resource.Target.AverageUtilization, 80)
}

func deleteAllDryRun(ctx context.Context, t *testing.T, env Env) {
	labelled(ctx, t, env, "a", "b")
	must(t, env.Client.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(env.Namespace), client.DryRunAll))
	list := &corev1.ConfigMapList{}
	must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.HasLabels{"case"}))
	equalStrings(t, "names left", namesOf(list), []string{"a", "b"})
	must(t, env.Client.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(env.Namespace),
		client.MatchingFields{"metadata.name": "a"}))
	must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.HasLabels{"case"}))
	equalStrings(t, "names left after a selection", namesOf(list), []string{"b"})
}

func pagesOfSelection(ctx context.Context, t *testing.T, env Env) {
	labelled(ctx, t, env, "a", "b", "c", "d")
	list := &corev1.ConfigMapList{}
	must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.MatchingLabels{"odd": "true"}, client.Limit(1)))
	equalStrings(t, "first page", namesOf(list), []string{"b"})
	if list.Continue == "" || list.RemainingItemCount != nil {
		t.Fatalf("token %q, remaining %v", list.Continue, list.RemainingItemCount)
	}
	next := &corev1.ConfigMapList{}
	must(t, env.Client.List(ctx, next, client.InNamespace(env.Namespace), client.MatchingLabels{"odd": "true"},
		client.Continue(list.Continue)))
	equalStrings(t, "second page", namesOf(next), []string{"d"})
}

func collectNothing(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a"))
	must(t, env.Client.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	gone(ctx, t, env, object)
}

func collectAcross(ctx context.Context, t *testing.T, env Env) {
	inner, _ := newSpace(ctx, t, env, "-across")
	owner := created(ctx, t, env, configMap(env, "owner"))
	gone(ctx, t, env, created(ctx, t, inner, ownedBy(inner, "dependent", owner)))
	equal(t, "owner", reload(ctx, t, env, owner).UID, owner.UID)
}

func eventByUpdate(ctx context.Context, t *testing.T, env Env) {
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "a"}}
	event.InvolvedObject = corev1.ObjectReference{Kind: "ConfigMap", Namespace: env.Namespace, Name: "x"}
	event.Reason, event.Type = "Test", corev1.EventTypeNormal
	must(t, env.Client.Update(ctx, event))
	events := &corev1.EventList{}
	must(t, env.Client.List(ctx, events, client.InNamespace(env.Namespace), client.MatchingFields{"involvedObject.name": "x"}))
	equalStrings(t, "events", namesOf(events), []string{"a"})
}

func kindSurvives(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	equal(t, "kind after create", object.Kind, "")
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"data":{"k":"w"}}`)))
	equal(t, "kind after a patch", object.Kind, "ConfigMap")
	again := configMap(env, "b")
	again.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	must(t, env.Client.Create(ctx, again))
	must(t, env.Client.Get(ctx, client.ObjectKeyFromObject(again), again))
	equal(t, "kind after a read", again.Kind, "")
}

func patchRemoves(ctx context.Context, t *testing.T, env Env) {
	object := widget(env, "a")
	object.Spec.Tags = []string{"x"}
	object.Spec.Min = ptr.To[int32](1)
	created(ctx, t, env, object)
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"spec":{"tags":null,"min":null}}`)))
	if object.Spec.Tags != nil || object.Spec.Min != nil {
		t.Fatalf("nulls removed nothing: %+v", object.Spec)
	}
	equal(t, "generation", object.Generation, 2)
	must(t, env.Client.Patch(ctx, object, jsonOf(`[{"op":"replace","path":"/spec","value":{"mode":"Manual"}}]`)))
	equal(t, "replicas after a whole new spec", *object.Spec.Replicas, 1)
}
