// Package registration makes a cluster a member of the fleet, and takes it out again: identities in the member, credentials
// and the Cluster object in the control plane.
package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/controllers/admit"
)

// Keys of the secrets that hold the credentials of a member.
const (
	secretToken = "token"
	secretCA    = "caBundle"
)

const (
	// tokenWait bounds the wait for a member to issue the token of a new service account.
	tokenWait = 30 * time.Second
	// namespaceWait bounds the wait for a member to end a namespace.
	namespaceWait = time.Minute
	poll          = 200 * time.Millisecond
)

// impersonator is the service account in each member that only may impersonate.
const impersonator = "karmada-impersonator"

// Member says how the control plane reaches a cluster in Push mode, and where the cluster is.
type Member struct {
	// Name is the name of the Cluster: a DNS label of at most 48 characters.
	Name string
	// Endpoint is the URL the control plane reaches the member's API server by; CABundle is the PEM that certifies it, and
	// is not used when Insecure.
	Endpoint string
	CABundle []byte
	Insecure bool
	ProxyURL string
	// Namespace holds the service accounts in the member and the secrets in the control plane; empty means karmada-cluster.
	Namespace string

	Provider, Region string
	Zones            []string
}

func (m Member) namespace() string {
	if m.Namespace == "" {
		return names.NamespaceCluster
	}
	return m.Namespace
}

// Join registers a member: plane and cluster are administrators' clients of the two sides. It fails without a trace in the
// control plane when the name or the cluster is already a member. After another failure it may be repeated: a Cluster that has no
// credentials yet is taken up again.
func Join(ctx context.Context, plane, cluster client.Client, member Member) error {
	id, err := clusterID(ctx, cluster)
	if err != nil {
		return fmt.Errorf("joining cluster %s: %w", member.Name, err)
	}
	if _, err := checkUnknown(ctx, plane, member.Name, id); err != nil {
		return fmt.Errorf("joining cluster %s: %w", member.Name, err)
	}
	tokens, err := grantAccess(ctx, cluster, member)
	if err != nil {
		return fmt.Errorf("joining cluster %s: preparing the member: %w", member.Name, err)
	}
	// Who has come by the name while the member issued the tokens could read them.
	begun, err := checkUnknown(ctx, plane, member.Name, id)
	if err != nil {
		return fmt.Errorf("joining cluster %s: %w", member.Name, err)
	}
	if err := register(ctx, plane, member, begun, id, tokens); err != nil {
		return fmt.Errorf("joining cluster %s: registering it: %w", member.Name, err)
	}
	return nil
}

// clusterID identifies a cluster by what is created once in its life.
func clusterID(ctx context.Context, cluster client.Client) (string, error) {
	system := &corev1.Namespace{}
	if err := cluster.Get(ctx, types.NamespacedName{Name: metav1.NamespaceSystem}, system); err != nil {
		return "", fmt.Errorf("reading namespace %s of the member: %w", metav1.NamespaceSystem, err)
	}
	return string(system.UID), nil
}

// checkUnknown errs when the name is somebody's, or the cluster a member. begun is the Cluster of an earlier attempt to join it that did
// not come to its end, nil when there is none.
func checkUnknown(ctx context.Context, plane client.Client, name, id string) (begun *clusterv1alpha1.Cluster, err error) {
	// Else whoever has a certificate of an agent by that name could write to the Cluster.
	role := &rbacv1.ClusterRole{}
	err = plane.Get(ctx, client.ObjectKey{Name: admit.AgentRole(name)}, role)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("looking for an agent of that name: %w", err)
	}
	if role.Annotations[names.AnnotationGrantedRequest] != "" {
		return nil, fmt.Errorf("a certificate of an agent was given for the name %s, and no cluster has registered by it: choose another name, or take the rights of that agent "+
			"away with `kubectl delete clusterrole %s`", name, role.Name)
	}
	clusters := &clusterv1alpha1.ClusterList{}
	if err := plane.List(ctx, clusters); err != nil {
		return nil, fmt.Errorf("listing the clusters that are members: %w", err)
	}
	for i := range clusters.Items {
		switch known := &clusters.Items[i]; {
		case known.Name == name && known.Spec.ID == id && unfinished(known):
			begun = known
		case known.Name == name:
			return nil, fmt.Errorf("a cluster named %s is a member already; unjoin it first or choose another name", name)
		case known.Spec.ID == id:
			return nil, fmt.Errorf("the same cluster is a member already, under the name %s", known.Name)
		}
	}
	return begun, nil
}

// unfinished tells that a Cluster has its name, but not the credentials that make it a member in Push mode.
func unfinished(cluster *clusterv1alpha1.Cluster) bool {
	return cluster.Spec.SyncMode == clusterv1alpha1.Push && cluster.Spec.SecretRef == nil && cluster.DeletionTimestamp.IsZero()
}

// tokens are what the member issued for the control plane.
type tokens struct {
	access        []byte
	impersonation []byte
}

func grantAccess(ctx context.Context, cluster client.Client, member Member) (tokens, error) {
	account := names.ServiceAccount(member.Name)
	system := map[string]string{names.LabelSystem: names.LabelSystemValue}
	namespaced := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: member.namespace(), Name: name, Labels: system}
	}
	role := names.MemberRole(account)
	wanted := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: member.namespace(), Labels: system}},
		&corev1.ServiceAccount{ObjectMeta: namespaced(account)},
		&corev1.ServiceAccount{ObjectMeta: namespaced(impersonator)},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role, Labels: system}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
			{NonResourceURLs: []string{"*"}, Verbs: []string{"get"}},
		}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role, Labels: system},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: member.namespace(), Name: account}},
		},
		tokenSecret(member.namespace(), account),
		tokenSecret(member.namespace(), impersonator),
	}
	if err := awaitEarlierEnd(ctx, cluster, member.namespace()); err != nil {
		return tokens{}, err
	}
	for _, object := range wanted {
		if err := cluster.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return tokens{}, fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	access, err := awaitToken(ctx, cluster, types.NamespacedName{Namespace: member.namespace(), Name: account})
	if err != nil {
		return tokens{}, err
	}
	impersonation, err := awaitToken(ctx, cluster, types.NamespacedName{Namespace: member.namespace(), Name: impersonator})
	return tokens{access: access, impersonation: impersonation}, err
}

