package e2e_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/registration"
)

// asAgent reaches the control plane as the agent of member3 does, with its rights.
func (i *installation) asAgent(t *testing.T) (client.Client, *rest.Config) {
	t.Helper()
	path, err := i.IssueUplink("member3", "intruder", names.AgentUser("member3"), names.AgentGroup)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	plane, err := i.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.New(config, client.Options{Scheme: plane.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return made, config
}

// agentTouchesItsOwnOnly tries with the rights of member3's agent what no agent may do.
func agentTouchesItsOwnOnly(t *testing.T, env *installation) {
	agent, _ := env.asAgent(t)
	ctx := t.Context()
	of := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	cluster := func(name string) *clusterv1alpha1.Cluster {
		return &clusterv1alpha1.Cluster{
			TypeMeta:   metav1.TypeMeta{APIVersion: clusterv1alpha1.GroupVersion.String(), Kind: "Cluster"},
			ObjectMeta: of("", name), Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Pull},
		}
	}
	lease := func(name string) *coordinationv1.Lease {
		return &coordinationv1.Lease{TypeMeta: metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}, ObjectMeta: of("karmada-cluster", name)}
	}
	work := func(space string) *workv1alpha1.Work { return &workv1alpha1.Work{ObjectMeta: of(space, "x")} }
	get := func(object client.Object) error { return agent.Get(ctx, client.ObjectKeyFromObject(object), object) }
	patch := func(object client.Object, on client.SubResourceWriter) error {
		empty := client.RawPatch(types.MergePatchType, []byte(`{}`))
		if on != nil {
			return on.Patch(ctx, object, empty)
		}
		return agent.Patch(ctx, object, empty)
	}
	apply := func(object client.Object) error {
		//nolint:staticcheck // As agents do.
		return agent.Patch(ctx, object, client.Apply, client.FieldOwner("intruder"))
	}
	for name, err := range map[string]error{
		"list the Works of another cluster":   agent.List(ctx, &workv1alpha1.WorkList{}, client.InNamespace("karmada-es-member1")),
		"list all Works":                      agent.List(ctx, &workv1alpha1.WorkList{}),
		"read a Work of another cluster":      get(work("karmada-es-member1")),
		"change a Work of another cluster":    patch(work("karmada-es-member1"), nil),
		"report on a Work of another cluster": patch(work("karmada-es-member1"), agent.Status()),
		"make a Work for another cluster":     agent.Create(ctx, work("karmada-es-member1")),
		"delete a Work of another cluster":    agent.Delete(ctx, work("karmada-es-member1")),
		"list Clusters":                       agent.List(ctx, &clusterv1alpha1.ClusterList{}),
		"read another Cluster":                get(cluster("member1")),
		"change another Cluster":              patch(cluster("member1"), nil),
		"report on another Cluster":           patch(cluster("member1"), agent.Status()),
		"delete another Cluster":              agent.Delete(ctx, cluster("member1")),
		"make a Cluster":                      agent.Create(ctx, cluster("intruder")),
		"apply a new Cluster":                 apply(cluster("intruder")),
		"renew the Lease of another cluster":  apply(lease("member1")),
		"make a Lease":                        agent.Create(ctx, lease("intruder")),
		"read the secret of another cluster":  get(&corev1.Secret{ObjectMeta: of("karmada-cluster", "member1")}),
		"list the secrets of clusters":        agent.List(ctx, &corev1.SecretList{}, client.InNamespace("karmada-cluster")),
		"list tokens":                         agent.List(ctx, &corev1.SecretList{}, client.InNamespace("kube-system")),
		"read templates":                      agent.List(ctx, &corev1.ConfigMapList{}, client.InNamespace("default")),
		"read bindings":                       agent.List(ctx, &workv1alpha2.ResourceBindingList{}),
		"grant rights":                        agent.Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: of("", "intruder"), RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "cluster-admin"}}),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("an agent tries to %s: %v, want that it is forbidden", name, err)
		}
	}
	for name, err := range map[string]error{
		"read its Cluster":   get(cluster("member3")),
		"list its Works":     agent.List(ctx, &workv1alpha1.WorkList{}, client.InNamespace("karmada-es-member3")),
		"read its Lease":     get(lease("member3")),
		"change its Cluster": patch(cluster("member3"), nil),
		// By Works it reports endpoints.
		"make a Work":   agent.Create(ctx, work("karmada-es-member3")),
		"delete a Work": agent.Delete(ctx, work("karmada-es-member3")),
	} {
		if err != nil {
			t.Errorf("an agent tries to %s: %v", name, err)
		}
	}
}

