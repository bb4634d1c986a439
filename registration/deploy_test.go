package registration_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/registration"
)

const agentKubeconfig = `{"apiVersion":"v1","kind":"Config","current-context":"p","contexts":[{"name":"p","context":{"cluster":"p","user":"u"}}],
"clusters":[{"name":"p","cluster":{"server":"https://plane:5443"}}],"users":[{"name":"u","user":{"token":"secret"}}]}`

var deployed = registration.Deployment{
	Namespace: "karmada-system", Image: "seatrial:test", Replicas: 2, Kubeconfig: []byte(agentKubeconfig), Rotate: true,
}

func TestDeploy(t *testing.T) {
	_, cluster := sides(t)
	if err := deployed.Registered(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := deployed.Deploy(t.Context(), cluster, member); err != nil {
			t.Fatal(err)
		}
	}
	if err := deployed.Registered(t.Context(), cluster); err == nil || !strings.Contains(err.Error(), "unregister") {
		t.Errorf("a second agent: %v", err)
	}
	runs := get(t, cluster, &appsv1.Deployment{ObjectMeta: named("karmada-system", "karmada-agent")})
	pod := runs.Spec.Template.Spec
	if *runs.Spec.Replicas != 2 || pod.ServiceAccountName != "karmada-agent-sa" || pod.Containers[0].Image != "seatrial:test" || pod.Volumes[0].Secret.SecretName != "karmada-kubeconfig" {
		t.Errorf("deployment %+v", runs.Spec)
	}
	for _, want := range []string{
		"agent", "--cluster-name=m1", "--karmada-kubeconfig=/etc/kubeconfig/karmada-kubeconfig", "--cluster-provider=p", "--cluster-region=r", "--cluster-zones=z",
		"--controllers=*,certRotation",
	} {
		if !slices.Contains(pod.Containers[0].Args, want) {
			t.Errorf("arguments %q lack %s", pod.Containers[0].Args, want)
		}
	}
	config, err := registration.AgentAccess(t.Context(), cluster, "karmada-system")
	if err != nil || config.Host != "https://plane:5443" || config.BearerToken != "secret" {
		t.Errorf("the agent's access is %+v, %v", config, err)
	}
}

// TestAgentAccessStaysInTheSecret: a member is not trusted with the machine of an administrator.
func TestAgentAccessStaysInTheSecret(t *testing.T) {
	for name, user := range map[string]string{
		"a program":           `{"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"/bin/true","interactiveMode":"Never"}}`,
		"a file with a token": `{"tokenFile":"/etc/hostname"}`,
		"a file with a key":   `{"client-certificate":"/etc/hostname","client-key":"/etc/hostname"}`,
	} {
		_, cluster := sides(t)
		agent := deployed
		agent.Kubeconfig = []byte(strings.Replace(agentKubeconfig, `{"token":"secret"}`, user, 1))
		if err := agent.Deploy(t.Context(), cluster, member); err != nil {
			t.Fatal(err)
		}
		if config, err := registration.AgentAccess(t.Context(), cluster, "karmada-system"); err == nil || !strings.Contains(err.Error(), "names a program or a file") {
			t.Errorf("%s: %+v, %v", name, config, err)
		}
	}
}

func TestInSecret(t *testing.T) {
	_, cluster := sides(t)
	store := registration.InSecret(cluster, "karmada-system", "")
	identity := registration.Identity{Certificate: []byte("certificate"), Key: []byte("key")}
	if err := store.Keep(t.Context(), identity); err == nil {
		t.Error("a secret that is not there was written")
	}
	if _, err := store.Kept(t.Context()); err == nil {
		t.Error("a secret that is not there was read")
	}
	if err := deployed.Deploy(t.Context(), cluster, member); err != nil {
		t.Fatal(err)
	}
	if err := store.Keep(t.Context(), identity); err != nil {
		t.Fatal(err)
	}
	if kept, err := store.Kept(t.Context()); err != nil || string(kept.Certificate) != "certificate" || string(kept.Key) != "key" {
		t.Errorf("kept %+v, %v", kept, err)
	}
	config, err := registration.AgentAccess(t.Context(), cluster, "karmada-system")
	if err != nil || string(config.CertData) != "certificate" || string(config.KeyData) != "key" || config.Host != "https://plane:5443" {
		t.Errorf("the agent's access is %+v, %v", config, err)
	}
}

// TestUnregisterAsAgent: the rights of the agent go with its Cluster, before it can see that the Cluster is gone.
func TestUnregisterAsAgent(t *testing.T) {
	plane, cluster := sides(t)
	home(t, plane)
	if err := deployed.Deploy(t.Context(), cluster, member); err != nil {
		t.Fatal(err)
	}
	if err := registration.Announce(t.Context(), plane, cluster, member, registration.Reported{}); err != nil {
		t.Fatal(err)
	}
	asAgent := interceptor.NewClient(plane, interceptor.Funcs{
		Get: func(ctx context.Context, from client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			err := from.Get(ctx, key, object, options...)
			if apierrors.IsNotFound(err) {
				return apierrors.NewForbidden(clusterv1alpha1.GroupVersion.WithResource("clusters").GroupResource(), key.Name, errors.New("no such right"))
			}
			return err
		},
	})
	if err := registration.Unregister(t.Context(), asAgent, cluster, member, deployed, registration.UnjoinOptions{Wait: 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	missing(t, cluster, &appsv1.Deployment{ObjectMeta: named("karmada-system", "karmada-agent")})
}

// TestUnregister lets the Cluster go before the agent, which has to clean up until then.
func TestUnregister(t *testing.T) {
	plane, cluster := sides(t)
	home(t, plane)
	if err := deployed.Deploy(t.Context(), cluster, member); err != nil {
		t.Fatal(err)
	}
	if err := registration.Announce(t.Context(), plane, cluster, member, registration.Reported{Access: true, Impersonation: true}); err != nil {
		t.Fatal(err)
	}
	watched := interceptor.NewClient(plane, interceptor.Funcs{
		Delete: func(ctx context.Context, to client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			get(t, cluster, &appsv1.Deployment{ObjectMeta: named("karmada-system", "karmada-agent")})
			return to.Delete(ctx, object, options...)
		},
	})
	options := registration.UnjoinOptions{Wait: 5 * time.Second}
	if err := registration.Unregister(t.Context(), watched, cluster, member, deployed, options); err != nil {
		t.Fatal(err)
	}
	missing(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")})
	for _, gone := range []client.Object{
		&appsv1.Deployment{ObjectMeta: named("karmada-system", "karmada-agent")}, &corev1.Secret{ObjectMeta: named("karmada-system", "karmada-kubeconfig")},
		&corev1.ServiceAccount{ObjectMeta: named("karmada-cluster", "karmada-m1")}, &corev1.Namespace{ObjectMeta: named("", "karmada-system")},
	} {
		missing(t, cluster, gone)
	}
	if err := registration.Unregister(t.Context(), plane, nil, member, deployed, options); err == nil || !strings.Contains(err.Error(), "no cluster named m1") {
		t.Errorf("a second time: %v", err)
	}
}
