package admit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/control"
)

// plane is a control plane whose authorizer allows some users subresources of certificate signing requests.
type plane struct {
	*testing.T
	client.Client
	events []string
}

const (
	bootstrapper = "system:bootstrap:abcdef"
	agentOfM1    = "system:karmada:agent:m1"
)

var allowed = map[string]string{bootstrapper: ClusterAgent, agentOfM1: SelfClusterAgent}

func newPlane(t *testing.T, objects ...client.Object) *plane {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	stored := fake.NewClientBuilder().WithScheme(kinds).WithObjects(objects...).Build()
	return &plane{T: t, Client: interceptor.NewClient(stored, interceptor.Funcs{
		Create: func(ctx context.Context, to client.WithWatch, object client.Object, options ...client.CreateOption) error {
			review, ok := object.(*authorizationv1.SubjectAccessReview)
			if !ok {
				return to.Create(ctx, object, options...)
			}
			asked := review.Spec.ResourceAttributes
			review.Status.Allowed = asked.Group == "certificates.k8s.io" && asked.Resource == "certificatesigningrequests" &&
				asked.Verb == "create" && asked.Subresource == allowed[review.Spec.User]
			return nil
		},
	})}
}

// Eventf implements control.EventRecorder.
func (p *plane) Eventf(_ runtime.Object, _, reason, format string, arguments ...any) {
	p.events = append(p.events, reason+": "+fmt.Sprintf(format, arguments...))
}

func (p *plane) turn(key control.Key) {
	p.Helper()
	deps := control.Deps{Client: p.Client, Live: p.Client, Events: p, Clock: testclock.NewFakePassiveClock(time.Unix(1000, 0))}
	if _, err := New(Defaults()).Reconcile(p.Context(), deps, key); err != nil {
		p.Fatal(err)
	}
}

// approved asks for a certificate and tells whether it is approved.
func (p *plane) approved(request *certificatesv1.CertificateSigningRequest) bool {
	p.Helper()
	if err := p.Create(p.Context(), request); err != nil {
		p.Fatal(err)
	}
	p.turn(control.Key{GVK: requestKind, Name: request.Name})
	if err := p.Get(p.Context(), client.ObjectKeyFromObject(request), request); err != nil {
		p.Fatal(err)
	}
	for _, condition := range request.Status.Conditions {
		if condition.Type == certificatesv1.CertificateApproved && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func asked(t *testing.T, user, name string, groups ...string) *certificatesv1.CertificateSigningRequest {
	t.Helper()
	return requestFor(t, user, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name, Organization: groups}})
}

func requestFor(t *testing.T, user string, wanted *x509.CertificateRequest) *certificatesv1.CertificateSigningRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, wanted, key)
	if err != nil {
		t.Fatal(err)
	}
	return &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "csr-1"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), Username: user, SignerName: "kubernetes.io/kube-apiserver-client",
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		},
	}
}

func member(name string, mode clusterv1alpha1.ClusterSyncMode) *clusterv1alpha1.Cluster {
	return &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-of-cluster"}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: mode}}
}

const group = "system:karmada:agents"