// awaitEarlierEnd lets the namespace go that an unjoin is still deleting: nothing can be created in it.
func awaitEarlierEnd(ctx context.Context, cluster client.Client, name string) error {
	err := wait.PollUntilContextTimeout(ctx, poll, namespaceWait, true, func(ctx context.Context) (bool, error) {
		namespace := &corev1.Namespace{}
		err := cluster.Get(ctx, types.NamespacedName{Name: name}, namespace)
		return namespace.DeletionTimestamp == nil, client.IgnoreNotFound(err)
	})
	if err != nil {
		return fmt.Errorf("waiting for the member to finish the deletion of namespace %s: %w", name, err)
	}
	return nil
}

// tokenSecret asks the member for a token of a service account that lasts until the secret goes.
func tokenSecret(namespace, account string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account,
			Labels:      map[string]string{names.LabelSystem: names.LabelSystemValue},
			Annotations: map[string]string{corev1.ServiceAccountNameKey: account}},
		Type: corev1.SecretTypeServiceAccountToken,
	}
}

func awaitToken(ctx context.Context, cluster client.Client, name types.NamespacedName) ([]byte, error) {
	secret := &corev1.Secret{}
	err := wait.PollUntilContextTimeout(ctx, poll, tokenWait, true, func(ctx context.Context) (bool, error) {
		err := cluster.Get(ctx, name, secret)
		return len(secret.Data[corev1.ServiceAccountTokenKey]) > 0, client.IgnoreNotFound(err)
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for the member to issue the token of service account %s: %w", name, err)
	}
	return secret.Data[corev1.ServiceAccountTokenKey], nil
}

// register makes the Cluster first, which takes the name, then the credentials, which go with it, and has it refer to them last, so that
// whoever sees the references can use them. Credentials without a Cluster would be those of whoever comes by the name next.
func register(ctx context.Context, plane client.Client, member Member, cluster *clusterv1alpha1.Cluster, id string, issued tokens) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: member.namespace(), Labels: map[string]string{names.LabelSystem: names.LabelSystemValue}}}
	if err := plane.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating namespace %s: %w", namespace.Name, err)
	}
	if cluster == nil {
		cluster = &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: member.Name}, Spec: clusterv1alpha1.ClusterSpec{ID: id, SyncMode: clusterv1alpha1.Push}}
		if err := plane.Create(ctx, cluster); err != nil {
			return fmt.Errorf("creating the Cluster: %w", err)
		}
	}
	access := credentials(member.namespace(), member.Name, map[string][]byte{secretToken: issued.access})
	if !member.Insecure {
		access.Data[secretCA] = member.CABundle
	}
	impersonation := credentials(member.namespace(), names.ImpersonationSecret(member.Name), map[string][]byte{secretToken: issued.impersonation})
	for _, secret := range []*corev1.Secret{access, impersonation} {
		secret.OwnerReferences = []metav1.OwnerReference{ownerOf(cluster)}
		if err := replaceSecret(ctx, plane, secret); err != nil {
			return err
		}
	}
	before := cluster.DeepCopy()
	spec := &cluster.Spec
	spec.APIEndpoint, spec.ProxyURL, spec.InsecureSkipTLSVerification = member.Endpoint, member.ProxyURL, member.Insecure
	spec.SecretRef = &clusterv1alpha1.LocalSecretReference{Namespace: access.Namespace, Name: access.Name}
	spec.ImpersonatorSecretRef = &clusterv1alpha1.LocalSecretReference{Namespace: impersonation.Namespace, Name: impersonation.Name}
	spec.Provider, spec.Region, spec.Zones = member.Provider, member.Region, member.Zones
	if err := plane.Patch(ctx, cluster, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("giving the Cluster its credentials: %w", err)
	}
	return nil
}

func credentials(namespace, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{names.LabelSystem: names.LabelSystemValue}},
		Data:       data,
	}
}

// replaceSecret overwrites what an earlier attempt may have left.
func replaceSecret(ctx context.Context, plane client.Client, secret *corev1.Secret) error {
	err := plane.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		existing := &corev1.Secret{}
		if err = plane.Get(ctx, client.ObjectKeyFromObject(secret), existing); err == nil {
			secret.ResourceVersion = existing.ResourceVersion
			err = plane.Update(ctx, secret)
		}
	}
	if err != nil {
		return fmt.Errorf("writing secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return nil
}

func ownerOf(cluster *clusterv1alpha1.Cluster) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: clusterv1alpha1.GroupVersion.String(), Kind: clusterv1alpha1.ResourceKindCluster, Name: cluster.Name, UID: cluster.UID}
}

// own lets the credentials go with the Cluster.
func own(ctx context.Context, plane client.Client, cluster *clusterv1alpha1.Cluster, secrets ...*corev1.Secret) error {
	var failures []error
	for _, secret := range secrets {
		before := secret.DeepCopy()
		secret.OwnerReferences = []metav1.OwnerReference{ownerOf(cluster)}
		if err := plane.Patch(ctx, secret, client.MergeFrom(before)); err != nil {
			failures = append(failures, fmt.Errorf("making the Cluster own secret %s/%s: %w", secret.Namespace, secret.Name, err))
		}
	}
	return errors.Join(failures...)
}
