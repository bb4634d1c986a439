package deploy

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

func values() Values {
	return Values{
		Namespace: "karmada-system", Replicas: 1, NodePort: 32443,
		Images: Images{Seatrial: "seatrial:v1", KubeAPIServer: "kube-apiserver:v1", KubeControllerManager: "kube-controller-manager:v1", Etcd: "etcd:v3"},
	}
}

// everything is all that is ever put into a host.
func everything(t *testing.T, values Values) []client.Object {
	t.Helper()
	m, err := Render(values)
	if err != nil {
		t.Fatal(err)
	}
	estimator, err := RenderEstimator(values, "member1")
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(m.Foundation, m.API, m.Servers, m.Controllers, estimator)
}

// pods are the pod templates among objects, by the name of their workload.
func pods(objects []client.Object) map[string]*corev1.PodTemplateSpec {
	found := map[string]*corev1.PodTemplateSpec{}
	for _, object := range objects {
		switch object := object.(type) {
		case *appsv1.Deployment:
			found[object.Name] = &object.Spec.Template
		case *appsv1.StatefulSet:
			found[object.Name] = &object.Spec.Template
		}
	}
	return found
}

func TestGolden(t *testing.T) {
	full := values()
	full.Namespace, full.Replicas, full.NodePort = "fleet", 3, 31000
	full.PullSecrets = []string{"registry"}
	full.Storage = &Claim{Class: "fast", Size: resource.MustParse("5Gi")}
	for name, v := range map[string]Values{"smallest.yaml": values(), "full.yaml": full} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			for _, object := range everything(t, v) {
				text, err := yaml.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n")
				got.Write(text)
			}
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("the manifests are not those of %s; if that is meant, write it anew with -update", path)
			}
		})
	}
}

// What the restricted level of pod security asks for, and more.
func TestPodsAreConfined(t *testing.T) {
	found := pods(everything(t, values()))
	if len(found) != 8 {
		t.Fatalf("%d workloads, want 8", len(found))
	}
	for name, pod := range found {
		security := pod.Spec.SecurityContext
		if !*security.RunAsNonRoot || *security.RunAsUser == 0 || security.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: pod security %+v", name, security)
		}
		if *pod.Spec.AutomountServiceAccountToken || pod.Spec.HostNetwork || pod.Spec.HostPID {
			t.Errorf("%s has a token or shares with its node", name)
		}
		for _, container := range pod.Spec.Containers {
			security := container.SecurityContext
			if *security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem || !slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) {
				t.Errorf("%s: container security %+v", name, security)
			}
			if added := security.Capabilities.Add; len(added) > 0 && (name != APIServer || !slices.Equal(added, []corev1.Capability{"NET_BIND_SERVICE"})) {
				t.Errorf("%s adds capabilities %v", name, added)
			}
			if container.LivenessProbe == nil || container.ReadinessProbe == nil || container.StartupProbe == nil {
				t.Errorf("%s lacks a probe", name)
			}
			if container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() {
				t.Errorf("%s requests no resources", name)
			}
			if container.ImagePullPolicy != corev1.PullIfNotPresent {
				t.Errorf("%s pulls %s", name, container.ImagePullPolicy)
			}
		}
		for _, volume := range pod.Spec.Volumes {
			if volume.Secret == nil && volume.EmptyDir == nil {
				t.Errorf("%s mounts volume %s, which is neither a Secret nor empty", name, volume.Name)
			}
		}
	}
}

// Every reference inside the manifests leads somewhere: probes and Services to ports, arguments to files and variables.
func TestReferences(t *testing.T) {
	objects := everything(t, values())
	all := pods(objects)
	for name, pod := range all {
		container := pod.Spec.Containers[0]
		ports := map[string]bool{}
		for _, port := range container.Ports {
			ports[port.Name] = true
		}
		for _, probe := range []*corev1.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
			if !ports[probe.HTTPGet.Port.StrVal] {
				t.Errorf("%s is probed at port %s, which it has not", name, probe.HTTPGet.Port.String())
			}
		}
		for _, mount := range container.VolumeMounts {
			if !slices.ContainsFunc(pod.Spec.Volumes, func(volume corev1.Volume) bool { return volume.Name == mount.Name }) {
				t.Errorf("%s mounts %s, which there is not", name, mount.Name)
			}
		}
		for _, arg := range container.Args {
			if _, path, _ := strings.Cut(arg, "="); strings.HasPrefix(path, "/") && !slices.ContainsFunc(container.VolumeMounts, func(mount corev1.VolumeMount) bool {
				return strings.HasPrefix(path+"/", mount.MountPath+"/")
			}) {
				t.Errorf("%s: no volume holds the file of %s", name, arg)
			}
			if _, rest, uses := strings.Cut(arg, "$("); uses {
				variable, _, _ := strings.Cut(rest, ")")
				if !slices.ContainsFunc(container.Env, func(env corev1.EnvVar) bool { return env.Name == variable }) {
					t.Errorf("%s: nothing sets the variable of %s", name, arg)
				}
			}
		}
	}
	for _, object := range objects {
		service, ok := object.(*corev1.Service)
		if !ok {
			continue
		}
		for name, pod := range all {
			if pod.Labels["app"] != service.Spec.Selector["app"] {
				continue
			}
			if target := service.Spec.Ports[0].TargetPort.StrVal; !slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(port corev1.ContainerPort) bool { return port.Name == target }) {
				t.Errorf("Service %s leads to port %s of %s, which it has not", service.Name, target, name)
			}
		}
	}
}