func TestApproval(t *testing.T) {
	changed := func(change func(*certificatesv1.CertificateSigningRequest)) *certificatesv1.CertificateSigningRequest {
		request := asked(t, bootstrapper, agentOfM1, group)
		change(request)
		return request
	}
	for name, c := range map[string]struct {
		request *certificatesv1.CertificateSigningRequest
		members []client.Object
		want    bool
	}{
		"a new cluster":                     {asked(t, bootstrapper, agentOfM1, group), nil, true},
		"beside others":                     {asked(t, bootstrapper, agentOfM1, group), []client.Object{member("m2", "Pull")}, true},
		"a member":                          {asked(t, bootstrapper, agentOfM1, group), []client.Object{member("m1", "Pull")}, false},
		"a member in Push mode":             {asked(t, bootstrapper, agentOfM1, group), []client.Object{member("m1", "Push")}, false},
		"named like an impersonator":        {asked(t, bootstrapper, "system:karmada:agent:m2-impersonator", group), []client.Object{member("m2", "Push")}, false},
		"one that may come":                 {asked(t, bootstrapper, "system:karmada:agent:m2-impersonator", group), nil, false},
		"whose impersonator is a member":    {asked(t, bootstrapper, agentOfM1, group), []client.Object{member("m1-impersonator", "Push")}, false},
		"the agent's own":                   {asked(t, agentOfM1, agentOfM1, group), []client.Object{member("m1", "Pull")}, true},
		"another agent's":                   {asked(t, agentOfM1, "system:karmada:agent:m2", group), nil, false},
		"nobody's":                          {asked(t, "eve", agentOfM1, group), nil, false},
		"an administrator's":                {asked(t, bootstrapper, agentOfM1, group, "system:masters"), nil, false},
		"without group":                     {asked(t, bootstrapper, agentOfM1), nil, false},
		"of no agent":                       {asked(t, bootstrapper, "system:node:m1", group), nil, false},
		"of who writes the roles of agents": {asked(t, bootstrapper, "system:karmada:agent:rbac-generator", group), nil, false},
		"its own, of who writes the roles":  {asked(t, "system:karmada:agent:rbac-generator", "system:karmada:agent:rbac-generator", group), nil, false},
		"of no cluster":                     {asked(t, bootstrapper, "system:karmada:agent:", group), nil, false},
		"of a name that no cluster can be":  {asked(t, bootstrapper, "system:karmada:agent:../x", group), nil, false},
		"with a name of a server":           {requestFor(t, bootstrapper, &x509.CertificateRequest{Subject: pkix.Name{CommonName: agentOfM1, Organization: []string{group}}, DNSNames: []string{"kubernetes"}}), nil, false},
		"for serving": {changed(func(r *certificatesv1.CertificateSigningRequest) {
			r.Spec.Usages = append(r.Spec.Usages, certificatesv1.UsageServerAuth)
		}), nil, false},
		"for nothing": {changed(func(r *certificatesv1.CertificateSigningRequest) {
			r.Spec.Usages = []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature}
		}), nil, false},
		"by another signer": {changed(func(r *certificatesv1.CertificateSigningRequest) {
			r.Spec.SignerName = certificatesv1.KubeletServingSignerName
		}), nil, false},
		"of no text": {changed(func(r *certificatesv1.CertificateSigningRequest) { r.Spec.Request = []byte("please") }), nil, false},
		"denied": {changed(func(r *certificatesv1.CertificateSigningRequest) {
			r.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: certificatesv1.CertificateDenied, Status: corev1.ConditionTrue}}
		}), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlane(t, c.members...)
			if got := p.approved(c.request); got != c.want {
				t.Errorf("approved: %t; told %q", got, p.events)
			}
		})
	}
}

// TestWhoWritesRolesIsLeftAndSaysSo: a client that asks for that certificate first waits for an administrator, who has to know.
func TestWhoWritesRolesIsLeftAndSaysSo(t *testing.T) {
	for _, by := range []string{bootstrapper, "system:karmada:agent:rbac-generator"} {
		p, request := newPlane(t), asked(t, by, "system:karmada:agent:rbac-generator", group)
		if p.approved(request) {
			t.Errorf("approved for %s", by)
		}
		found := &certificatesv1.CertificateSigningRequest{}
		if err := p.Get(t.Context(), client.ObjectKeyFromObject(request), found); err != nil {
			t.Fatal(err)
		}
		if why := found.Annotations["seatrial.io/request-left"]; !strings.Contains(why, "seatrial register") || len(p.events) != 1 {
			t.Errorf("asked by %s, it says %q; told %q", by, why, p.events)
		}
	}
}

