package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/local"
)

// TestEmbeddedSecurity: an installation with all its components, at the highest verbosity of their logs.
func TestEmbeddedSecurity(t *testing.T) {
	realServers(t)
	const loud = "--v=10"
	env := &installation{flags: []string{loud}, others: map[string][]string{}, estimators: true}
	for _, component := range []string{"scheduler", "webhook", "agent", "apiserver", "estimator"} {
		env.others[component] = []string{loud}
	}
	env.start(t, local.Options{})
	t.Run("ListenersGiveStrangersNothing", func(t *testing.T) { listenersGiveStrangersNothing(t, env) })
	t.Run("CredentialsOfMembersAreForThem", func(t *testing.T) { credentialsOfMembersAreForThem(t, env) })
	t.Run("NamesAreGivenOnce", func(t *testing.T) { namesAreGivenOnce(t, env) })
	t.Run("ForgedWorksCountForNothing", func(t *testing.T) { forgedWorksCountForNothing(t, env) })
	t.Run("SecretsAreNotTold", func(t *testing.T) { secretsAreNotTold(t, env) })
}

// canary is what must be nowhere but in secrets, and who holds it.
type canary struct{ of, value string }

// secretsAreNotTold has a Secret go to members, one of which refuses it, and looks for it and for all credentials of the installation in
// logs, events, conditions and errors.
func secretsAreNotTold(t *testing.T, env *installation) {
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	secret := func() *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "canary"}, StringData: map[string]string{"password": "canary-bird-in-a-mine"}}
	}
	// Of another type and immutable: the copy cannot take its place.
	occupied, err := env.Client(t.Context(), "member2")
	if err != nil {
		t.Fatal(err)
	}
	there := secret()
	there.Type, there.Immutable = "example.com/other", new(true)
	policy := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "canary"}, Spec: policyv1alpha1.PropagationSpec{
		ConflictResolution: policyv1alpha1.ConflictOverwrite,
		ResourceSelectors:  []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "Secret", Namespace: "default", Name: "canary"}},
		Placement:          policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member2", "member3"}}},
	}}
	for _, made := range []struct {
		in     client.Client
		object client.Object
	}{{occupied, there}, {plane, secret()}, {plane, policy}} {
		if err := made.in.Create(t.Context(), made.object); err != nil {
			t.Fatal(err)
		}
	}
	bound := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "canary-secret"}}
	await(t, "the Secret to arrive, and to be refused in member2", func(ctx context.Context) bool {
		if plane.Get(ctx, client.ObjectKeyFromObject(bound), bound) != nil || len(bound.Status.AggregatedStatus) != 3 {
			return false
		}
		of := bound.Status.AggregatedStatus
		return of[0].Applied && of[1].AppliedMessage != "" && of[2].Applied
	})
	look(t, env, plane, throughProxy(t, env), append(credentialsOf(t, env, plane), canary{"the Secret", "canary-bird-in-a-mine"}))
}

// throughProxy has a Secret and errors pass through the control plane's proxy, and returns what the errors say.
func throughProxy(t *testing.T, env *installation) (said []byte) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", env.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(as, path string) error {
		config.Impersonate.UserName = as
		api, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		return api.RESTClient().Get().AbsPath("/apis/cluster.karmada.io/v1alpha1/clusters/member1/proxy" + path).Do(t.Context()).Error()
	}
	if err := ask("", "/api/v1/namespaces/default/secrets/canary"); err != nil {
		t.Fatal(err)
	}
	for _, failed := range []error{ask("", "/api/v1/namespaces/default/secrets/none"), ask("", "/x/../y"), ask("tom", "/api/v1/secrets")} {
		if failed == nil {
			t.Error("a request that should fail is answered")
			continue
		}
		said = append(said, failed.Error()...)
	}
	return said
}

