package conformance

import (
	"context"
	"encoding/json"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func builtinCases() []Case {
	return []Case{
		{"defaults of a deployment", defaultsOfDeployment},
		{"defaults of a stateful set, a daemon set and a job", defaultsOfOthers},
		{"defaults of a pod", defaultsOfPod},
		{"validation of a deployment", validationOfDeployment},
		{"selectors are immutable", selectorsImmutable},
		{"quantities have one spelling", quantities},
	}
}

func labelsOf(name string) map[string]string {
	return map[string]string{"app": name}
}

func template(name string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labelsOf(name)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "main:1"}}},
	}
}

func deployment(env Env, name string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](0), Template: template(name),
			Selector: &metav1.LabelSelector{MatchLabels: labelsOf(name)},
		},
	}
}

// pod makes a pod that no scheduler looks at.
func pod(env Env, name string) *corev1.Pod {
	object := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: name}, Spec: template(name).Spec}
	object.Spec.SchedulerName = "nobody"
	object.Spec.AutomountServiceAccountToken = ptr.To(false)
	return object
}

func ingress(env Env, name string) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: name},
		Spec:       networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: "a.example.com"}}},
	}
}

func job(env Env, name string) *batchv1.Job {
	object := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: name}}
	object.Spec.Template = template(name)
	object.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	object.Spec.Suspend = ptr.To(true)
	return object
}

// asJSON compares what a server stored with what is expected, field by field in JSON.
func asJSON(t *testing.T, what string, got any, want string) {
	t.Helper()
	encoded, err := json.Marshal(got)
	must(t, err)
	equal(t, what, string(encoded), want)
}

const defaultedPodSpec = `{"containers":[{"name":"main","image":"main:1","resources":{},` +
	`"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],` +
	`"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},` +
	`"schedulerName":"default-scheduler"}`

func defaultsOfDeployment(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, deployment(env, "a"))
	asJSON(t, "spec", object.Spec, `{"replicas":0,"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":`+
		`{"labels":{"app":"a"}},"spec":`+defaultedPodSpec+`},"strategy":{"type":"RollingUpdate","rollingUpdate":`+
		`{"maxUnavailable":"25%","maxSurge":"25%"}},"revisionHistoryLimit":10,"progressDeadlineSeconds":600}`)
	object = deployment(env, "b")
	object.Spec.Replicas = nil
	object.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	must(t, env.Client.Create(ctx, object, client.DryRunAll))
	equal(t, "replicas", *object.Spec.Replicas, 1)
	if object.Spec.Strategy.RollingUpdate != nil {
		t.Fatal("a recreated deployment rolls")
	}
}

func defaultsOfOthers(ctx context.Context, t *testing.T, env Env) {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "a"}}
	set.Spec = appsv1.StatefulSetSpec{
		Replicas: ptr.To[int32](0), Selector: &metav1.LabelSelector{MatchLabels: labelsOf("a")}, Template: template("a"),
		ServiceName: "a",
	}
	created(ctx, t, env, set)
	asJSON(t, "stateful set", set.Spec, `{"replicas":0,"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":`+
		`{"labels":{"app":"a"}},"spec":`+defaultedPodSpec+`},"serviceName":"a","podManagementPolicy":"OrderedReady",`+
		`"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}},"revisionHistoryLimit":10,`+
		`"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain","whenScaled":"Retain"}}`)
	daemons := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "a"}}
	daemons.Spec = appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labelsOf("a")}, Template: template("a"),
	}
	created(ctx, t, env, daemons)
	asJSON(t, "daemon set", daemons.Spec, `{"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":`+
		`{"labels":{"app":"a"}},"spec":`+defaultedPodSpec+`},"updateStrategy":{"type":"RollingUpdate","rollingUpdate":`+
		`{"maxUnavailable":1,"maxSurge":0}},"revisionHistoryLimit":10}`)
	batch := created(ctx, t, env, job(env, "a"))
	uid := string(batch.UID)
	batch.Spec.Template.Spec = corev1.PodSpec{}
	asJSON(t, "job", batch.Spec, `{"parallelism":1,"completions":1,"backoffLimit":6,"selector":{"matchLabels":`+
		`{"batch.kubernetes.io/controller-uid":"`+uid+`"}},"manualSelector":false,"template":{"metadata":{"labels":`+
		`{"app":"a","batch.kubernetes.io/controller-uid":"`+uid+`","batch.kubernetes.io/job-name":"a",`+
		`"controller-uid":"`+uid+`","job-name":"a"}},"spec":{"containers":null}},"completionMode":"NonIndexed",`+
		`"suspend":true,"podReplacementPolicy":"TerminatingOrFailed"}`)
}

func defaultsOfPod(ctx context.Context, t *testing.T, env Env) {
	object := pod(env, "a")
	object.Spec.Containers[0].Image = "main"
	object.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	created(ctx, t, env, object)
	container := object.Spec.Containers[0]
	equal(t, "pull policy of the latest image", container.ImagePullPolicy, corev1.PullAlways)
	equal(t, "request of what is limited", container.Resources.Requests.Cpu().String(), "1")
	equal(t, "service links", *object.Spec.EnableServiceLinks, true)
	equal(t, "quality of service", object.Status.QOSClass, corev1.PodQOSBurstable)
}

func validationOfDeployment(ctx context.Context, t *testing.T, env Env) {
	object := deployment(env, "a")
	object.Spec.Selector = nil
	invalid(t, env.Client.Create(ctx, object), "spec.selector")
	object = deployment(env, "a")
	object.Spec.Template.Labels = labelsOf("other")
	invalid(t, env.Client.Create(ctx, object), "spec.template.metadata.labels")
	object = deployment(env, "a")
	object.Spec.Replicas = ptr.To[int32](-1)
	invalid(t, env.Client.Create(ctx, object), "spec.replicas")
	object = deployment(env, "a")
	object.Spec.Template.Spec.Containers = nil
	invalid(t, env.Client.Create(ctx, object), "spec.template.spec.containers")
	object = deployment(env, "a")
	object.Spec.Template.Spec.Containers[0].Image = ""
	invalid(t, env.Client.Create(ctx, object), "spec.template.spec.containers[0].image")
}

func selectorsImmutable(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, deployment(env, "a"))
	object.Spec.Selector.MatchLabels["app"] = "b"
	object.Spec.Template.Labels["app"] = "b"
	invalid(t, env.Client.Update(ctx, object), "spec.selector")
}

func quantities(ctx context.Context, t *testing.T, env Env) {
	object := deployment(env, "a")
	object.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1000m"), corev1.ResourceMemory: resource.MustParse("1024Mi"),
	}
	created(ctx, t, env, object)
	asJSON(t, "requests", object.Spec.Template.Spec.Containers[0].Resources.Requests, `{"cpu":"1","memory":"1Gi"}`)
	revision := object.ResourceVersion
	object.Spec.Template.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("1000m")
	must(t, env.Client.Update(ctx, object))
	equal(t, "resource version after another spelling", object.ResourceVersion, revision)
}
