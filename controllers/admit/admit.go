// Package admit lets the agents of clusters in Pull mode into the control plane: it approves their client certificates, and grants
// each of them what it needs for its own cluster and nothing else.
package admit

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/admission"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
)

// Subresources of certificate signing requests that say who gets an agent's certificate without an administrator: who may create
// the first one gets one of any cluster that is new, who may create the second one gets its own again.
const (
	ClusterAgent     = "clusteragent"
	SelfClusterAgent = "selfclusteragent"
)

// generator is no cluster: installations of the reference let the user of this name write the roles of agents, by rights that come to
// all there are. A holder of a bootstrap token must not become it unseen.
const generator = "rbac-generator"

// eventLeft is the reason of the event about a request that an administrator has to judge.
const eventLeft = "AgentRequestLeft"

var (
	requestKind = certificatesv1.SchemeGroupVersion.WithKind("CertificateSigningRequest")
	clusterKind = clusterv1alpha1.GroupVersion.WithKind(clusterv1alpha1.ResourceKindCluster)
)

// Options are the settings of the controller.
type Options struct {
	// SecretNamespaces are those in which agents may keep the secrets of their clusters: who may register a cluster chooses its name, and
	// with it the names of secrets there that its agent may read.
	SecretNamespaces []string
	Workers          int
}

// Defaults let agents keep secrets where the reference does.
func Defaults() Options {
	return Options{SecretNamespaces: []string{names.NamespaceCluster}, Workers: 1}
}

type approver struct{ options Options }

// New is the controller named "agentcsrapproving". Its keys are CertificateSigningRequests and Clusters.
func New(options Options) control.Controller {
	a := &approver{options: options}
	return control.Controller{
		Name: "agentcsrapproving",
		Watches: []control.Watch{
			{Object: &certificatesv1.CertificateSigningRequest{}, Keys: onRequest},
			{Object: &clusterv1alpha1.Cluster{}, Keys: onCluster},
			{Object: &corev1.Namespace{}, Keys: onExecutionSpace},
			{Object: &rbacv1.ClusterRole{}, Keys: onRole},
			{Object: &rbacv1.ClusterRoleBinding{}, Keys: onRole},
			{Object: &rbacv1.Role{}, Keys: onRole},
			{Object: &rbacv1.RoleBinding{}, Keys: onRole},
		},
		Workers: options.Workers,
		Reconcile: func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
			if key.GVK == clusterKind {
				return control.Result{}, a.grantMember(ctx, deps, key.Name)
			}
			return control.Result{}, a.judge(ctx, deps, key.Name)
		},
	}
}

func onRequest(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if request, ok := event.New.(*certificatesv1.CertificateSigningRequest); ok && pending(request) {
		return []control.Key{control.KindKeyOf(requestKind, request)}
	}
	return nil
}

// onCluster leaves out changes of status: what an agent may do does not depend on them.
func onCluster(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.New == nil || event.Old != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	return []control.Key{control.KindKeyOf(clusterKind, event.New)}
}

// onExecutionSpace wakes the cluster of a new execution space, in which its agent has to be let.
func onExecutionSpace(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	cluster, err := names.ClusterOfExecutionSpace(event.Object().GetName())
	if err != nil || event.Old != nil {
		return nil
	}
	return []control.Key{{GVK: clusterKind, Name: cluster}}
}

// onRole wakes the cluster whose agent has lost a role, or of whose role somebody has taken something. A new role wakes one in Push mode:
// when its roles were taken away, this one may have been on its way. It wakes one that is gone, too, for so do those that are found at
// the start.
func onRole(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	name := clusterOfRole(event.Object())
	if name == "" || event.Old == nil && pulled(ctx, reader, name) {
		return nil
	}
	return []control.Key{{GVK: clusterKind, Name: name}}
}