// credentialsOf are the tokens and keys that an installation has.
func credentialsOf(t *testing.T, env *installation, plane client.Client) []canary {
	t.Helper()
	var found []canary
	for _, namespace := range []string{"karmada-cluster", metav1.NamespaceSystem} {
		secrets := &corev1.SecretList{}
		if err := plane.List(t.Context(), secrets, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		for _, secret := range secrets.Items {
			for _, key := range []string{"token", "token-secret"} {
				if value := secret.Data[key]; len(value) > 0 {
					found = append(found, canary{"secret " + secret.Name, string(value)})
				}
			}
		}
	}
	kubeconfigs, err := filepath.Glob(filepath.Join(env.local.Dir(), "*", "*.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range kubeconfigs {
		config, err := clientcmd.LoadFromFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, user := range config.AuthInfos {
			// The first and the last line of a key are those of every key.
			if lines := strings.Split(string(user.ClientKeyData), "\n"); len(lines) > 2 {
				found = append(found, canary{path, lines[1]})
			}
		}
	}
	if len(found) < 7 {
		t.Fatalf("only %d credentials of an installation with three members and an agent", len(found))
	}
	return found
}

// look reads all that is told.
func look(t *testing.T, env *installation, plane client.Client, errors []byte, canaries []canary) {
	t.Helper()
	told := map[string][]byte{"errors": errors}
	folder := t.TempDir()
	if err := env.Logs(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	logs, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	bodies := 0
	for _, log := range logs {
		text, err := os.ReadFile(filepath.Join(folder, log.Name()))
		if err != nil {
			t.Fatal(err)
		}
		told["log "+log.Name()] = text
		bodies += strings.Count(string(text), "Response Body")
	}
	if bodies == 0 {
		t.Errorf("the logs are not those of the highest verbosity: %d logs", len(logs))
	}
	for name, list := range map[string]client.ObjectList{
		"events": &corev1.EventList{}, "bindings": &workv1alpha2.ResourceBindingList{}, "clusters": &clusterv1alpha1.ClusterList{}, "works": &workv1alpha1.WorkList{},
	} {
		if err := plane.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		if works, ok := list.(*workv1alpha1.WorkList); ok {
			// The manifests are what members get.
			for i := range works.Items {
				works.Items[i].Spec, works.Items[i].ManagedFields = workv1alpha1.WorkSpec{}, nil
			}
		}
		if told[name], err = json.Marshal(list); err != nil {
			t.Fatal(err)
		}
	}
	for _, canary := range canaries {
		for form, text := range map[string]string{
			"as it is": canary.value, "in base64": base64.StdEncoding.EncodeToString([]byte(canary.value)), "in hexadecimals": hex.EncodeToString([]byte(canary.value)),
		} {
			for where, content := range told {
				if at := strings.Index(string(content), text); at >= 0 {
					t.Errorf("%s hold what %s keeps, %s: %q", where, canary.of, form, content[max(0, at-200):at])
				}
			}
		}
	}
}

// credentialsOfMembersAreForThem presents what the control plane keeps of each member to it and to all other members.
func credentialsOfMembersAreForThem(t *testing.T, env *installation) {
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	servers := []string{fleet.ControlPlaneName, "member1", "member2", "member3"}
	for _, of := range servers[1:] {
		for _, name := range []string{of, of + "-impersonator"} {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-cluster", Name: name}}
			if err := plane.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
				t.Fatal(err)
			}
			for _, at := range servers {
				path, err := env.Kubeconfig(t.Context(), at)
				if err != nil {
					t.Fatal(err)
				}
				config, err := clientcmd.BuildConfigFromFlags("", path)
				if err != nil {
					t.Fatal(err)
				}
				config = rest.AnonymousClientConfig(config)
				config.BearerToken = string(secret.Data["token"])
				api, err := kubernetes.NewForConfig(config)
				if err != nil {
					t.Fatal(err)
				}
				_, err = api.CoreV1().Secrets("karmada-es-member1").List(t.Context(), metav1.ListOptions{})
				switch {
				case at != of && !apierrors.IsUnauthorized(err):
					t.Errorf("the token %s at %s: %v, want that nobody is known by it", name, at, err)
				case at == of && name == of && err != nil:
					t.Errorf("the token %s at %s: %v", name, at, err)
				case at == of && name != of && !apierrors.IsForbidden(err):
					t.Errorf("the token %s at %s: %v, want that it may only impersonate", name, at, err)
				}
			}
		}
	}
}

// namesAreGivenOnce has a thief of a bootstrap token ask for the name of a cluster that is to join.
func namesAreGivenOnce(t *testing.T, env *installation) {
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	if err := env.takeOver(t, "member8"); err != nil {
		t.Fatal(err)
	}
	if err := env.takeOver(t, "member8"); err == nil || !strings.Contains(err.Error(), "was given before") {
		t.Errorf("a second certificate for the name: %v", err)
	}
	path, err := env.IssueUplink("member3", "thief", names.AgentUser("member8"), names.AgentGroup)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	thief, err := client.New(config, client.Options{Scheme: plane.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-cluster", Name: "member8"}}
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member8"}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push, APIEndpoint: "https://127.0.0.1:1"}}
	for _, object := range []client.Object{secret, cluster} {
		if err := plane.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := plane.Delete(context.Background(), object); err != nil {
				t.Error(err)
			}
		})
	}
	// Without the version of what it changes: the control plane says how the cluster is meanwhile.
	stolen := client.RawPatch(types.MergePatchType, []byte(`{"spec": {"apiEndpoint": "https://127.0.0.1:2"}}`))
	if err := thief.Patch(t.Context(), cluster.DeepCopy(), stolen); !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
		t.Errorf("the thief says where the cluster is: %v", err)
	}
	if err := thief.Get(t.Context(), client.ObjectKeyFromObject(secret), secret.DeepCopy()); !apierrors.IsForbidden(err) {
		t.Errorf("the thief reads the credentials of the cluster: %v", err)
	}
	await(t, "the thief to lose its rights", func(ctx context.Context) bool {
		return apierrors.IsForbidden(thief.Get(ctx, client.ObjectKeyFromObject(cluster), cluster.DeepCopy()))
	})
}

// forgedWorksCountForNothing has the agent of member3 report on a binding that member3 has nothing to do with.
func forgedWorksCountForNothing(t *testing.T, env *installation) {
	agent, _ := env.asAgent(t)
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	bound := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "honest-configmap"}}
	template := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "honest"}}
	policy := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "honest"}, Spec: policyv1alpha1.PropagationSpec{
		ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", Name: "honest"}},
		Placement:         policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1"}}},
	}}
	for _, object := range []client.Object{template, policy} {
		if err := plane.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	// The annotations are those by which a Work names its binding.
	forged := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-es-member3", Name: "forged", Annotations: map[string]string{
		"resourcebinding.karmada.io/namespace": "default", "resourcebinding.karmada.io/name": bound.Name,
	}}}
	if err := agent.Create(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	before := forged.DeepCopy()
	forged.Status.Conditions = []metav1.Condition{
		{Type: "Applied", Status: metav1.ConditionTrue, Reason: "AppliedSuccessful", LastTransitionTime: metav1.Now()},
		{Type: "StatusReflected", Status: metav1.ConditionFalse, Reason: "X", Message: "a forger was here", LastTransitionTime: metav1.Now()},
	}
	if err := agent.Status().Patch(t.Context(), forged, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	await(t, "the ConfigMap to arrive", func(ctx context.Context) bool {
		if err := plane.Get(ctx, client.ObjectKeyFromObject(bound), bound); err != nil {
			return false
		}
		for _, item := range bound.Status.AggregatedStatus {
			if item.ClusterName != "member1" {
				t.Fatalf("%s counts: %+v", item.ClusterName, item)
			}
		}
		for _, condition := range bound.Status.Conditions {
			if strings.Contains(condition.Message, "forger") {
				t.Fatalf("the binding repeats what a forged Work says: %+v", condition)
			}
		}
		return len(bound.Status.AggregatedStatus) == 1 && bound.Status.AggregatedStatus[0].Applied
	})
}

// await waits until something holds.
func await(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) { return holds(ctx), nil })
	if err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}