// agentGetsItsOwnCertificate asks for certificates: an agent gets one that follows its own and no other agent's, and a bootstrap token
// is not enough to take over a member.
func agentGetsItsOwnCertificate(t *testing.T, env *installation) {
	_, config := env.asAgent(t)
	if identity, err := registration.Renew(t.Context(), config, "member3", time.Hour); err != nil {
		t.Errorf("its own: %v", err)
	} else if issued, err := cert.ParseCertsPEM(identity.Certificate); err != nil || issued[0].Subject.CommonName != names.AgentUser("member3") {
		t.Errorf("its own: %v, %v", issued, err)
	}
	// What is not approved at once is not approved.
	soon, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := registration.Renew(soon, config, "member1", time.Hour); !apierrors.IsForbidden(err) {
		t.Errorf("another agent's: %v", err)
	}
	if _, err := registration.Request(soon, config, "member1", time.Hour, nil); !apierrors.IsForbidden(err) {
		t.Errorf("another agent's under any name: %v", err)
	}
	if err := env.takeOver(t, "member3"); err == nil || !strings.Contains(err.Error(), "cluster member3 is a member already") {
		t.Errorf("a member's by a bootstrap token: %v", err)
	}
	if err := env.takeOver(t, "member9"); err != nil {
		t.Errorf("a new cluster's by a bootstrap token: %v", err)
	}
}

// agentReplacesItsCertificate lets a certificate be replaced that connections show: they go on with the new one.
func agentReplacesItsCertificate(t *testing.T, env *installation) {
	agent, config := env.asAgent(t)
	changeable, presented, err := registration.Present(config)
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.New(changeable, client.Options{Scheme: agent.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	read := func() {
		t.Helper()
		if err := made.Get(t.Context(), client.ObjectKey{Name: "member3"}, &clusterv1alpha1.Cluster{}); err != nil {
			t.Error(err)
		}
	}
	read()
	kept := make(chan registration.Identity, 1)
	leads := make(chan struct{})
	close(leads)
	first := registration.Identity{Certificate: config.CertData, Key: config.KeyData}
	rotation := &registration.Rotation{
		Cluster: "member3", Plane: changeable, Presented: presented, Store: &told{first: first, kept: kept}, Leads: leads, Interval: 20 * time.Second,
		// Any certificate has lost more than this of its life.
		Threshold: 1 - 1e-12,
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- rotation.Start(ctx) }()
	select {
	case identity := <-kept:
		if issued, err := cert.ParseCertsPEM(identity.Certificate); err != nil || issued[0].Subject.CommonName != names.AgentUser("member3") {
			t.Errorf("kept %v, %v", issued, err)
		}
	case <-time.After(15 * time.Second):
		t.Error("no other certificate")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	read()
}

// told is where an identity is kept, and tells of a new one.
type told struct {
	first registration.Identity
	kept  chan registration.Identity
}

func (k *told) Keep(_ context.Context, identity registration.Identity) error {
	k.kept <- identity
	return nil
}

func (k *told) Kept(context.Context) (registration.Identity, error) { return k.first, nil }

// takeOver registers under a name by a bootstrap token.
func (i *installation) takeOver(t *testing.T, name string) error {
	t.Helper()
	plane, err := i.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	files, err := i.Files(fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(files.CA.Cert)
	if err != nil {
		t.Fatal(err)
	}
	authorities, err := cert.ParseCertsPEM(ca)
	if err != nil {
		t.Fatal(err)
	}
	token := registration.DefaultToken()
	if token.Value, err = registration.NewTokenValue(); err != nil {
		t.Fatal(err)
	}
	if err := token.Create(t.Context(), plane); err != nil {
		t.Fatal(err)
	}
	endpoint, err := i.UplinkEndpoint("member3")
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	discovery := registration.Discovery{Endpoint: endpoint, Token: token.Value, CAHashes: []string{registration.HashCA(authorities[0])}, Timeout: time.Minute}
	_, err = registration.Bootstrap(soon, discovery, name, time.Hour, nil)
	return err
}
