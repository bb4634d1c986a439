package conformance

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func statusCases() []Case {
	return []Case{
		{"create drops the status", statusDroppedOnCreate},
		{"update leaves the status alone", statusIgnoredByUpdate},
		{"patch leaves the status alone", statusIgnoredByPatch},
		{"status update leaves everything else alone", statusUpdateIsolated},
		{"status patch leaves everything else alone", statusPatchIsolated},
		{"status update of a builtin kind", statusOfBuiltin},
		{"status update of a deployment keeps labels", statusOfDeployment},
		{"status of a pod", statusOfPod},
		{"status of a kind without one", statusMissing},
		{"status update is validated", statusValidated},
		{"generation follows the spec", generationFollowsSpec},
		{"generation of a deployment follows annotations too", generationOfDeployment},
		{"generation by kind", generationByKind},
	}
}

func statusDroppedOnCreate(ctx context.Context, t *testing.T, env Env) {
	custom := widget(env, "a")
	custom.Status.Ready = 3
	created(ctx, t, env, custom)
	equal(t, "status of a custom resource", custom.Status.Ready, 0)
	object := deployment(env, "a")
	object.Status.Replicas = 3
	created(ctx, t, env, object)
	equal(t, "status of a deployment", object.Status.Replicas, 0)
	node := &corev1.Node{}
	node.Name = "node-" + env.Namespace
	node.Status.Phase = corev1.NodeRunning
	created(ctx, t, env, node)
	equal(t, "status of a node", node.Status.Phase, corev1.NodeRunning)
	must(t, env.Client.Delete(ctx, node))
}

func statusIgnoredByUpdate(ctx context.Context, t *testing.T, env Env) {
	custom := created(ctx, t, env, widget(env, "a"))
	custom.Status.Ready = 3
	must(t, env.Client.Status().Update(ctx, custom))
	custom.Status.Ready = 4
	custom.Spec.Mode = "Manual"
	must(t, env.Client.Update(ctx, custom))
	equal(t, "status", custom.Status.Ready, 3)
	equal(t, "mode", custom.Spec.Mode, "Manual")
	revision := custom.ResourceVersion
	custom.Status.Ready = 5
	must(t, env.Client.Update(ctx, custom))
	equal(t, "resource version after a change of the status alone", custom.ResourceVersion, revision)
}

func statusIgnoredByPatch(ctx context.Context, t *testing.T, env Env) {
	custom := created(ctx, t, env, widget(env, "a"))
	must(t, env.Client.Patch(ctx, custom, mergeOf(`{"spec":{"mode":"Manual"},"status":{"ready":2}}`)))
	equal(t, "status", custom.Status.Ready, 0)
	equal(t, "mode", custom.Spec.Mode, "Manual")
}

func statusUpdateIsolated(ctx context.Context, t *testing.T, env Env) {
	custom := created(ctx, t, env, widget(env, "a"))
	custom.Status.Ready = 2
	custom.Spec.Mode = "Manual"
	custom.Labels = map[string]string{"l": "1"}
	custom.Annotations = map[string]string{"a": "1"}
	custom.Finalizers = []string{hold}
	must(t, env.Client.Status().Update(ctx, custom))
	equal(t, "status", custom.Status.Ready, 2)
	equal(t, "mode", custom.Spec.Mode, "Auto")
	equal(t, "metadata", len(custom.Labels)+len(custom.Annotations)+len(custom.Finalizers), 0)
	equal(t, "generation", custom.Generation, 1)
	read := reload(ctx, t, env, custom)
	equal(t, "stored status", read.Status.Ready, 2)
	equal(t, "stored mode", read.Spec.Mode, "Auto")
}

func statusPatchIsolated(ctx context.Context, t *testing.T, env Env) {
	custom := created(ctx, t, env, widget(env, "a"))
	must(t, env.Client.Status().Patch(ctx, custom,
		mergeOf(`{"metadata":{"labels":{"l":"1"}},"spec":{"mode":"Manual"},"status":{"ready":2}}`)))
	equal(t, "status", custom.Status.Ready, 2)
	equal(t, "mode", custom.Spec.Mode, "Auto")
	equal(t, "labels", len(custom.Labels), 0)
	before := custom.DeepCopyObject().(*Widget)
	custom.Status.Phase = "Ready"
	must(t, env.Client.Status().Patch(ctx, custom, client.MergeFrom(before)))
	equal(t, "phase", reload(ctx, t, env, custom).Status.Phase, "Ready")
}