func TestReplicasHaveBudgets(t *testing.T) {
	for replicas, want := range map[int32]int{1: 0, 2: 7} {
		v := values()
		v.Replicas = replicas
		budgets := 0
		for _, object := range everything(t, v) {
			if budget, ok := object.(*policyv1.PodDisruptionBudget); ok {
				budgets++
				if budget.Spec.MaxUnavailable.IntValue() != 1 || budget.Namespace != v.Namespace {
					t.Errorf("budget %+v", budget)
				}
			}
		}
		if budgets != want {
			t.Errorf("%d replicas: %d budgets, want %d", replicas, budgets, want)
		}
	}
}

// Only what propagates any kind may do anything; nobody else writes secrets or roles, or reads everything.
func TestRolesAreNarrow(t *testing.T) {
	plane, err := Plane()
	if err != nil {
		t.Fatal(err)
	}
	member, err := Member()
	if err != nil {
		t.Fatal(err)
	}
	roles := 0
	for _, object := range slices.Concat(plane, member) {
		var rules []rbacv1.PolicyRule
		switch object := object.(type) {
		case *rbacv1.ClusterRole:
			rules = object.Rules
		case *rbacv1.Role:
			rules = object.Rules
		}
		if len(rules) == 0 || object.GetName() == "system:karmada:controller-manager" {
			continue
		}
		roles++
		for _, rule := range rules {
			if slices.Contains(rule.APIGroups, "*") {
				t.Errorf("%s: %+v is for every group", object.GetName(), rule)
			}
			writes := slices.ContainsFunc(rule.Verbs, func(verb string) bool { return !slices.Contains([]string{"get", "list", "watch"}, verb) })
			if writes && (slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.APIGroups, rbacv1.GroupName)) {
				t.Errorf("%s: %+v writes what gives rights", object.GetName(), rule)
			}
		}
	}
	if roles != 6 {
		t.Errorf("%d roles were looked at, want 6", roles)
	}
}

func TestValuesAreRefused(t *testing.T) {
	for want, spoil := range map[string]func(*Values){
		`namespace "A"`:               func(v *Values) { v.Namespace = "A" },
		"belongs to the host":         func(v *Values) { v.Namespace = "kube-system" },
		"image of seatrial":           func(v *Values) { v.Images.Seatrial = "a b" },
		"image of etcd":               func(v *Values) { v.Images.Etcd = "" },
		"pull secret":                 func(v *Values) { v.PullSecrets = []string{"a\nb: c"} },
		"0 replicas":                  func(v *Values) { v.Replicas = 0 },
		"node port 70000":             func(v *Values) { v.NodePort = 70000 },
		"needs a size above 0":        func(v *Values) { v.Storage = &Claim{} },
		"each component has 1 to 5":   func(v *Values) { v.Replicas = 6 },
		"image of kube-apiserver is ": func(v *Values) { v.Images.KubeAPIServer = "a\nb: c" },
	} {
		v := values()
		spoil(&v)
		if _, err := Render(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q in it", v, err, want)
		}
	}
	if _, err := RenderEstimator(values(), "no:name"); err == nil {
		t.Error("an estimator of no:name is rendered")
	}
}

// A changed Secret replaces the pods that mount it, and no others.
func TestStamp(t *testing.T) {
	stamps := func(content string) map[string]string {
		objects := everything(t, values())
		Stamp(objects, []*corev1.Secret{secretOf("karmada-scheduler-cert", content), secretOf("karmada-webhook-cert", "same")})
		found := map[string]string{}
		for name, pod := range pods(objects) {
			found[name] = pod.Annotations[secretsAnnotation]
		}
		return found
	}
	before, same, after := stamps("a"), stamps("a"), stamps("b")
	for name := range before {
		if before[name] != same[name] {
			t.Errorf("%s: equal Secrets give other stamps", name)
		}
		if moved := before[name] != after[name]; moved != (name == "karmada-scheduler") {
			t.Errorf("%s: its stamp changed: %t", name, moved)
		}
	}
}

func secretOf(name, content string) *corev1.Secret {
	secret := &corev1.Secret{Data: map[string][]byte{"client.crt": []byte(content)}}
	secret.Name = name
	return secret
}

// Nobody but the API server sends reviews to the webhook, and whatever else listens there is open.
func TestReviewsComeFromTheAPIServer(t *testing.T) {
	objects := everything(t, values())
	at := slices.IndexFunc(objects, func(object client.Object) bool {
		_, is := object.(*networkingv1.NetworkPolicy)
		return is && object.GetName() == Webhook
	})
	if at < 0 {
		t.Fatal("the webhook has no network policy")
	}
	policy, all := objects[at].(*networkingv1.NetworkPolicy), pods(objects)
	selects := func(by *metav1.LabelSelector, workload string) bool {
		selector, err := metav1.LabelSelectorAsSelector(by)
		if err != nil {
			t.Fatal(err)
		}
		return selector.Matches(labels.Set(all[workload].Labels))
	}
	for workload := range all {
		if selects(&policy.Spec.PodSelector, workload) != (workload == Webhook) {
			t.Errorf("whether the policy is for the pods of %s is wrong", workload)
		}
	}
	for _, port := range all[Webhook].Spec.Containers[0].Ports {
		var from []networkingv1.NetworkPolicyPeer
		open := false
		for _, rule := range policy.Spec.Ingress {
			if slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.StrVal == port.Name }) {
				from, open = append(from, rule.From...), open || len(rule.From) == 0
			}
		}
		if open != (port.Name != "webhook") {
			t.Errorf("port %s is open to anybody: %t", port.Name, open)
		}
		for _, peer := range from {
			for workload := range all {
				if selects(peer.PodSelector, workload) != (workload == APIServer) {
					t.Errorf("whether %s may reach port %s is wrong", workload, port.Name)
				}
			}
		}
	}
}