// pulled tells whether a cluster is a member in which an agent works, or may be one: the cache could not be asked.
func pulled(ctx context.Context, reader client.Reader, name string) bool {
	cluster := &clusterv1alpha1.Cluster{}
	err := reader.Get(ctx, types.NamespacedName{Name: name}, cluster, client.UnsafeDisableDeepCopy)
	return client.IgnoreNotFound(err) != nil || err == nil && cluster.Spec.SyncMode == clusterv1alpha1.Pull
}

// pending tells that nobody has decided on a request.
func pending(request *certificatesv1.CertificateSigningRequest) bool {
	return len(request.Status.Certificate) == 0 && !slices.ContainsFunc(request.Status.Conditions, func(c certificatesv1.CertificateSigningRequestCondition) bool {
		return c.Type == certificatesv1.CertificateApproved || c.Type == certificatesv1.CertificateDenied
	})
}

// judge approves a request of an agent. What it does not approve stays for administrators.
func (a *approver) judge(ctx context.Context, deps control.Deps, name string) error {
	request := &certificatesv1.CertificateSigningRequest{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, request); err != nil {
		return client.IgnoreNotFound(err)
	}
	cluster, ofAgent := requested(request)
	if !pending(request) || !ofAgent {
		return nil
	}
	if cluster == generator {
		return leave(ctx, deps, request, "whoever holds a certificate of "+names.AgentUser(generator)+" writes the roles of agents, by rights to all there is: "+
			"approve it by hand for nobody else, or register by `seatrial register`, which does without")
	}
	allowed, err := entitled(ctx, deps, request, cluster)
	if err != nil || !allowed {
		return err
	}
	// An agent that asks for itself has its rights.
	if request.Spec.Username != names.AgentUser(cluster) {
		if err := a.grant(ctx, deps, grantee{name: cluster, request: string(request.UID)}); err != nil {
			return err
		}
	}
	request.Status.Conditions = append(request.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "AutoApproved",
		Message: "a certificate of the agent of cluster " + cluster, LastUpdateTime: metav1.NewTime(deps.Clock.Now()),
	})
	if err := deps.Client.SubResource("approval").Update(ctx, request); err != nil {
		return fmt.Errorf("approving the certificate of the agent of cluster %s, request %s: %w", cluster, name, err)
	}
	return nil
}

// requested is the cluster whose agent the certificate is for, or the generator; ok is false for certificates of anyone else, and for
// those that say more than who the agent is.
func requested(request *certificatesv1.CertificateSigningRequest) (cluster string, ok bool) {
	allowed := []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth, certificatesv1.UsageDigitalSignature, certificatesv1.UsageKeyEncipherment}
	usages := request.Spec.Usages
	beyond := slices.ContainsFunc(usages, func(usage certificatesv1.KeyUsage) bool { return !slices.Contains(allowed, usage) })
	if request.Spec.SignerName != certificatesv1.KubeAPIServerClientSignerName || beyond || !slices.Contains(usages, certificatesv1.UsageClientAuth) {
		return "", false
	}
	block, _ := pem.Decode(request.Spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return "", false
	}
	wanted, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || wanted.CheckSignature() != nil {
		return "", false
	}
	cluster, found := strings.CutPrefix(wanted.Subject.CommonName, names.AgentUserPrefix)
	alone := len(wanted.DNSNames) == 0 && len(wanted.EmailAddresses) == 0 && len(wanted.IPAddresses) == 0 && len(wanted.URIs) == 0
	inGroup := slices.Equal(wanted.Subject.Organization, []string{names.AgentGroup})
	if !found || !alone || !inGroup || len(admission.ClusterNameFaults(cluster)) > 0 {
		return "", false
	}
	return cluster, true
}