// rules are those of a role and whom it is bound to.
func (p *plane) rules(namespace, name string) (rules []rbacv1.PolicyRule, user string, owners []metav1.OwnerReference) {
	p.Helper()
	key := client.ObjectKey{Namespace: namespace, Name: name}
	if namespace == "" {
		role, binding := &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}
		if p.Get(p.Context(), key, role) != nil || p.Get(p.Context(), key, binding) != nil || binding.RoleRef.Name != name {
			return nil, "", nil
		}
		return role.Rules, binding.Subjects[0].Name, role.OwnerReferences
	}
	role, binding := &rbacv1.Role{}, &rbacv1.RoleBinding{}
	if p.Get(p.Context(), key, role) != nil || p.Get(p.Context(), key, binding) != nil || binding.RoleRef.Name != name {
		return nil, "", nil
	}
	return role.Rules, binding.Subjects[0].Name, role.OwnerReferences
}

// TestRights grows with the registration: what it takes to register with the certificate, the Works with the execution space.
func TestRights(t *testing.T) {
	p := newPlane(t)
	if !p.approved(asked(t, bootstrapper, agentOfM1, group)) {
		t.Fatal("not approved")
	}
	check := func(namespace, name string, there, owned bool) {
		t.Helper()
		rules, user, owners := p.rules(namespace, name)
		if (len(rules) > 0) != there || there && user != agentOfM1 || (len(owners) == 1) != owned {
			t.Errorf("role %s/%s has rules %v for %q, owned by %v", namespace, name, rules, user, owners)
		}
		for _, rule := range rules {
			for _, verb := range rule.Verbs {
				if verb == "*" || rule.Resources[0] == "*" {
					t.Errorf("role %s/%s gives everything: %v", namespace, name, rule)
				}
			}
		}
	}
	check("", "system:karmada:m1:agent", true, false)
	check("karmada-cluster", "system:karmada:m1:agent-secret", false, false)
	check("karmada-es-m1", "system:karmada:m1:agent-work", false, false)

	if err := p.Create(t.Context(), member("m1", clusterv1alpha1.Pull)); err != nil {
		t.Fatal(err)
	}
	p.turn(control.Key{GVK: clusterKind, Name: "m1"})
	check("karmada-es-m1", "system:karmada:m1:agent-work", false, false)
	if err := p.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "karmada-es-m1"}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.turn(control.Key{GVK: clusterKind, Name: "m1"})
		check("", "system:karmada:m1:agent", true, true)
		check("karmada-cluster", "system:karmada:m1:agent-secret", true, true)
		check("karmada-es-m1", "system:karmada:m1:agent-work", true, true)
	}
}

// TestPushModeNeedsNoRights: nobody inside such a cluster talks to the control plane. Who has got a certificate of its agent before loses
// what came with it, or could read the credentials of the cluster.
func TestPushModeNeedsNoRights(t *testing.T) {
	p := newPlane(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "karmada-es-m1"}})
	if !p.approved(asked(t, bootstrapper, agentOfM1, group)) {
		t.Fatal("not approved")
	}
	joined := member("m1", clusterv1alpha1.Pull)
	if err := p.Create(t.Context(), joined); err != nil {
		t.Fatal(err)
	}
	p.turn(control.Key{GVK: clusterKind, Name: "m1"})
	late := rights("m1", nil)[0].objects("m1")[0]
	elses := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "system:karmada:m1:agent-secret", Namespace: "karmada-cluster"}}
	for _, mode := range []clusterv1alpha1.ClusterSyncMode{clusterv1alpha1.Push, clusterv1alpha1.Pull, clusterv1alpha1.Push} {
		joined.Spec.SyncMode = mode
		if err := p.Update(t.Context(), joined); err != nil {
			t.Fatal(err)
		}
		p.turn(control.Key{GVK: clusterKind, Name: "m1"})
		// The view may not have had it yet at that turn.
		if keys := onRole(t.Context(), p, control.Event{New: late}); (len(keys) == 1) != (mode == clusterv1alpha1.Push) {
			t.Errorf("in %s mode, a new role wakes %v", mode, keys)
		}
		for name, namespace := range map[string]string{"agent": "", "agent-secret": "karmada-cluster", "agent-work": "karmada-es-m1"} {
			if rules, _, _ := p.rules(namespace, "system:karmada:m1:"+name); (rules != nil) != (mode == clusterv1alpha1.Pull) {
				t.Errorf("in %s mode: %s has rules %v", mode, name, rules)
			}
		}
	}
	// One that the controller did not make is not its to delete.
	if err := p.Create(t.Context(), elses); err != nil {
		t.Fatal(err)
	}
	p.turn(control.Key{GVK: clusterKind, Name: "m1"})
	if err := p.Get(t.Context(), client.ObjectKeyFromObject(elses), elses); err != nil {
		t.Error(err)
	}
}