func statusOfBuiltin(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, ingress(env, "a"))
	object.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
	object.Spec.Rules[0].Host = "changed.example.com"
	object.Labels = map[string]string{"l": "1"}
	must(t, env.Client.Status().Update(ctx, object))
	equal(t, "status", object.Status.LoadBalancer.Ingress[0].IP, "192.0.2.1")
	equal(t, "host", object.Spec.Rules[0].Host, "a.example.com")
	equal(t, "label set through the status of a builtin kind", object.Labels["l"], "1")
	object.Status.LoadBalancer.Ingress = nil
	object.Spec.Rules[0].Host = "b.example.com"
	must(t, env.Client.Update(ctx, object))
	equal(t, "status after an update", len(object.Status.LoadBalancer.Ingress), 1)
	equal(t, "generation", object.Generation, 2)
}

func statusOfDeployment(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, deployment(env, "a"))
	object.Labels = map[string]string{"l": "1"}
	object.Annotations = map[string]string{"a": "1"}
	object.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 2, UpdatedReplicas: 2}
	must(t, env.Client.Status().Update(ctx, object))
	equal(t, "labels", len(object.Labels), 0)
	equal(t, "annotation", object.Annotations["a"], "1")
	equal(t, "replicas", object.Status.Replicas, 2)
	equal(t, "generation", object.Generation, 1)
}

func statusOfPod(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, pod(env, "a"))
	equal(t, "phase", object.Status.Phase, corev1.PodPending)
	equal(t, "quality of service", object.Status.QOSClass, corev1.PodQOSBestEffort)
	object.Status = corev1.PodStatus{Phase: corev1.PodRunning}
	must(t, env.Client.Status().Update(ctx, object))
	equal(t, "phase after an update", object.Status.Phase, corev1.PodRunning)
	equal(t, "quality of service after an update", object.Status.QOSClass, corev1.PodQOSBestEffort)
	object.Spec.Containers[0].Image = "main:2"
	must(t, env.Client.Update(ctx, object))
	equal(t, "generation", object.Generation, 2)
	object.Spec.RestartPolicy = corev1.RestartPolicyNever
	invalid(t, env.Client.Update(ctx, object), "spec")
}

func statusMissing(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a"))
	notFound(t, env.Client.Status().Update(ctx, object))
	notFound(t, env.Client.Status().Patch(ctx, object, mergeOf(`{}`)))
}

func statusValidated(ctx context.Context, t *testing.T, env Env) {
	custom := created(ctx, t, env, widget(env, "a"))
	custom.Status.Ready = -1
	invalid(t, env.Client.Status().Update(ctx, custom), "status.ready")
	equal(t, "status", reload(ctx, t, env, custom).Status.Ready, 0)
}

func generationFollowsSpec(ctx context.Context, t *testing.T, env Env) {
	custom := created(ctx, t, env, widget(env, "a"))
	equal(t, "generation of a new object", custom.Generation, 1)
	custom.Labels = map[string]string{"l": "1"}
	custom.Annotations = map[string]string{"a": "1"}
	custom.Generation = 9
	must(t, env.Client.Update(ctx, custom))
	equal(t, "generation after a change of metadata", custom.Generation, 1)
	custom.Spec.Replicas = ptr.To[int32](7)
	must(t, env.Client.Update(ctx, custom))
	equal(t, "generation after a change of the spec", custom.Generation, 2)
	custom.Status.Ready = 1
	must(t, env.Client.Status().Update(ctx, custom))
	equal(t, "generation after a change of the status", custom.Generation, 2)
}

func generationOfDeployment(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, deployment(env, "a"))
	equal(t, "generation", object.Generation, 1)
	object.Labels = map[string]string{"l": "1"}
	must(t, env.Client.Update(ctx, object))
	equal(t, "generation after labels", object.Generation, 1)
	object.Annotations = map[string]string{"a": "1"}
	must(t, env.Client.Update(ctx, object))
	equal(t, "generation after annotations", object.Generation, 2)
	object.Spec.Replicas = ptr.To[int32](3)
	must(t, env.Client.Update(ctx, object))
	equal(t, "generation after the spec", object.Generation, 3)
}

func generationByKind(ctx context.Context, t *testing.T, env Env) {
	secret := &corev1.Secret{StringData: map[string]string{"k": "v"}}
	secret.Namespace, secret.Name = env.Namespace, "a"
	created(ctx, t, env, secret)
	equal(t, "generation of a secret", secret.Generation, 0)
	equal(t, "type of a secret", secret.Type, corev1.SecretTypeOpaque)
	equal(t, "data of a secret", string(secret.Data["k"]), "v")
	account := &corev1.ServiceAccount{}
	account.Namespace, account.Name = env.Namespace, "a"
	created(ctx, t, env, account)
	equal(t, "generation of a service account", account.Generation, 0)
	equal(t, "generation of a pod", created(ctx, t, env, pod(env, "b")).Generation, 1)
	equal(t, "generation of an ingress", created(ctx, t, env, ingress(env, "b")).Generation, 1)
}