// leave says why an administrator has to decide, to whoever looks and to who waits: holders of bootstrap tokens see no events.
func leave(ctx context.Context, deps control.Deps, request *certificatesv1.CertificateSigningRequest, why string) error {
	if request.Annotations[names.AnnotationRequestLeft] == why {
		return nil
	}
	deps.Events.Eventf(request, corev1.EventTypeWarning, eventLeft, "%s", why)
	told := request.DeepCopy()
	metav1.SetMetaDataAnnotation(&told.ObjectMeta, names.AnnotationRequestLeft, why)
	if err := deps.Client.Patch(ctx, told, client.MergeFrom(request)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("saying why request %s is left: %w", request.Name, err)
	}
	return nil
}

// taken says why the name of a cluster is not for whoever may register one: a member has it, or a secret of a member is called as one
// of the cluster's own would be, which its agent may read. It is empty for a name that is free.
func taken(ctx context.Context, deps control.Deps, cluster string) (string, error) {
	const choose = ": choose another --cluster-name"
	if of, found := strings.CutSuffix(cluster, names.ImpersonationSecret("")); found {
		return "its agent could read secret " + cluster + ", which is that of the impersonator of a cluster " + of + choose, nil
	}
	for _, of := range []struct{ member, why string }{
		{cluster, "cluster " + cluster + " is a member already" + choose + ", or take that one out with `seatrial unregister`, or approve this by hand if its " +
			"agent has lost its certificate"},
		{names.ImpersonationSecret(cluster), "its agent could read secret " + names.ImpersonationSecret(cluster) + ", which is that of the member of this name" + choose},
	} {
		err := deps.Live.Get(ctx, types.NamespacedName{Name: of.member}, &clusterv1alpha1.Cluster{})
		if err == nil {
			return of.why, nil
		}
		if client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("looking for cluster %s: %w", of.member, err)
		}
	}
	return "", nil
}

// reserved says why the name of a cluster waits for an administrator although no member has it: somebody got a certificate of its agent
// before, and would share the name with whoever comes by it now. Names are given once, for a token is soon copied.
func reserved(ctx context.Context, deps control.Deps, request *certificatesv1.CertificateSigningRequest, cluster string) (string, error) {
	role := &rbacv1.ClusterRole{}
	err := deps.Live.Get(ctx, types.NamespacedName{Name: AgentRole(cluster)}, role)
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("looking whether the name of cluster %s is taken: %w", cluster, err)
	}
	to := role.Annotations[names.AnnotationGrantedRequest]
	if err != nil || to == "" || to == string(request.UID) {
		return "", nil
	}
	return "a certificate of the agent of cluster " + cluster + " was given before, and no cluster has registered by it: choose another --cluster-name, or if it " +
		"was yours, give the name back with `kubectl delete clusterrole " + AgentRole(cluster) + "` and try again", nil
}

// entitled tells whether the requester gets the certificate: the agent itself, to follow one that expires, or somebody who may
// register clusters, for one that is none yet. Otherwise a bootstrap token would be enough to take over any cluster.
func entitled(ctx context.Context, deps control.Deps, request *certificatesv1.CertificateSigningRequest, cluster string) (bool, error) {
	subresource := ClusterAgent
	if request.Spec.Username == names.AgentUser(cluster) {
		subresource = SelfClusterAgent
	} else {
		why, err := taken(ctx, deps, cluster)
		if err == nil && why == "" {
			why, err = reserved(ctx, deps, request, cluster)
		}
		if err != nil {
			return false, err
		}
		if why != "" {
			return false, leave(ctx, deps, request, why)
		}
	}
	extra := map[string]authorizationv1.ExtraValue{}
	for key, value := range request.Spec.Extra {
		extra[key] = authorizationv1.ExtraValue(value)
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: request.Spec.Username, UID: request.Spec.UID, Groups: request.Spec.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: certificatesv1.GroupName, Resource: "certificatesigningrequests", Subresource: subresource, Verb: "create",
		},
	}}
	if err := deps.Client.Create(ctx, review); err != nil {
		return false, fmt.Errorf("asking whether %s may have the certificate of the agent of cluster %s: %w", request.Spec.Username, cluster, err)
	}
	return review.Status.Allowed, nil
}