// TestEarlierRolesGetWhatTheyLack: an upgrade may need more, and what somebody else has allowed is theirs.
func TestEarlierRolesGetWhatTheyLack(t *testing.T) {
	elses := rbacv1.PolicyRule{APIGroups: []string{"example.com"}, Resources: []string{"things"}, Verbs: []string{"get"}}
	elsesOwner := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "tool", UID: "uid-of-tool"}
	fixed := map[string]string{rbacv1.AutoUpdateAnnotationKey: "false"}
	p := newPlane(t, member("m1", clusterv1alpha1.Pull),
		&rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "system:karmada:m1:agent", OwnerReferences: []metav1.OwnerReference{elsesOwner}},
			Rules:      []rbacv1.PolicyRule{elses, rights("m1", Defaults().SecretNamespaces)[0].rules[0]},
		},
		&rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Name: "system:karmada:m1:agent-secret", Namespace: "karmada-cluster", Annotations: fixed},
			Rules:      []rbacv1.PolicyRule{elses},
		},
	)
	var versions []string
	for range 2 {
		p.turn(control.Key{GVK: clusterKind, Name: "m1"})
		rules, user, owners := p.rules("", "system:karmada:m1:agent")
		want := append([]rbacv1.PolicyRule{elses}, rights("m1", Defaults().SecretNamespaces)[0].rules...)
		if !equality.Semantic.DeepEqual(rules, want) || user != agentOfM1 || len(owners) != 2 || owners[0] != elsesOwner || owners[1].UID != "uid-of-cluster" {
			t.Errorf("rules %v for %q, owned by %v", rules, user, owners)
		}
		if rules, _, owners := p.rules("karmada-cluster", "system:karmada:m1:agent-secret"); len(rules) != 1 || len(owners) != 1 {
			t.Errorf("rules that shall stay: %v, owned by %v", rules, owners)
		}
		role := &rbacv1.ClusterRole{}
		if err := p.Get(t.Context(), client.ObjectKey{Name: "system:karmada:m1:agent"}, role); err != nil {
			t.Fatal(err)
		}
		versions = append(versions, role.ResourceVersion)
	}
	if versions[0] != versions[1] {
		t.Error("a role that lacks nothing was written")
	}
}

// TestEarlierRolesLoseWhatIsTooMuch: agents could look at the requests of all. What the reference gives them is theirs.
func TestEarlierRolesLoseWhatIsTooMuch(t *testing.T) {
	requests := func(verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{"certificates.k8s.io"}, Resources: []string{"certificatesigningrequests"}, Verbs: verbs}
	}
	for name, c := range map[string]struct {
		given rbacv1.PolicyRule
		kept  bool
	}{"earlier": {requests("create", "get", "list", "watch"), false}, "of the reference": {requests("get", "create"), true}} {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "system:karmada:m1:agent"}, Rules: []rbacv1.PolicyRule{c.given}}
		p := newPlane(t, member("m1", clusterv1alpha1.Pull), role)
		p.turn(control.Key{GVK: clusterKind, Name: "m1"})
		rules, _, _ := p.rules("", role.Name)
		if kept := equality.Semantic.DeepEqual(rules[0], c.given); kept != c.kept {
			t.Errorf("%s: rules %v", name, rules)
		}
		if own := rules[len(rules)-1]; len(own.ResourceNames) != 1 || own.ResourceNames[0] != "karmada-agent-m1" {
			if !c.kept {
				t.Errorf("%s: the agent cannot follow its own certificate: %v", name, rules)
			}
		}
	}
}

// TestNameIsGivenOnce: whoever copies a token must not share a name with the cluster that registers by it.
func TestNameIsGivenOnce(t *testing.T) {
	p := newPlane(t)
	request := func(name string) *certificatesv1.CertificateSigningRequest {
		made := asked(t, bootstrapper, agentOfM1, group)
		made.Name, made.UID = name, types.UID("uid-of-"+name)
		return made
	}
	thief := request("thief")
	if !p.approved(thief) {
		t.Fatal("not approved")
	}
	// Its turn may come again, when the approval could not be written.
	thief.Status.Conditions = nil
	if err := p.Status().Update(t.Context(), thief); err != nil {
		t.Fatal(err)
	}
	p.turn(control.Key{GVK: requestKind, Name: thief.Name})
	if err := p.Get(t.Context(), client.ObjectKeyFromObject(thief), thief); err != nil || len(thief.Status.Conditions) != 1 {
		t.Errorf("the same request has conditions %v, %v", thief.Status.Conditions, err)
	}
	late := request("late")
	if p.approved(late) {
		t.Error("two have certificates of one agent")
	}
	if why := late.Annotations["seatrial.io/request-left"]; !strings.Contains(why, "kubectl delete clusterrole system:karmada:m1:agent") {
		t.Errorf("left for %q", why)
	}
	if err := p.Delete(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "system:karmada:m1:agent"}}); err != nil {
		t.Fatal(err)
	}
	if !p.approved(request("later")) {
		t.Error("a name that was given back is not given again")
	}
}

// TestNameIsRegisteredAnew while the garbage collector has not come to the roles of the Cluster that had it before.
func TestNameIsRegisteredAnew(t *testing.T) {
	p := newPlane(t, member("m1", clusterv1alpha1.Pull))
	p.turn(control.Key{GVK: clusterKind, Name: "m1"})
	if err := p.Delete(t.Context(), member("m1", clusterv1alpha1.Pull)); err != nil {
		t.Fatal(err)
	}
	if !p.approved(asked(t, bootstrapper, agentOfM1, group)) {
		t.Fatal("not approved")
	}
	if rules, user, owners := p.rules("", "system:karmada:m1:agent"); len(rules) == 0 || user != agentOfM1 || len(owners) > 0 {
		t.Errorf("rules %v for %q go with %v", rules, user, owners)
	}
}

// FuzzRequested gives anything as a request: what is taken for an agent's names a cluster.
func FuzzRequested(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"))
	f.Add([]byte("please"))
	f.Fuzz(func(t *testing.T, text []byte) {
		request := &certificatesv1.CertificateSigningRequest{Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: text, SignerName: certificatesv1.KubeAPIServerClientSignerName, Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		}}
		if cluster, ok := requested(request); ok == (cluster == "") {
			t.Errorf("cluster %q, an agent's: %t", cluster, ok)
		}
	})
}

// TestLostRolesComeBack when somebody deletes them or takes rights from them, without waiting for a change of the Cluster.
func TestLostRolesComeBack(t *testing.T) {
	p := newPlane(t, member("m1", clusterv1alpha1.Pull), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "karmada-es-m1"}})
	p.turn(control.Key{GVK: clusterKind, Name: "m1"})
	woken := func(old, current client.Object) {
		t.Helper()
		keys := onRole(t.Context(), p, control.Event{Old: old, New: current})
		if len(keys) != 1 || keys[0] != (control.Key{GVK: clusterKind, Name: "m1"}) {
			t.Fatalf("a change of %T %s wakes %v", old, old.GetName(), keys)
		}
		p.turn(keys[0])
	}
	for _, given := range append(rights("m1", Defaults().SecretNamespaces), inside("m1")) {
		for _, object := range given.objects("m1") {
			if err := p.Delete(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			woken(object, nil)
			if rules, user, _ := p.rules(given.namespace, given.name); !equality.Semantic.DeepEqual(rules, given.rules) || user != agentOfM1 {
				t.Errorf("%T %s: rules %v for %q", object, given.name, rules, user)
			}
		}
	}
	role := &rbacv1.ClusterRole{}
	if err := p.Get(t.Context(), client.ObjectKey{Name: "system:karmada:m1:agent"}, role); err != nil {
		t.Fatal(err)
	}
	before := role.DeepCopy()
	role.Rules = role.Rules[1:]
	if err := p.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	woken(before, role)
	binding := &rbacv1.ClusterRoleBinding{}
	if err := p.Get(t.Context(), client.ObjectKey{Name: "system:karmada:m1:agent"}, binding); err != nil {
		t.Fatal(err)
	}
	held := binding.DeepCopy()
	binding.Subjects = []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "auditors"}}
	if err := p.Update(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	woken(held, binding)
	if err := p.Get(t.Context(), client.ObjectKeyFromObject(binding), binding); err != nil || len(binding.Subjects) != 2 || binding.Subjects[1].Name != agentOfM1 {
		t.Errorf("bound to %v, %v", binding.Subjects, err)
	}
	if rules, _, _ := p.rules("", role.Name); len(rules) != len(before.Rules) {
		t.Errorf("rules %v", rules)
	}
	for _, object := range []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "system:karmada:certificatesigningrequest:autoapprover"}},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "view"}}, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "system:karmada:m1:agent"}},
	} {
		if keys := onRole(t.Context(), p, control.Event{Old: object}); len(keys) > 0 {
			t.Errorf("%T %s wakes %v", object, object.GetName(), keys)
		}
	}
}

// TestSecretsElsewhere: agents may keep secrets where an administrator says so, and make no namespace for it.
func TestSecretsElsewhere(t *testing.T) {
	p := newPlane(t, member("m1", clusterv1alpha1.Pull))
	options := Defaults()
	options.SecretNamespaces = []string{"fleet-a", "fleet-b"}
	deps := control.Deps{Client: p.Client, Live: p.Client, Events: p, Clock: testclock.NewFakePassiveClock(time.Unix(1000, 0))}
	for range 2 {
		if _, err := New(options).Reconcile(t.Context(), deps, control.Key{GVK: clusterKind, Name: "m1"}); err != nil {
			t.Fatal(err)
		}
	}
	for namespace, resource := range map[string]string{"fleet-a": "secrets", "fleet-b": "secrets", "karmada-cluster": "leases"} {
		rules, user, _ := p.rules(namespace, "system:karmada:m1:agent-secret")
		if len(rules) != 1 || rules[0].Resources[0] != resource || user != agentOfM1 {
			t.Errorf("in %s: rules %v for %q", namespace, rules, user)
		}
		if err := p.Get(t.Context(), client.ObjectKey{Name: namespace}, &corev1.Namespace{}); (err == nil) != (resource == "secrets") {
			t.Errorf("namespace %s: %v", namespace, err)
		}
	}
}

// TestLeftRequestSaysWhy to who waits for it, and once.
func TestLeftRequestSaysWhy(t *testing.T) {
	p := newPlane(t, member("m1", clusterv1alpha1.Pull))
	request := asked(t, bootstrapper, agentOfM1, group)
	if p.approved(request) {
		t.Fatal("approved")
	}
	p.turn(control.Key{GVK: requestKind, Name: request.Name})
	if why := request.Annotations["seatrial.io/request-left"]; !strings.Contains(why, "choose another --cluster-name") || len(p.events) != 1 {
		t.Errorf("left for %q; told %q", why, p.events)
	}
}
